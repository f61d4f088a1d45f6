//! What agents get wrong: each mistake is refused in words that say what to do, changes nothing, and ends nothing.

use serde_json::{Value, json};
use taskhost_tests::TestBoard;

use crate::client::{Client, Library};
use crate::server::{Server, Wire};

/// Calls that can't be meant, and what each error names.
fn malformed() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("board_next", json!({ "wait_s": "soon" }), "wait_s"),
        ("board_next", json!({ "wait_s": -1 }), "wait_s"),
        ("board_next", json!({ "wait_s": 3_600 }), "wait_s"),
        ("board_next", json!({ "type": "work" }), "type"),
        ("board_next", json!({ "types": "work" }), "types"),
        ("board_next", json!({ "token": 1 }), "id"),
        ("board_heartbeat", json!({}), "id"),
        ("board_heartbeat", json!({ "id": "held", "lease_s": [] }), "lease_s"),
        ("board_heartbeat", json!({ "id": "no spaces" }), "id"),
        ("board_finish", json!({ "id": "held" }), "outcome"),
        ("board_finish", json!({ "id": "held", "outcome": "done" }), "done"),
        ("board_finish", json!({ "id": "held", "outcome": "block" }), "text"),
        ("board_finish", json!({ "id": "held", "outcome": "fail", "result": 1 }), "result"),
        ("board_finish", json!({ "id": "held", "outcome": "complete", "token": "1" }), "token"),
        ("board_add", json!({ "tasks": [] }), "tasks"),
        ("board_add", json!({ "tasks": { "type": "work" } }), "tasks"),
        ("board_add", json!({ "tasks": [{ "id": "x" }] }), "type"),
        ("board_add", json!({ "tasks": [{ "type": "work", "prio": 1 }] }), "prio"),
        ("board_show", json!({ "id": "held", "events": 100_000 }), "events"),
        ("board_list", json!({ "statuses": ["open"] }), "open"),
        ("board_list", json!({ "limit": 0 }), "limit"),
        ("board_list", json!({ "cursor": "first" }), "cursor"),
        ("board_context", json!({ "value": "x" }), "key"),
        ("board_context", json!({ "key": "../../x", "value": "x" }), "key"),
        ("board_review", json!({ "id": "held", "verdict": "send_back" }), "text"),
        ("board_review", json!({ "id": "held", "verdict": "fine", "text": "x" }), "fine"),
    ]
}

// An agent is told what it did wrong by the tool, where it reads it. Libraries answered such calls with an error of the
// protocol, which many clients show to nobody; and some servers ended.
#[test]
fn malformed_calls_are_refused_by_name_and_change_nothing() {
    for library in Library::ALL {
        let board = TestBoard::new();
        board.add(&["held"]);
        let mut client = Client::named(library, &board, "ada");
        client.call("board_next", &json!({}));
        let before = board.run(&["status"]).json();
        let server = client.server();
        for (tool, arguments, named) in malformed() {
            let error = client.refused(tool, &arguments);
            assert_eq!(
                (&error["code"], &error["retryable"]),
                (&json!("usage"), &json!(false)),
                "{tool} {arguments}: {error}"
            );
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(named), "{tool} {arguments}: {message}");
        }
        assert_eq!(board.run(&["status"]).json()["sequence"], before["sequence"]);
        assert_eq!(client.server(), server, "it is the same process");
        client.call("board_finish", &json!({ "id": "held", "outcome": "complete" }));
        client.close();
    }
}

#[test]
fn unknown_tool_is_an_error_of_the_protocol_and_the_server_lives_on() {
    let board = TestBoard::new();
    for library in Library::ALL {
        let mut client = Client::named(library, &board, "ada");
        let id = client.start("board_delete", &json!({}));
        let error = client.answer(id).unwrap_err();
        assert_eq!(error["code"], -32_602, "{error}");
        assert!(error["message"].as_str().unwrap().contains("board_next"), "{error}");
        client.call("board_list", &json!({}));
        client.close();
    }
}

#[test]
fn what_isnt_there_or_is_somebody_elses_is_refused_with_the_holder() {
    for library in Library::ALL {
        let board = TestBoard::new();
        board.add(&["a", "b"]);
        let (task, _) = board.claim("bob");
        let mut client = Client::named(library, &board, "ada");
        for (tool, more) in [
            ("board_show", json!({})),
            ("board_next", json!({})),
            ("board_explain", json!({})),
            ("board_heartbeat", json!({})),
            ("board_finish", json!({ "outcome": "complete" })),
            ("board_review", json!({ "verdict": "accept" })),
        ] {
            let mut arguments = more;
            arguments["id"] = "nowhere".into();
            assert_eq!(client.refused(tool, &arguments)["code"], "no_such_task", "{tool}");
        }

        let taken = client.refused("board_next", &json!({ "id": task }));
        assert_eq!((&taken["code"], &taken["retryable"]), (&json!("claimed"), &json!(true)));
        assert_eq!(taken["holder"], "bob");
        assert!(taken["lease_until"].is_string() && taken["since"].is_string(), "{taken}");
        for call in [
            ("board_heartbeat", json!({ "id": task })),
            ("board_finish", json!({ "id": task, "outcome": "complete" })),
            ("board_finish", json!({ "id": task, "outcome": "block", "text": "why?" })),
        ] {
            let error = client.refused(call.0, &call.1);
            assert_eq!(error["retryable"], false, "{error}");
            assert_eq!(error["holder"], "bob", "{error}");
        }
        assert_eq!(board.task(&task)["claim"]["agent"], "bob");
        client.close();
    }
}

#[test]
fn stale_token_changes_nothing() {
    for library in Library::ALL {
        let board = TestBoard::new();
        board.add(&["t"]);
        let mut client = Client::named(library, &board, "ada");
        let got = client.call("board_next", &json!({}));
        board.run(&["release", "t", "--force"]).exits(0);
        board.run(&["claim", "--agent", "bob"]).exits(0);
        for arguments in [
            json!({ "id": "t", "outcome": "complete" }),
            json!({ "id": "t", "outcome": "complete", "token": got["token"] }),
        ] {
            let error = client.refused("board_finish", &arguments);
            assert_eq!(
                (&error["code"], &error["holder"]),
                (&json!("stale_token"), &json!("bob")),
                "{error}"
            );
        }
        assert_eq!(board.task("t")["status"], "in_progress");
        client.close();
    }
}

// What isn't of the protocol at all: half a line, another version's words, a request without an id.
#[test]
fn noise_on_the_line_ends_nothing() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let mut wire = Wire::start(&Server::on(&board, &[]), "ada");
    for noise in [
        "",
        "{",
        "nonsense",
        "[]",
        "{\"jsonrpc\":\"2.0\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\"}",
    ] {
        wire.say(&noise);
    }
    let unknown = wire.ask(7, "tools/destroy", &json!({}));
    assert!(unknown.contains("-32601"), "{unknown}");
    assert_eq!(wire.call(8, "board_next", &json!({}))["task"]["id"], "t");
    wire.close().exits(0);
}
