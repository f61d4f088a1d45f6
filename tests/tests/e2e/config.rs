//! The board's own settings.

use serde_json::{Value, json};
use taskhost_tests::{TestBoard, policy};

fn hostile(board: &TestBoard, mode: &str) {
    let (component, mode) = (policy("hostile"), format!("mode={mode}"));
    board.run(&["policy", "set", component.to_str().unwrap(), "--setting", &mode]).exits(0);
}

#[test]
fn every_setting_is_listed_got_set_and_unset() {
    let board = TestBoard::new();
    let folder = board.folder().to_str().unwrap().to_owned();
    let other = [
        ("unfenced", "true"),
        ("fallback", "true"),
        ("shared_files", folder.as_str()),
        ("policy_deadline", "200ms"),
        ("policy_memory", "128MiB"),
        ("policy_steps", "1000"),
        ("history_age", "30d"),
        ("history_size", "1GiB"),
        ("compact_size", "never"),
        ("keys_kept", "1d"),
    ];
    let list = board.run(&["config", "list"]).exits(0);
    assert_eq!(list.number("/total"), other.len() as u64);
    for setting in list.json()["settings"].as_array().unwrap() {
        assert_eq!(setting["value"], setting["default"]);
        assert!(!setting["doc"].as_str().unwrap().is_empty());
        let (name, value) =
            other.iter().find(|(name, _)| setting["name"] == *name).expect("each is tried here");
        let set = board.run(&["config", "set", name, value, "--by", "olga"]).exits(0);
        assert_eq!(set.text("/setting/value"), *value);
        assert_eq!(set.json()["was"], setting["default"]);
        assert_eq!(board.run_plain(&["config", "get", name]).exits(0).stdout, format!("{value}\n"));
        let event = board.run(&["history", "--limit", "1"]).exits(0).json()["events"][0].clone();
        assert_eq!((&event["event"], &event["agent"]), (&json!("settings_set"), &json!("olga")));
        assert_eq!(event["details"], json!({ *name: value }));
        let unset = board.run(&["config", "unset", name]).exits(0);
        assert_eq!(unset.json()["setting"]["value"], setting["default"]);
    }
    let plain = board.run_plain(&["config", "list"]).exits(0).stdout;
    assert!(plain.contains("policy_memory") && plain.contains("64MiB"), "{plain}");
    let before = board.run(&["history"]).exits(0).stdout;
    board.run(&["config", "set", "keys_kept", "7d"]).exits(0);
    assert_eq!(board.run(&["history"]).exits(0).stdout, before, "nothing to change is no change");
    for command in [&["config", "get", "lease"][..], &["config", "set", "policy_deadline", "2h"]] {
        let wrong = board.run(command).exits(2);
        assert!(wrong.text("/error/message").contains('`'), "{wrong:?}");
    }
}

#[test]
fn unfenced_board_takes_a_holders_word() {
    let board = TestBoard::new();
    board.add(&["t"]);
    board.claim("a");
    board.run(&["complete", "t", "--agent", "a"]).exits(2);
    board.run(&["config", "set", "unfenced", "true"]).exits(0);
    board.run(&["complete", "t", "--agent", "a"]).exits(0);
}

#[test]
fn limits_of_policies_take_effect_at_the_next_command() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let claim = ["claim", "--agent", "a"];
    let message = || board.run(&claim).exits(8).text("/error/message");
    hostile(&board, "loop");
    board.run(&["config", "set", "policy_deadline", "50ms"]).exits(0);
    assert!(message().contains("50 ms"), "{}", message());
    hostile(&board, "memory");
    board.run(&["config", "set", "policy_memory", "8MiB"]).exits(0);
    assert_eq!(board.run(&claim).exits(8).text("/error/kind"), "memory");
    assert!(message().contains("8 MiB"), "{}", message());
    hostile(&board, "million-steps");
    let stopped_at = || board.run(&claim).exits(7).text("/error/reason");
    board.run(&["config", "unset", "policy_deadline"]).exits(0);
    board.run(&["config", "set", "policy_steps", "10"]).exits(0);
    assert!(stopped_at().starts_with("step 10:"), "{}", stopped_at());
    board.run(&["config", "set", "policy_steps", "20"]).exits(0);
    assert!(stopped_at().starts_with("step 20:"), "{}", stopped_at());
}

#[test]
fn board_that_may_fall_back_goes_on_and_records_why() {
    let board = TestBoard::new();
    board.add(&["t"]);
    hostile(&board, "panic");
    board.run(&["claim", "--agent", "a"]).exits(8);
    board.run(&["config", "set", "fallback", "true"]).exits(0);
    assert_eq!(board.claim("a").0, "t");
    let events = board.run(&["history"]).exits(0).json()["events"].clone();
    let fell: Vec<&Value> =
        events.as_array().unwrap().iter().filter(|event| event["event"] == "fell_back").collect();
    assert_eq!(fell.len(), 1);
    assert_eq!(fell[0]["details"]["hook"], "assignment");
    assert_eq!(fell[0]["details"]["kind"], "trap");
    // A refusal is an answer, not a failure.
    let refuse = ["policy", "set", "current", "--setting", "mode=refuse"];
    board.run(&refuse).exits(0);
    board.run(&["claim", "--agent", "a"]).exits(7);
}
