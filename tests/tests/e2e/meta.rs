//! What the workflow as a whole keeps.

use serde_json::json;
use taskhost_tests::{Answer, TestBoard};

#[test]
fn values_are_set_got_listed_and_unset() {
    let board = TestBoard::new();
    board.run(&["meta", "get", "branch"]).exits(5);
    let set = board.run(&["meta", "set", "limits", "{\"cpu\": 4}", "--by", "olga"]).exits(0);
    assert_eq!(set.json()["value"], json!({ "cpu": 4 }));
    board.run(&["meta", "set", "branch", "--text", "release 7"]).exits(0);
    assert_eq!(board.run(&["meta", "get", "branch"]).exits(0).text("/value"), "release 7");
    assert_eq!(board.run_plain(&["meta", "get", "limits"]).exits(0).stdout, "{\"cpu\":4}\n");
    std::fs::write(board.folder().join("v.json"), "[1, 2]").unwrap();
    board.run(&["meta", "set", "list", "@v.json"]).exits(0);
    let list = board.run(&["meta", "list"]).exits(0);
    assert_eq!(list.number("/total"), 3);
    assert_eq!(list.json()["values"][2], json!({ "key": "list", "value": [1, 2] }));
    board.run(&["meta", "unset", "list"]).exits(0);
    board.run(&["meta", "unset", "list"]).exits(0);
    board.run(&["meta", "get", "list"]).exits(5);
    let event = board.run(&["history", "--agent", "olga"]).exits(0).json()["events"][0].clone();
    assert_eq!((&event["event"], &event["details"]["key"]), (&json!("meta_set"), &json!("limits")));
    for mistake in [&["meta", "set", "k", "not json"][..], &["meta", "set", "a/b", "1"]] {
        board.run(mistake).exits(2);
    }
    let large = "x".repeat(100_000);
    let refused = board.run(&["meta", "set", "k", "--text", &large]).exits(2);
    assert!(refused.text("/error/message").contains("context"), "{refused:?}");
}

#[test]
fn of_many_who_count_at_once_none_is_lost() {
    // Each read the number, added one and wrote it back over the others'.
    let board = TestBoard::new();
    board.run(&["meta", "set", "n", "0", "--if-now", "null"]).exits(0);
    let late = board.run(&["meta", "set", "n", "5", "--if-now", "null"]).exits(10);
    assert_eq!(late.json()["error"]["now"], 0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    while count(&board).code != 0 {}
                }
            });
        }
    });
    assert_eq!(board.run(&["meta", "get", "n"]).exits(0).number("/value"), 20);
    board.run(&["meta", "unset", "n", "--if-now", "19"]).exits(10);
    board.run(&["meta", "unset", "n", "--if-now", "20"]).exits(0);
}

fn count(board: &TestBoard) -> Answer {
    let now = board.run(&["meta", "get", "n"]).exits(0).number("/value");
    let next = (now + 1).to_string();
    board.run(&["meta", "set", "n", &next, "--if-now", &now.to_string(), "--timeout", "60s"])
}
