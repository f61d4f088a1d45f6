//! What a server says that it has: tools, resources, and how much of an agent's attention that takes.

use serde_json::{Value, json};
use taskhost_tests::TestBoard;

use crate::client::{Client, Library};
use crate::server::{Server, Wire};

const TOOLS: [&str; 9] = [
    "board_next",
    "board_heartbeat",
    "board_finish",
    "board_add",
    "board_show",
    "board_list",
    "board_explain",
    "board_context",
    "board_review",
];

/// The texts under this name in each of these.
fn texts<'a>(found: &'a Value, name: &str) -> Vec<&'a str> {
    found.as_array().unwrap().iter().map(|one| one[name].as_str().unwrap()).collect()
}

#[test]
fn both_libraries_see_the_tools_and_their_schemas_are_valid() {
    let board = TestBoard::new();
    let lists = Library::ALL.map(|library| {
        let mut client = Client::named(library, &board, "ada");
        let server = client.ask(json!({ "do": "server" }));
        assert_eq!(server["info"]["name"], "taskhost");
        assert!(server["capabilities"]["tools"].is_object());
        assert!(server["capabilities"]["resources"].is_object());
        // The client's scripts compile each schema with the validator of the library.
        let tools = client.ask(json!({ "do": "tools" }));
        assert_eq!(texts(&tools, "name"), TOOLS);
        client.close();
        tools
    });
    for (python, typescript) in
        lists[0].as_array().unwrap().iter().zip(lists[1].as_array().unwrap())
    {
        assert_eq!(python["inputSchema"], typescript["inputSchema"]);
        assert_eq!(python["inputSchema"]["additionalProperties"], false, "{python}");
    }
}

#[test]
fn schemas_tell_what_the_server_refuses() {
    let board = TestBoard::new();
    for library in Library::ALL {
        let mut client = Client::named(library, &board, "ada");
        let mut fits = |tool: &str, arguments: Value| {
            client.ask(json!({ "do": "fits", "tool": tool, "arguments": arguments }))
        };
        assert_eq!(fits("board_next", json!({})), true);
        assert_eq!(fits("board_next", json!({ "wait_s": "soon" })), false);
        assert_eq!(fits("board_next", json!({ "wait": 3 })), false);
        assert_eq!(fits("board_heartbeat", json!({ "id": "t" })), true);
        assert_eq!(fits("board_heartbeat", json!({})), false);
        assert_eq!(fits("board_finish", json!({ "id": "t", "outcome": "complete" })), true);
        assert_eq!(fits("board_finish", json!({ "id": "t", "outcome": "done" })), false);
        assert_eq!(fits("board_finish", json!({ "id": "t" })), false);
        let task = json!({ "type": "work", "after": ["t"], "data": { "any": [1, null] } });
        assert_eq!(fits("board_add", json!({ "tasks": [task] })), true);
        assert_eq!(fits("board_add", json!({ "tasks": [{ "id": "t" }] })), false);
        assert_eq!(fits("board_review", json!({ "id": "t", "verdict": "accept" })), true);
        assert_eq!(fits("board_review", json!({ "id": "t", "verdict": "maybe" })), false);
        client.close();
    }
}

#[test]
fn both_libraries_see_the_resources() {
    let board = TestBoard::new();
    for library in Library::ALL {
        let mut client = Client::named(library, &board, "ada");
        let resources = client.ask(json!({ "do": "resources" }));
        assert!(texts(&resources, "uri").contains(&"board://status"), "{resources}");
        let templates = client.ask(json!({ "do": "templates" }));
        let templates = texts(&templates, "uriTemplate");
        assert_eq!(templates, ["board://task/{id}", "board://tree/{id}"]);
        client.close();
    }
}

// Each agent reads all of it in each session, before it has done anything: servers with tens of thousands of characters of
// tools left agents less room for the work.
#[test]
fn tools_take_less_than_six_thousand_characters_on_the_wire() {
    let board = TestBoard::new();
    let mut wire = Wire::start(&Server::on(&board, &[]), "ada");
    let answer = wire.ask(1, "tools/list", &json!({}));
    let result = &serde_json::from_str::<Value>(&answer).unwrap()["result"];
    assert_eq!(texts(&result["tools"], "name"), TOOLS);
    assert!(answer.chars().count() < 6_000, "{} characters", answer.chars().count());
    wire.close().exits(0);
}
