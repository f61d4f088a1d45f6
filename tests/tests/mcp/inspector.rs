//! The protocol's Inspector, as its command line: a client of another make, which knows nothing of boards.

use std::process::Command;

use serde_json::{Value, json};
use taskhost_tests::{Answer, TestBoard, clients};

use crate::server::Server;

/// Runs the Inspector with these arguments, which starts a server of its own for them.
fn inspect(board: &TestBoard, more: &[&str], arguments: &[&str]) -> Answer {
    let clients = clients();
    let server = Server::on(board, more);
    let packages = clients.packages.join("node_modules/@modelcontextprotocol/inspector");
    let mut inspector = Command::new(clients.node);
    inspector.arg(packages.join("clients/launcher/build/index.js")).arg("--cli");
    for (name, value) in &server.env {
        inspector.arg("-e").arg(format!("{name}={value}"));
    }
    // It keeps its own settings in the home directory.
    inspector.env("HOME", board.folder()).current_dir(board.folder());
    inspector.args(["--format", "json", "--quiet"]).args(arguments);
    inspector.arg("--").arg(&server.command).args(&server.args);
    Answer::of(inspector.output().unwrap())
}

/// The result that it prints for a request that succeeds.
fn inspected(board: &TestBoard, arguments: &[&str]) -> Value {
    let answer = inspect(board, &["--agent", "ada"], arguments).exits(0);
    let mut said: Value = serde_json::from_str(&answer.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", answer.stdout));
    said["result"].take()
}

/// Calls a tool, and gives its structured content.
fn called(board: &TestBoard, tool: &str, arguments: &Value) -> Value {
    let arguments = arguments.to_string();
    let call = ["--method", "tools/call", "--tool-name", tool, "--tool-args-json", &arguments];
    let result = inspected(board, &call);
    result["structuredContent"].clone()
}

#[test]
fn inspector_finds_the_tools_and_nothing_wrong_with_their_schemas() {
    let board = TestBoard::new();
    let listed = inspected(&board, &["--method", "tools/list", "--strict"]);
    assert_eq!(listed["tools"].as_array().unwrap().len(), 9);
    let resources = inspected(&board, &["--method", "resources/list"]);
    assert_eq!(resources["resources"][0]["uri"], "board://status");
    let templates = inspected(&board, &["--method", "resources/templates/list"]);
    assert_eq!(templates["resourceTemplates"].as_array().unwrap().len(), 2);
}

#[test]
fn inspector_calls_every_tool() {
    let board = TestBoard::new();
    let added = called(&board, "board_add", &json!({ "tasks": [{ "type": "code", "id": "t" }] }));
    assert_eq!(added["total"], 1);
    assert_eq!(called(&board, "board_show", &json!({ "id": "t" }))["task"]["id"], "t");
    assert_eq!(called(&board, "board_list", &json!({ "limit": 5 }))["total"], 1);
    assert!(called(&board, "board_explain", &json!({ "id": "t" })).is_object());
    called(&board, "board_context", &json!({ "key": "k", "value": "v" }));
    let next = called(&board, "board_next", &json!({}));
    assert_eq!(next["task"]["id"], "t");

    // Each of its calls is a session of its own, so the next one takes up a claim that lives on without one.
    let (_, token) = board.claim("ada");
    let token: u64 = token.parse().unwrap();
    let beat = called(&board, "board_heartbeat", &json!({ "id": "t", "token": token }));
    assert_eq!(beat["task"]["claim"]["agent"], "ada");
    let question = json!({ "id": "t", "token": token, "outcome": "block", "text": "which?" });
    assert_eq!(called(&board, "board_finish", &question)["task"]["status"], "blocked");
    called(&board, "board_review", &json!({ "id": "t", "verdict": "answer", "text": "that" }));
    assert_eq!(board.task("t")["status"], "pending");
}

#[test]
fn inspector_reads_resources() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let read = inspected(&board, &["--method", "resources/read", "--uri", "board://task/t"]);
    let text = read["contents"][0]["text"].as_str().unwrap();
    let said: Value = serde_json::from_str(text).unwrap();
    assert_eq!(said, board.run(&["show", "t"]).json());
}
