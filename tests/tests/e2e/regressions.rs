//! Bugs that were found from outside, each told by the first comment of its test.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use taskhost_tests::{Answer, TestBoard, signal};

/// Long enough for a busy machine, and far from for ever.
const LONG: Duration = Duration::from_secs(60);

#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn child_that_comes_after_its_own_ancestor_is_refused_where_children_come_first() {
    // It was accepted, and then it waited for its parent and the parent for it, for ever.
    let board = TestBoard::with(&["--setting", "parent=children-first"]);
    board.add(&["top", "other"]);
    board.run(&["add", "w", "--id", "mid", "--parent", "top"]).exits(0);
    for (parent, after) in [("top", "top"), ("mid", "mid"), ("mid", "top")] {
        let answer = board.run(&["add", "w", "--id", "c", "--parent", parent, "--after", after]);
        let why = answer.clone().exits(7).text("/error/message");
        assert!(why.contains(&format!("`{after}`")) && why.contains("for ever"), "{why}");
    }
    board.run(&["add", "w", "--id", "c", "--parent", "mid", "--after", "other"]).exits(0);
    board.assert_healthy();
}

#[test]
fn pending_parent_gets_very_many_children_in_one_transaction() {
    // Each child was a step of the policy, and with more than 256 all were refused.
    const CHILDREN: usize = 400;
    let board = TestBoard::with(&["--setting", "parent=children-first"]);
    board.add(&["p"]);
    let lines: String = (0..CHILDREN)
        .map(|n| format!("{{\"id\": \"c{n}\", \"type\": \"work\", \"parent\": \"p\"}}\n"))
        .collect();
    let file = board.folder().join("children.jsonl");
    fs::write(&file, lines).unwrap();
    board.run(&["add", "--atomic", "--from", file.to_str().unwrap()]).exits(0);
    // And the parent, which was ready before, waits for them although the policy doesn't say so any more.
    assert_eq!(board.run(&["claim", "p", "--agent", "a"]).exits(3).text("/reason"), "waiting");
    // It named 64 of them, and said that these were all.
    let text = board.run_plain(&["explain", "p"]).exits(0).stdout;
    assert!(text.contains("at least 64"), "{text}");
}

#[test]
fn claims_work_with_every_lease_that_can_be_set() {
    // Both were accepted by `policy set`, and then every claim was refused.
    for lease in ["lease=0s", "lease=60d"] {
        let board = TestBoard::with(&["--setting", lease, "--setting", "max_attempts=-3"]);
        board.add(&["t"]);
        board.claim("a");
    }
}

#[test]
fn result_that_is_a_named_pipe_fails_the_task() {
    // The run waited for somebody to write to it, deaf to signals.
    let board = TestBoard::new();
    board.add(&["t"]);
    let run =
        board.start(&["run", "--agents", "1", "--", "sh", "-c", "mkfifo \"$TASKHOST_RESULT\""]);
    until("the task never ended", || board.task("t")["status"] == "failed");
    Answer::after(run).exits(12);
    assert!(board.task("t")["error"].as_str().unwrap().contains("isn't a file"));
}

#[test]
fn signal_that_is_ignored_from_the_start_stays_so() {
    // `nohup taskhost run` stopped at the hang-up that it was to survive.
    let board = TestBoard::new();
    board.add(&["t"]);
    let run = board.command(&[
        "run",
        "--agents",
        "1",
        "--",
        "sh",
        "-c",
        "until [ -e go ]; do sleep 0.05; done",
    ]);
    let mut nohup = Command::new("sh");
    nohup
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(run.get_program())
        .args(run.get_args());
    nohup.current_dir(board.folder()).stdin(Stdio::null()).stdout(Stdio::null());
    let run = nohup.stderr(Stdio::piped()).spawn().unwrap();
    until("the run never claimed", || board.task("t")["status"] == "in_progress");
    signal(&run, Signal::HUP);
    std::thread::sleep(Duration::from_millis(500));
    fs::write(board.folder().join("go"), "").unwrap();
    Answer::after(run).exits(0);
    assert_eq!(board.task("t")["status"], "completed");
}

#[test]
fn command_that_completes_its_task_itself_may_exit_as_it_likes() {
    // It was reported as "completed after 0.1s: exit status 3".
    let board = TestBoard::new();
    board.add(&["t"]);
    let script =
        format!("{} complete \"$TASKHOST_TASK\"; exit 3", taskhost_tests::taskhost().display());
    let answer = board.run_plain(&["run", "--agents", "1", "--", "sh", "-c", &script]).exits(0);
    assert!(answer.stderr.contains("completed after"), "{answer:?}");
    assert!(!answer.stderr.contains("exit status"), "{answer:?}");
}

#[test]
fn program_that_may_not_be_executed_is_refused_beforehand() {
    // Tasks were claimed for it first.
    let board = TestBoard::new();
    board.add(&["t"]);
    fs::write(board.folder().join("script"), "#!/bin/sh\n").unwrap();
    let answer = board.run(&["run", "--agents", "1", "--", "./script"]).exits(2);
    assert!(answer.text("/error/message").contains("chmod"), "{answer:?}");
    assert_eq!(board.task("t")["attempts"], 0);
}

#[test]
fn empty_key_of_a_claim_is_refused() {
    // A shell variable that was never set made different requests one and the same.
    let board = TestBoard::new();
    board.add(&["t"]);
    board.run(&["claim", "--agent", "a", "--key", ""]).exits(2);
    board.run(&["claim", "--agent", "a", "--key", &"k".repeat(257)]).exits(2);
    board.run(&["claim", "--agent", "a", "--key", "k"]).exits(0);
}

#[test]
fn task_that_a_claim_by_id_calls_failed_can_be_taken_up_again() {
    // Its lease had run out on the last attempt. The claim said so and was refused, and with it went what it had found:
    // `show` said `in_progress`, and `retry` that it was so already.
    let board = TestBoard::with(&["--setting", "max_attempts=1"]);
    board.add(&["t"]);
    board.run(&["claim", "t", "--agent", "a", "--lease", "1ms"]).exits(0);
    let claim = || board.run(&["claim", "t", "--agent", "b"]);
    until("the lease never ran out", || claim().code == 10);
    assert_eq!(board.task("t")["status"], "failed");
    let told = claim().exits(10).text("/error/message");
    assert!(told.contains("`t` is failed") && told.contains("`taskhost retry t`"), "{told}");
    let retried = board.run_plain(&["retry", "t"]).exits(0).stdout;
    assert!(!retried.contains("already"), "{retried}");
    assert_eq!(board.task("t")["status"], "pending");
    board.assert_healthy();
}

#[test]
fn holder_of_a_finished_task_is_not_told_to_claim_it_again() {
    // "doesn't hold `t`, which is completed: stop working on it, or claim it again", which nobody can.
    let board = TestBoard::new();
    board.add(&["t", "u"]);
    let tokens: Vec<_> = [("t", "a"), ("u", "b")]
        .map(|(task, agent)| {
            board.run(&["claim", task, "--agent", agent]).exits(0).number("/token")
        })
        .into();
    let end = |task: &str, agent: &str, token: u64| {
        board.run(&["complete", task, "--agent", agent, "--token", &token.to_string()])
    };
    let why = |answer: Answer| answer.text("/error/message");
    let other = why(end("t", "b", tokens[0]).exits(4));
    assert!(other.contains("is `a`'s: present it in the name of `a`"), "{other}");
    end("t", "a", tokens[0]).exits(0);
    let late = why(end("t", "a", tokens[0] + 7).exits(4));
    assert!(late.ends_with("which is completed: stop working on it"), "{late}");
    board.run(&["release", "u", "--force"]).exits(0);
    let late = why(end("u", "b", tokens[1]).exits(4));
    assert!(late.ends_with("which is pending: stop working on it, or claim it again"), "{late}");
}
