//! Every tool through both libraries, beside what the command line prints for the same.

use serde_json::{Value, json};
use taskhost_tests::TestBoard;

use crate::client::{Client, Library};

/// What the command line prints.
fn printed(board: &TestBoard, arguments: &[&str]) -> Value {
    board.run(arguments).exits(0).json()
}

/// For each library, with a board and a client of its own.
fn with_each(test: impl Fn(&TestBoard, &mut Client)) {
    for library in Library::ALL {
        let board = TestBoard::new();
        let mut client = Client::named(library, &board, "ada");
        test(&board, &mut client);
        client.close();
        board.assert_healthy();
    }
}

#[test]
fn tasks_are_added_all_or_none_and_shown_and_listed_as_the_command_line_does() {
    with_each(|board, client| {
        let plan = json!([
            { "type": "epic", "id": "plan" },
            { "type": "code", "id": "b", "parent": "plan", "after": ["a"], "labels": ["core"] },
            { "type": "code", "id": "a", "parent": "plan", "priority": 7, "data": { "n": 1.50 },
              "key": "once", "needs": ["rust"] },
        ]);
        let added = client.call("board_add", &json!({ "tasks": plan }));
        assert_eq!((&added["total"], &added["repeated"]), (&json!(3), &json!([])));
        for task in added["tasks"].as_array().unwrap() {
            assert_eq!(board.task(task["id"].as_str().unwrap()), *task);
        }
        let again = client.call("board_add", &json!({ "tasks": [plan[2]] }));
        assert_eq!(again["repeated"], json!(["a"]), "the key says that it is the same");
        let bad =
            json!({ "tasks": [{ "type": "code", "id": "c" }, { "type": "code", "after": ["?"] }] });
        client.refused("board_add", &bad);
        let missing = json!({ "tasks": [{ "type": "code", "id": "c" }, { "type": "code", "after": ["no"] }] });
        assert_eq!(client.refused("board_add", &missing)["code"], "no_such_task");
        board.run(&["show", "c"]).exits(5);

        let list = |client: &mut Client, arguments: Value| client.call("board_list", &arguments);
        assert_eq!(list(client, json!({})), printed(board, &["list"]));
        let of_plan = json!({ "parent": "plan", "labels": ["core"], "types": ["code"] });
        let wanted = ["list", "--parent", "plan", "--label", "core", "--type", "code"];
        assert_eq!(list(client, of_plan), printed(board, &wanted));
        let page = list(client, json!({ "limit": 2 }));
        assert_eq!(page, printed(board, &["list", "--limit", "2"]));
        let rest = list(client, json!({ "cursor": page["next_cursor"], "statuses": ["pending"] }));
        assert_eq!(rest["tasks"].as_array().unwrap().len(), 1);

        let shown = client.call("board_show", &json!({ "id": "b" }));
        assert_eq!(shown, printed(board, &["show", "b"]));
        let mut shown = client.call("board_show", &json!({ "id": "b", "events": 10 }));
        let history = printed(board, &["history", "b"]);
        assert_eq!(shown["events"].take(), history["events"]);
    });
}

#[test]
fn task_is_claimed_extended_and_completed() {
    with_each(|board, client| {
        client.call(
            "board_add",
            &json!({ "tasks": [{ "type": "code", "id": "a" }, { "type": "docs", "id": "d" }] }),
        );
        let got =
            client.call("board_next", &json!({ "types": ["docs"], "lease_s": 90, "key": "k" }));
        assert_eq!((&got["task"]["id"], &got["repeated"]), (&json!("d"), &json!(false)));
        assert_eq!(got["token"], got["task"]["claim"]["token"]);
        assert_eq!(got["task"], board.task("d"));
        assert_eq!(got["task"]["claim"]["agent"], "ada", "the client's own name");
        let again =
            client.call("board_next", &json!({ "types": ["docs"], "lease_s": 90, "key": "k" }));
        assert_eq!((&again["task"]["id"], &again["repeated"]), (&json!("d"), &json!(true)));

        let extended = client.call("board_heartbeat", &json!({ "id": "d", "lease_s": 3600 }));
        assert_eq!(extended["task"], board.task("d"));
        let until = |of: &Value| of["task"]["claim"]["lease_until"].as_str().unwrap().to_owned();
        assert!(until(&extended) > until(&got));

        let finish = json!({ "id": "d", "outcome": "complete", "result": { "pages": 12 } });
        let done = client.call("board_finish", &finish);
        assert_eq!((&done["task"], &done["repeated"]), (&board.task("d"), &json!(false)));
        assert_eq!(done["task"]["result"], json!({ "pages": 12 }));

        let got = client.call("board_next", &json!({ "id": "a", "wait_s": 5 }));
        assert_eq!(got["task"]["id"], "a");
        client.call("board_finish", &json!({ "id": "a", "outcome": "release", "text": "later" }));
        assert_eq!(board.task("a")["status"], "pending");
        client.call("board_next", &json!({}));
        client
            .call("board_finish", &json!({ "id": "a", "outcome": "fail", "text": "no compiler" }));
        assert_eq!(board.task("a")["error"], "no compiler");
        let none = client.call("board_next", &json!({}));
        assert_eq!((&none["task"], &none["reason"]), (&Value::Null, &json!("empty")));
    });
}

#[test]
fn why_a_task_cant_be_claimed_is_said_as_the_command_line_does() {
    with_each(|board, client| {
        let tasks = json!([{ "type": "code", "id": "a", "needs": ["rust"] }, { "type": "code", "id": "b", "after": ["a"] }]);
        client.call("board_add", &json!({ "tasks": tasks }));
        let explained = client.call("board_explain", &json!({ "id": "b" }));
        assert_eq!(explained, printed(board, &["explain", "b", "--agent", "ada"]));
        let explained = client.call("board_explain", &json!({ "id": "a" }));
        assert_eq!(explained, printed(board, &["explain", "a", "--agent", "ada"]));
        let prospects = client.call("board_explain", &json!({}));
        assert_eq!(prospects, printed(board, &["explain", "--agent", "ada"]));
    });
}

#[test]
fn notes_beside_tasks_and_agents_are_the_command_lines() {
    with_each(|board, client| {
        board.add(&["t"]);
        client.call("board_context", &json!({ "task": "t", "key": "log", "value": "one\n" }));
        client.call(
            "board_context",
            &json!({ "task": "t", "key": "log", "value": "two ü", "append": true }),
        );
        let answer = client.call("board_context", &json!({ "task": "t", "key": "log" }));
        assert_eq!(answer["text"], "one\ntwo ü");
        assert_eq!(answer, printed(board, &["context", "get", "--task", "t", "log"]));
        let list = client.call("board_context", &json!({ "task": "t" }));
        assert_eq!(list, printed(board, &["context", "list", "--task", "t"]));
        client.call("board_context", &json!({ "key": "mine", "value": "x" }));
        let own = client.call("board_context", &json!({}));
        assert_eq!(own, printed(board, &["context", "list", "--agent", "ada"]));
    });
}
