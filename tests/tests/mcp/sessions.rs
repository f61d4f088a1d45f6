//! Sessions: two under one name, one that goes on where another ended, and their ends.

use std::fs;

use serde_json::{Value, json};
use taskhost_tests::TestBoard;

use crate::client::{Client, Library, kill_server};
use crate::server::{Server, Wire};

// Two windows of one editor are two agents under one name: they shared a claim, both did the work, and the second one's
// result overwrote the first one's (claude-code #23884).
#[test]
fn two_sessions_under_one_name_never_share_a_claim() {
    let board = TestBoard::new();
    board.add(&["a", "b"]);
    let [mut one, mut two] = Library::ALL.map(|library| Client::named(library, &board, "editor"));
    let begun = [
        one.start("board_next", &json!({ "wait_s": 5 })),
        two.start("board_next", &json!({ "wait_s": 5 })),
    ];
    let first = one.called(begun[0]);
    let second = two.called(begun[1]);
    assert_ne!(first["task"]["id"], second["task"]["id"]);
    assert_ne!(first["token"], second["token"]);
    let sessions = [&first, &second].map(|got| got["task"]["claim"]["session"].clone());
    assert_ne!(sessions[0], sessions[1]);

    // The name alone doesn't make the other one's task its own.
    let theirs = first["task"]["id"].clone();
    let error = two.refused("board_next", &json!({ "id": theirs }));
    assert_eq!((&error["code"], &error["holder"]), (&json!("claimed"), &json!("editor")));
    for (tool, arguments) in [
        ("board_heartbeat", json!({ "id": theirs })),
        ("board_finish", json!({ "id": theirs, "outcome": "complete" })),
        ("board_finish", json!({ "id": theirs, "outcome": "complete", "token": second["token"] })),
    ] {
        let error = two.refused(tool, &arguments);
        assert_eq!(error["retryable"], false, "{error}");
    }
    assert_eq!(board.task(theirs.as_str().unwrap())["claim"]["session"], sessions[0]);
    for (client, got) in [(&mut one, &first), (&mut two, &second)] {
        client.call("board_finish", &json!({ "id": got["task"]["id"], "outcome": "complete" }));
    }
    one.close();
    two.close();
}

/// A claim that a session made which is still there.
fn claimed(client: &mut Client) -> Value {
    let got = client.call("board_next", &json!({ "lease_s": 3600 }));
    json!({ "id": got["task"]["id"], "token": got["token"] })
}

// An editor restarts its servers whenever it likes, also while its agent is at work.
#[test]
fn new_session_takes_a_claim_up_again_by_its_token() {
    for library in Library::ALL {
        let board = TestBoard::new();
        board.add(&["t"]);
        let mut first = Client::named(library, &board, "ada");
        let claim = claimed(&mut first);
        let mut second = Client::named(library, &board, "ada");
        // As long as the first one lives it is its own: what both may have read proves nothing.
        assert_eq!(second.refused("board_next", &claim)["code"], "claimed");
        let session = board.task("t")["claim"]["session"].clone();
        kill_server(first.server());
        first.kill();
        let resumed = second.call_when_free("board_next", &claim);
        assert_eq!(resumed["repeated"], true, "{resumed}");
        assert_eq!(resumed["task"], board.task("t"));
        assert_ne!(resumed["task"]["claim"]["session"], session, "it is the new session's");
        assert_eq!(resumed["task"]["attempts"], 1, "it is the same attempt");
        second.call("board_heartbeat", &json!({ "id": "t" }));
        second.call("board_finish", &json!({ "id": "t", "outcome": "complete" }));
        second.close();
        assert_eq!(board.task("t")["status"], "completed");
    }
}

#[test]
fn claim_that_somebody_else_got_meanwhile_isnt_taken_up_again() {
    for library in Library::ALL {
        let board = TestBoard::new();
        board.add(&["t"]);
        let mut first = Client::named(library, &board, "ada");
        let claim = claimed(&mut first);
        first.close();
        let mut other = Client::named(Library::TypeScript, &board, "bob");
        assert_eq!(other.call("board_next", &json!({ "wait_s": 30 }))["task"]["id"], "t");
        let mut second = Client::named(library, &board, "ada");
        let error = second.refused("board_next", &claim);
        assert_eq!(
            (&error["code"], &error["holder"]),
            (&json!("stale_token"), &json!("bob")),
            "{error}"
        );
        assert_eq!(board.task("t")["claim"]["agent"], "bob");
        // Nor is it another name's by its token.
        let mut carl = Client::named(library, &board, "carl");
        let theirs = json!({ "id": "t", "token": board.task("t")["claim"]["token"] });
        assert_eq!(carl.refused("board_next", &theirs)["holder"], "bob");
        other.call("board_finish", &json!({ "id": "t", "outcome": "complete" }));
        for client in [other, second, carl] {
            client.close();
        }
    }
}

#[test]
fn end_of_standard_input_ends_the_server_well_and_gives_its_tasks_back() {
    let board = TestBoard::new();
    board.add(&["a", "b"]);
    let mut wire = Wire::start(&Server::on(&board, &[]), "ada");
    for id in [1, 2] {
        assert!(wire.call(id, "board_next", &json!({ "lease_s": 3600 }))["task"].is_object());
    }
    // It waits for a third one, which doesn't keep it.
    let wait = json!({ "name": "board_next", "arguments": { "wait_s": 50 } });
    wire.request(3, "tools/call", &wait);
    wire.close().exits(0);
    board.run(&["claim", "a", "--agent", "bob"]).exits(0);
    board.run(&["claim", "b", "--agent", "bob"]).exits(0);
}

#[test]
fn libraries_end_the_server_well() {
    for library in Library::ALL {
        let board = TestBoard::new();
        board.add(&["t"]);
        let code = board.folder().join("code");
        let mut server = Server::on(&board, &[]);
        let run = format!("\"$0\" \"$@\"; echo $? > '{}'", code.display());
        server.args.splice(0..0, ["-c".to_owned(), run, server.command.clone()]);
        server.command = "/bin/sh".to_owned();
        let mut client = Client::of(library, &server, "ada");
        assert_eq!(client.call("board_next", &json!({ "lease_s": 3600 }))["task"]["id"], "t");
        client.close();
        assert_eq!(fs::read_to_string(&code).unwrap().trim(), "0");
        board.run(&["claim", "--agent", "bob", "--wait", "30s"]).exits(0);
    }
}

#[test]
fn cancelled_wait_leaves_nothing_claimed() {
    for library in Library::ALL {
        let board = TestBoard::new();
        let mut client = Client::named(library, &board, "ada");
        let waiting = client.start("board_next", &json!({ "wait_s": 50 }));
        // What is asked after it is answered before it, so the wait has begun when it is cancelled.
        client.call("board_list", &json!({}));
        client.send(json!({ "do": "cancel", "of": waiting }));
        assert_eq!(client.answer(waiting).unwrap_err()["message"], "cancelled");
        client.call("board_list", &json!({}));
        board.add(&["t"]);
        let mut other = Client::named(library, &board, "bob");
        let got = other.call("board_next", &json!({ "wait_s": 30 }));
        assert_eq!(got["task"]["id"], "t", "{got}");
        let prospects = client.call("board_explain", &json!({}));
        assert_eq!(board.task("t")["claim"]["agent"], "bob", "{prospects}");
        // The session that cancelled goes on.
        board.add(&["u"]);
        assert_eq!(client.call("board_next", &json!({ "wait_s": 30 }))["task"]["id"], "u");
        client.close();
        other.close();
    }
}

#[test]
fn wrong_token_does_not_make_a_session_forget_its_own() {
    // It was told afterwards that its own task was somebody else's, and to leave it to them.
    for library in Library::ALL {
        let board = TestBoard::new();
        board.add(&["t"]);
        let mut client = Client::named(library, &board, "ada");
        client.call("board_next", &json!({}));
        let wrong = client.refused("board_heartbeat", &json!({ "id": "t", "token": 999 }));
        assert_eq!(wrong["code"], "stale_token");
        client.call("board_heartbeat", &json!({ "id": "t" }));
        let done = client.call("board_finish", &json!({ "id": "t", "outcome": "complete" }));
        assert_eq!(done["task"]["status"], "completed");
        client.close();
    }
}

#[test]
fn answer_that_nobody_asked_for_is_not_lost_in_silence() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let mut client = Client::named(Library::ALL[0], &board, "ada");
    let answer = json!({ "id": "t", "verdict": "answer", "text": "tabs" });
    assert_eq!(client.refused("board_review", &answer)["code"], "usage");
    client.close();
}
