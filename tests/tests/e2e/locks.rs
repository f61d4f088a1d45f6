//! Locks by hand: ours by others, theirs by ours, and waits that have an end.

use rustix::process::Signal;
use taskhost_tests::{Answer, HOLD, Holder, TestBoard, signal, taskhost};

/// `taskhost lock` with these arguments, holding until it is dropped.
pub(crate) fn lock(board: &TestBoard, what: &[&str]) -> Holder {
    let arguments = [&["lock"], what, &["--", "sh", "-c", HOLD]].concat();
    Holder::start(&mut board.command(&arguments))
}

#[test]
fn task_that_is_locked_is_given_to_nobody() {
    let board = TestBoard::new();
    board.add(&["a", "b"]);
    let held = lock(&board, &["task", "a", "--agent", "ada"]);
    assert_eq!(board.claim("bob").0, "b");
    board.run(&["claim", "--agent", "bob"]).exits(3);
    let refused = board.run(&["claim", "a", "--agent", "bob", "--timeout", "300ms"]).exits(6);
    assert!(refused.text("/error/holder").contains("ada"), "{refused:?}");
    let explained = board.run(&["explain", "a"]).exits(0);
    assert_eq!(explained.text("/obstacles/0/kind"), "locked");
    // Whoever waits for any task hears of it when the lock is let go, and so does whoever waits for this one.
    let waiter = board.start(&["claim", "--agent", "eve", "--wait", "60s"]);
    drop(held);
    let token = Answer::after(waiter).exits(0).number("/token").to_string();
    let held = lock(&board, &["task", "a"]);
    board.run(&["release", "a", "--agent", "eve", "--token", &token]).exits(0);
    let waiter = board.start(&["claim", "a", "--agent", "bob", "--timeout", "60s"]);
    drop(held);
    assert_eq!(Answer::after(waiter).exits(0).text("/task/claim/agent"), "bob");
}

#[test]
fn what_runs_inside_does_not_wait_for_itself() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let taskhost = taskhost();
    let taskhost = taskhost.to_str().unwrap();
    let inside = |what: &[&str], script: &str| {
        board.run(&[&["lock"], what, &["--", "sh", "-c", script, "sh", taskhost]].concat())
    };
    inside(&["task", "t"], "\"$1\" claim t --agent ada --timeout 1s").exits(0);
    // Nor is the lock in the way of what looks, inside.
    board.add(&["u"]);
    inside(&["task", "u"], "\"$1\" --json explain u | grep -q '\"claimable\":true'").exits(0);
    // Several at once inside take turns, as outside.
    let many = "for n in 1 2 3 4; do \"$1\" add work --id x$n --timeout 30s & done; wait";
    inside(&["board"], many).exits(0);
    assert_eq!(board.run(&["list", "--type", "work"]).exits(0).number("/total"), 6);
    inside(&["board"], "\"$1\" lock board -- \"$1\" add work --id deep --timeout 1s").exits(0);
    board.assert_healthy();
}

#[test]
fn lock_lasts_as_long_as_what_runs_inside() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let mut held = lock(&board, &["board"]);
    // The shell inside lives on, and holds the lock that it inherited.
    signal(held.child(), Signal::KILL);
    // Not by `wait`, which would close the shell's standard input.
    while held.child().try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    board.run(&["claim", "--agent", "a", "--timeout", "300ms"]).exits(6);
    drop(held);
    board.run(&["claim", "--agent", "a", "--timeout", "60s"]).exits(0);
}

#[test]
fn exit_code_is_the_commands_own() {
    let board = TestBoard::new();
    let code = |arguments: &[&str]| board.run(arguments).code;
    assert_eq!(code(&["lock", "board", "--", "sh", "-c", "exit 37"]), 37);
    assert_eq!(code(&["lock", "board", "--", "sh", "-c", "kill -9 $$"]), 128 + 9);
    assert_eq!(
        code(&["lock", "board", "--conflict-exit-code", "99", "--", "/no/such/command"]),
        99
    );
    let _held = lock(&board, &["board"]);
    let busy = ["lock", "board", "--timeout", "200ms", "--conflict-exit-code", "99", "--", "true"];
    let answer = board.run(&busy).exits(99);
    assert_eq!(answer.text("/error/code"), "lock_timeout");
    assert_eq!(code(&["lock", "board", "--timeout", "200ms", "--", "true"]), 6);
}
