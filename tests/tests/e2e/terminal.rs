//! What others wrote ends up in somebody's terminal: it is shown, and obeyed by none.

use serde_json::json;
use taskhost_tests::{Answer, TestBoard, policy};

/// Names the terminal, clears it, goes back to the line's beginning, turns red, turns round, and begins a line that looks
/// like ours.
const STEERING: &str =
    "\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{9b}31m\u{202e}steered\u{2028}\nowned: a line";
/// What a name can have of it.
const NAME: &str = "na\u{202e}me\u{2066}";

/// Says that nothing in what people read can steer a terminal, or is taken for a line of ours.
#[track_caller]
fn assert_tame(command: &[&str], answer: &Answer) {
    for text in [&answer.stdout, &answer.stderr] {
        let steers = |c: &char| {
            (c.is_control() && *c != '\n')
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}')
        };
        assert_eq!(text.chars().find(steers), None, "{command:?}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("owned")), "{command:?}: {text}");
    }
}

#[track_caller]
fn tame(board: &TestBoard, command: &[&str]) -> Answer {
    let answer = board.run_plain(command);
    assert!(answer.code >= 0, "{command:?}: {answer:?}");
    assert_tame(command, &answer);
    answer
}

// An agent's error cleared the operator's screen and named his window; others answer what they are asked by typing into
// the shell behind them.
#[test]
fn nothing_that_others_wrote_steers_the_terminal_it_is_read_in() {
    let board = TestBoard::new();
    let data = json!({ "x": STEERING, STEERING: 1 }).to_string();
    let name = |option: &str| format!("--{option}={NAME}");
    let (label, needs, agent) = (name("label"), name("needs"), name("agent"));
    for id in ["failed", "blocked", "cancelled", "done", "held", "waiting", "reserved"] {
        let add = ["add", NAME, "--id", id, "--data", &data, &label, &needs];
        let after: &[&str] = if id == "waiting" { &["--after", "held"] } else { &[] };
        board.run(&[&add[..], after].concat()).exits(0);
    }
    let claim = |id: &str| {
        let capability = format!("--capability={NAME}");
        let claimed = board.run(&["claim", id, &agent, &capability]).exits(0);
        claimed.number("/task/claim/token").to_string()
    };
    let token = claim("failed");
    tame(&board, &["fail", "failed", &agent, "--token", &token, "--error", STEERING]);
    let token = claim("done");
    let result = json!([STEERING]).to_string();
    tame(&board, &["complete", "done", &agent, "--token", &token, "--result", &result]);
    tame(&board, &["block", "blocked", "--reason", STEERING, "--by", NAME]);
    tame(&board, &["cancel", "cancelled", "--reason", STEERING, "--by", NAME]);
    tame(&board, &["assign", "reserved", "--to", NAME, "--by", NAME]);
    claim("held");
    tame(&board, &["meta", "set", "key", &json!(STEERING).to_string()]);
    tame(&board, &["context", "set", &agent, "key", STEERING]);

    for id in ["failed", "blocked", "cancelled", "done", "held", "waiting", "reserved"] {
        tame(&board, &["show", id]).exits(0);
        tame(&board, &["explain", id]).exits(0);
        tame(&board, &["explain", id, &agent]).exits(0);
        tame(&board, &["history", id]).exits(0);
        tame(&board, &["claim", id, "--agent", "b"]);
        tame(&board, &["complete", id, "--agent", "b", "--token", "1"]);
    }
    let commands: [&[&str]; 12] = [
        &["list"],
        &["list", "--limit", "1"],
        &["tree"],
        &["status"],
        &["stats"],
        &["history"],
        &["explain", "--agent", NAME],
        &["watch", "--since", "0", "--until-idle", "--for", "1s"],
        &["meta", "list"],
        &["meta", "get", "key"],
        &["context", "list", "--agent", NAME],
        &["doctor"],
    ];
    for command in commands {
        tame(&board, command);
    }
    // What was mistyped, or pasted, is quoted too.
    for command in [["show", STEERING], ["claim", STEERING], [STEERING, "x"], ["--board", STEERING]]
    {
        tame(&board, &command);
    }
    // As programs read it, it is all there.
    assert_eq!(board.task("failed")["error"], STEERING);
}

// What commands print goes through `run` to its terminal, and their last words into the task's error.
#[test]
fn nothing_that_a_command_prints_steers_the_terminal_of_its_run() {
    let board = TestBoard::new();
    board.run(&["add", NAME, "--id", "t"]).exits(0);
    let script = "printf %s \"$1\"; printf %s \"$1\" >&2; exit 3";
    let run = ["run", "--agents", "1", "--", "sh", "-c", script, "sh", STEERING];
    let run = tame(&board, &run).exits(12);
    assert!(run.stderr.contains("steered"), "it is shown: {run:?}");
    tame(&board, &["show", "t"]).exits(0);
    tame(&board, &["history"]).exits(0);
}

// A policy is somebody else's program, and says why it refuses, what it is called, and what it logs.
#[test]
fn nothing_that_a_policy_says_steers_the_terminal_or_floods_it() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let hostile = policy("hostile");
    let target = format!("target={STEERING}");
    let set = [
        "policy",
        "set",
        hostile.to_str().unwrap(),
        "--setting",
        "mode=steer",
        "--setting",
        &target,
    ];
    tame(&board, &set).exits(0);
    tame(&board, &["policy", "show"]).exits(0);
    tame(&board, &["policy", "list"]).exits(0);
    tame(&board, &["policy", "check", hostile.to_str().unwrap()]).exits(0);
    tame(&board, &["claim", "--agent", "a"]).exits(7);
    let explained = tame(&board, &["explain", "t", "--agent", "a"]).exits(0);
    assert!(explained.stdout.contains("steered"), "{explained:?}");
    assert!(explained.stdout.len() < 400_000, "{} bytes", explained.stdout.len());
    tame(&board, &["run", "--agents", "1", "--", "true"]);
    tame(&board, &["history"]).exits(0);
}
