//! What can be read without calling a tool.

use serde_json::{Value, json};
use taskhost_tests::TestBoard;

use crate::client::{Client, Library};

/// What a resource says, which is one JSON text.
fn read(client: &mut Client, uri: &str) -> Value {
    let contents = client.ask(json!({ "do": "read", "uri": uri }));
    assert_eq!(
        (&contents[0]["uri"], &contents[0]["mimeType"]),
        (&json!(uri), &json!("application/json"))
    );
    serde_json::from_str(contents[0]["text"].as_str().unwrap()).unwrap()
}

#[test]
fn resources_are_what_the_command_line_prints() {
    let board = TestBoard::new();
    board.run(&["add", "epic", "--id", "plan"]).exits(0);
    board.run(&["add", "code", "--id", "a", "--parent", "plan"]).exits(0);
    for library in Library::ALL {
        let mut client = Client::named(library, &board, "ada");
        let status = read(&mut client, "board://status");
        assert_eq!(status["tasks"], board.run(&["status"]).json()["tasks"], "{status}");
        assert_eq!(read(&mut client, "board://task/a"), board.run(&["show", "a"]).json());
        assert_eq!(read(&mut client, "board://tree/plan"), board.run(&["tree", "plan"]).json());
        for missing in ["board://task/none", "board://nothing", "board://task/"] {
            let id = client.send(json!({ "do": "read", "uri": missing }));
            let error = client.answer(id).unwrap_err();
            assert!(error["code"].is_number(), "{error}");
        }
        // The server lives on.
        assert_eq!(read(&mut client, "board://task/a")["task"]["id"], "a");
        client.close();
    }
}
