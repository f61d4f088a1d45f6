//! Agents' sessions from the command line: primed at their start, going on with earlier claims; and what people decide
//! about their work.

use std::fs;
use std::process::{Command, Stdio};

use taskhost_tests::{TestBoard, taskhost};

fn sleeper() -> std::process::Child {
    Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap()
}

/// Ends a process and takes note of it.
fn end(mut child: std::process::Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn later_process_goes_on_with_a_claim_by_its_token() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let (first, second) = (sleeper(), sleeper());
    let pid = first.id().to_string();
    let claim = board.run(&["claim", "--agent", "ada", "--holder-pid", &pid]).exits(0);
    let token = claim.number("/token").to_string();
    let pid = second.id().to_string();
    let resume =
        ["claim", "t", "--agent", "ada", "--token", token.as_str(), "--holder-pid", pid.as_str()];
    // As long as the first one lives, the claim is its own.
    let taken = board.run(&resume).exits(4);
    assert_eq!(taken.text("/error/code"), "claimed");
    end(first);
    let resumed = board.run(&resume).exits(0);
    assert_eq!(resumed.number("/token").to_string(), token);
    assert_eq!(resumed.number("/task/attempts"), 1);
    board.run(&["claim", "--agent", "bob"]).exits(3);
    let events = board.run(&["history", "t", "--event", "resumed"]).exits(0);
    assert_eq!(events.number("/total"), 1);
    // And it ends with the second one.
    end(second);
    let given = board.run(&["claim", "--agent", "bob"]).exits(0);
    assert_eq!(given.text("/task/id"), "t");
    let late = board.run(&resume[..6]).exits(4);
    assert_eq!(
        (late.text("/error/code"), late.text("/error/holder")),
        ("stale_token".into(), "bob".into())
    );
    board.assert_healthy();
}

#[test]
fn reviewed_task_is_accepted_by_somebody_else() {
    let board = TestBoard::with(&["--setting", "review=all"]);
    board.add(&["t"]);
    let claim = |agent: &str| {
        board.run(&["claim", "t", "--agent", agent]).exits(0).number("/token").to_string()
    };
    let complete = |agent: &str| {
        let token = claim(agent);
        board.run(&["complete", "t", "--agent", agent, "--token", &token]).exits(0)
    };
    assert_eq!(complete("ada").text("/task/status"), "in_review");
    let why = board.run(&["explain", "t"]).exits(0);
    assert_eq!(why.text("/obstacles/0/kind"), "in_review");
    assert_eq!(why.text("/obstacles/0/completed_by"), "ada");
    let own = board.run(&["review", "t", "--accept", "--by", "ada"]).exits(10);
    assert_eq!(own.text("/error/code"), "invalid_transition");
    board.run(&["review", "t", "--send-back", "--by", "carol", "--reason", "no tests"]).exits(0);
    // Whoever gets it next is told why.
    let again = board.run(&["claim", "t", "--agent", "bob"]).exits(0);
    assert_eq!(again.text("/task/reason"), "no tests");
    let token = again.number("/token").to_string();
    board.run(&["complete", "t", "--agent", "bob", "--token", &token]).exits(0);
    board.run(&["review", "t", "--accept", "--by", "ada"]).exits(0);
    assert_eq!(board.task("t")["status"], "completed");
    let events: Vec<String> = board.run(&["history", "t"]).exits(0).json()["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].as_str().unwrap().to_owned())
        .collect();
    let expected =
        ["added", "claimed", "in_review", "sent_back", "claimed", "in_review", "accepted"];
    assert_eq!(events, expected);
}

#[test]
fn prime_says_who_one_is_what_one_holds_and_what_is_ready() {
    let board = TestBoard::new();
    board.add(&["a", "b", "c"]);
    board.run(&["block", "c", "--reason", "which key?"]).exits(0);
    let fresh = board.run(&["prime", "--agent", "ada"]).exits(0).json();
    assert_eq!((&fresh["holds_total"], &fresh["ready_total"]), (&0.into(), &2.into()));
    assert_eq!((&fresh["next"]["id"], &fresh["blocked_total"]), (&"a".into(), &1.into()));
    let token = board.run(&["claim", "--agent", "ada"]).exits(0).number("/token");
    let text = board.run_plain(&["prime", "--agent", "ada"]).exits(0).stdout;
    assert!(text.contains(&format!("`a` (work): token {token}, session ")), "{text}");
    assert!(text.contains("complete ID --agent ada --token N"), "{text}");
    assert!(text.len() < 2_000, "an agent reads {} bytes each time", text.len());
}

#[test]
fn agents_md_is_told_of_the_board_once() {
    let board = TestBoard::missing();
    let md = board.folder().join("AGENTS.md");
    fs::write(&md, "# Ours\n").unwrap();
    let init = || {
        let mut init = board.command(&["init", "--agents-md"]);
        assert!(init.current_dir(board.folder()).stderr(Stdio::null()).status().unwrap().success());
        fs::read_to_string(&md).unwrap()
    };
    let first = init();
    assert!(first.starts_with("# Ours\n\n<!-- taskhost -->\n"), "{first}");
    assert!(first.contains("prime --agent"), "{first}");
    assert_eq!(init(), first);
}

#[test]
fn server_inside_run_is_a_session_of_its_own() {
    // It took the runner's session for its own from the environment, and couldn't begin because that one lived.
    let board = TestBoard::new();
    board.add(&["t"]);
    let command = format!(
        "{} --board '{}' mcp < /dev/null",
        taskhost().display(),
        board.address().as_os_str().display()
    );
    board.run(&["run", "--agents", "1", "--", "sh", "-c", &command]).exits(0);
    assert_eq!(board.task("t")["status"], "completed");
}

#[test]
fn what_cannot_be_told_of_an_operation_does_not_undo_it() {
    // With a full disk behind standard error the command ended in a panic, after it had claimed.
    let board = TestBoard::new();
    board.add(&["t"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut claim = board.command(&["--json", "claim", "--agent", "ada"]);
    let claim = claim.env("TASKHOST_LOG", "taskhost=debug").stderr(full).output().unwrap();
    assert!(claim.status.success(), "{claim:?}");
    assert!(String::from_utf8(claim.stdout).unwrap().contains("\"token\":1"));
}

#[test]
fn readers_are_told_of_a_holder_that_has_ended() {
    // `prime` said that there was nothing to claim, and an agent that believed it left the task where it was.
    let board = TestBoard::new();
    board.add(&["t"]);
    let holder = sleeper();
    let pid = holder.id().to_string();
    board.run(&["claim", "--agent", "ada", "--holder-pid", &pid]).exits(0);
    assert_eq!(board.run(&["explain", "t"]).exits(0).json()["holder_ended"], false);
    end(holder);
    let why = board.run_plain(&["explain", "t"]).exits(0).stdout;
    assert!(why.contains("its holder has ended: the next claim takes it back"), "{why}");
    let primed = board.run(&["prime", "--agent", "bob"]).exits(0).json();
    assert_eq!(
        (&primed["ended"], &primed["next"]),
        (&serde_json::json!(["t"]), &serde_json::Value::Null)
    );
    let text = board.run_plain(&["prime", "--agent", "bob"]).exits(0).stdout;
    assert!(text.contains("have ended: the next claim takes these back"), "{text}");
    assert!(!text.contains("nothing for you"), "{text}");
    // Reading it has taken it from nobody: its agent may still go on.
    board.run(&["claim", "t", "--agent", "ada", "--token", "1"]).exits(0);
}
