//! Every command explains itself, speaks JSON of one schema, and errors that say what to do next.

use std::process::Stdio;

use serde_json::{Value, json};
use taskhost_tests::{Answer, TestBoard};

#[test]
fn every_command_has_help_with_an_example() {
    let board = TestBoard::missing();
    let top = board.run_plain(&["--help"]).exits(0).stdout;
    let commands = [
        "init",
        "add",
        "claim",
        "heartbeat",
        "complete",
        "fail",
        "release",
        "assign",
        "unassign",
        "update",
        "cancel",
        "retry",
        "block",
        "unblock",
        "review",
        "archive",
        "show",
        "list",
        "explain",
        "history",
        "run",
        "doctor",
        "policy",
        "config",
        "meta",
        "context",
    ];
    for command in commands {
        assert!(top.contains(command), "{command} is missing in: {top}");
        let help = board.run_plain(&[command, "--help"]).exits(0).stdout;
        assert!(help.contains("Example"), "{command}: {help}");
    }
    let parts: [(&str, &[&str]); 4] = [
        ("policy", &["list", "show", "set", "check"]),
        ("config", &["get", "set", "list", "unset"]),
        ("meta", &["get", "set", "unset", "list"]),
        ("context", &["get", "set", "append", "list", "remove"]),
    ];
    for (command, part) in
        parts.iter().flat_map(|(command, of)| of.iter().map(move |part| (command, part)))
    {
        let help = board.run_plain(&[command, part, "--help"]).exits(0).stdout;
        assert!(help.contains("Example"), "{command} {part}: {help}");
    }
}

#[test]
fn task_has_the_documented_names_and_no_others() {
    let board = TestBoard::new();
    let add = [
        "add",
        "build",
        "--id",
        "b",
        "--priority",
        "3",
        "--label",
        "x",
        "--needs",
        "gpu",
        "--data",
        "{\"n\":1}",
        "--not-before",
        "2020-01-01T00:00:00Z",
        "--key",
        "k",
        "--assignee",
        "a",
    ];
    board.run(&add).exits(0);
    board.run(&["claim", "--agent", "a", "--capability", "gpu"]).exits(0);
    let task = board.task("b");
    let mut names: Vec<&str> = task.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let mut expected = vec![
        "id",
        "type",
        "status",
        "reason",
        "parent",
        "after",
        "priority",
        "labels",
        "needs",
        "assignee",
        "data",
        "key",
        "attempts",
        "claim",
        "result",
        "error",
        "not_before",
        "created_at",
        "updated_at",
        "completed_at",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(task["data"], json!({ "n": 1 }));
    let claim: Vec<&String> = task["claim"].as_object().unwrap().keys().collect();
    assert_eq!(claim.len(), 7, "{claim:?}");
    for time in [
        &task["created_at"],
        &task["claim"]["since"],
        &task["claim"]["lease_until"],
        &task["not_before"],
    ] {
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    }
}

#[test]
fn every_answer_is_one_json_object_of_schema_1() {
    let board = TestBoard::new();
    board.add(&["t", "u"]);
    let (_, token) = board.claim("a");
    let commands: [(&[&str], &str); 10] = [
        (&["add", "w"], "/task/id"),
        (&["heartbeat", "t", "--agent", "a", "--token", &token], "/task/claim/lease_until"),
        (&["complete", "t", "--agent", "a", "--token", &token], "/task/status"),
        (&["show", "t"], "/task/completed_at"),
        (&["list"], "/total"),
        (&["history"], "/events/0/event"),
        (&["explain", "u"], "/task/id"),
        (&["policy", "show"], "/leading/name"),
        (&["policy", "list"], "/policies/0/digest"),
        (&["doctor"], "/findings"),
    ];
    for (command, pointer) in commands {
        let json = board.run(command).exits(0).json();
        assert!(
            json.pointer(pointer).is_some_and(|found| !found.is_null()),
            "{command:?} has no {pointer}: {json}"
        );
    }
}

#[test]
fn every_error_has_a_code_a_message_and_says_whether_to_retry() {
    let board = TestBoard::new();
    board.add(&["t"]);
    board.claim("a");
    let errors: [(&[&str], i32, &str); 7] = [
        (&["claim"], 2, "usage"),
        (&["frobnicate"], 2, "usage"),
        (&["show", "nobody"], 5, "no_such_task"),
        (&["show", "not/an/id"], 2, "usage"),
        (&["claim", "t", "--agent", "b"], 4, "claimed"),
        (&["complete", "t", "--agent", "a", "--token", "77"], 4, "stale_token"),
        (&["add", "w", "--id", "t"], 10, "invalid_transition"),
    ];
    for (command, exit, code) in errors {
        let answer = board.run(command).exits(exit);
        let json = answer.json();
        assert_eq!(json["error"]["code"], code, "{json}");
        assert!(json["error"]["retryable"].is_boolean(), "{json}");
        let message = answer.text("/error/message");
        assert!(!message.is_empty() && !message.contains("\n\n"), "{message}");
    }
}

#[test]
fn nothing_to_claim_is_no_error_and_says_why() {
    let board = TestBoard::new();
    let reason = |arguments: &[&str]| {
        let answer = board.run(&[&["claim", "--agent", "a"], arguments].concat()).exits(3);
        assert_eq!(answer.json()["task"], Value::Null);
        answer.text("/reason")
    };
    assert_eq!(reason(&[]), "empty");
    board.run(&["add", "w", "--id", "later", "--not-before", "2999-01-01T00:00:00Z"]).exits(0);
    assert_eq!(reason(&[]), "waiting");
    let next = board.run(&["claim", "--agent", "a"]).exits(3).text("/next_ready_at");
    assert!(next.starts_with("2999-01-01"), "{next}");
    board.run(&["add", "w", "--id", "hard", "--needs", "gpu"]).exits(0);
    assert_eq!(reason(&[]), "no_match");
    assert_eq!(reason(&["--type", "other", "--capability", "gpu"]), "no_match");
}

#[test]
fn list_is_never_silently_cut() {
    // A list was cut at 50, and nobody could tell.
    let board = TestBoard::new();
    board.add_many(120, |_, _| {});
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut arguments = vec!["list"];
        if let Some(cursor) = &cursor {
            arguments.extend(["--cursor", cursor]);
        }
        let json = board.run(&arguments).exits(0).json();
        assert_eq!(json["total"], 120);
        seen.extend(
            json["tasks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|task| task["id"].as_str().unwrap().to_owned()),
        );
        match &json["next_cursor"] {
            Value::Null => break,
            next => cursor = Some(next.as_str().map_or_else(|| next.to_string(), str::to_owned)),
        }
    }
    assert_eq!(seen.len(), 120);
    assert_eq!(seen, (0..120).map(|n| format!("t{n:05}")).collect::<Vec<_>>());
    assert!(board.run_plain(&["list"]).exits(0).stdout.contains("120"));
}

#[test]
fn explain_says_what_stands_in_the_way_and_who_may() {
    let board = TestBoard::new();
    board.add(&["first"]);
    board.run(&["add", "w", "--id", "second", "--after", "first", "--needs", "gpu"]).exits(0);
    let text = board.run_plain(&["explain", "second"]).exits(0).stdout;
    assert!(text.contains("first") && text.contains("pending") && text.contains("gpu"), "{text}");
    board.claim("a");
    let held = board.run_plain(&["explain", "first"]).exits(0).stdout;
    assert!(held.contains("`a`"), "{held}");
}

#[test]
fn run_gives_the_task_to_its_command_and_keeps_what_it_prints() {
    let board = TestBoard::new();
    board.run(&["add", "greet", "--id", "g", "--data", "{\"who\":{\"name\":\"world\"}}"]).exits(0);
    board.run(&["add", "greet", "--id", "bad"]).exits(0);
    let script =
        "echo hello $1 $TASKHOST_TASK; cat > input; echo oops >&2; test $TASKHOST_TASK = g";
    let mut run = board.command(&[
        "--json", "run", "--agents", "2", "--type", "greet", "--", "sh", "-c", script, "sh", "{id}",
    ]);
    let answer = Answer::of(run.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap());
    assert_eq!(answer.code, 12, "{answer:?}");
    assert_eq!(board.task("g")["status"], "completed");
    let bad = board.task("bad");
    assert_eq!(bad["status"], "failed");
    assert!(bad["error"].as_str().unwrap().contains("oops"), "{bad}");
    let kept = std::fs::read_to_string(board.outputs().join("output/g/1/stdout")).unwrap();
    assert_eq!(kept, "hello g g\n");
}
