//! What a dead agent held comes back at once; what a stopped one holds stays until its lease is over.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use taskhost_tests::{Answer, Kept, TestBoard, signal};

/// Starts a `run` whose command never ends, and waits until it holds the task.
fn holder(board: &TestBoard, lease: &str) -> Child {
    let run = board
        .start(&["run", "--agents", "1", "--name", "held", "--lease", lease, "--", "sleep", "600"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while board.task("t")["status"] != "in_progress" {
        assert!(Instant::now() < deadline, "the run never claimed the task");
    }
    run
}

#[test]
fn dead_runs_task_comes_back_as_soon_as_its_death_is_proved() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let mut run = holder(&board, "30m");
    board.run(&["claim", "--agent", "other"]).exits(3);
    run.kill().unwrap();
    let died = Instant::now();
    board.run(&["claim", "--agent", "other", "--wait", "30s"]).exits(0);
    let took = died.elapsed();
    run.wait().unwrap();
    // The bound is the promise itself. A server that restarts drops the connections of agents that live, so those have five
    // seconds from when somebody misses them first; whoever waits looks every ten.
    let (least, most) = match Kept::here() {
        Kept::InFiles => (0, 1),
        Kept::InPostgres => (5, 15),
    };
    let bounds = Duration::from_secs(least)..Duration::from_secs(most);
    assert!(bounds.contains(&took), "it took {took:?}");
    assert_eq!(board.task("t")["attempts"], 2);
    let history = board.run(&["history", "t"]).exits(0).stdout;
    assert!(history.contains("recovered"), "{history}");
}

#[test]
fn stopped_runs_task_stays_until_its_lease_is_over() {
    // A paused process was taken for dead because its lock file was old, and came back to find its work stolen.
    let board = TestBoard::new();
    board.add(&["t"]);
    let mut run = holder(&board, "3s");
    signal(&run, Signal::STOP);
    let claim = board.task("t")["claim"].clone();
    let answer = board.run(&["claim", "--agent", "other"]).exits(3);
    assert_eq!(answer.text("/reason"), "waiting");
    assert_eq!(
        board.task("t")["claim"]["token"],
        claim["token"],
        "a stopped holder is not a dead one"
    );
    board.run(&["claim", "--agent", "other", "--wait", "30s"]).exits(0);
    let given =
        taskhost::wire::parse_time(board.task("t")["claim"]["since"].as_str().unwrap()).unwrap();
    let until = taskhost::wire::parse_time(claim["lease_until"].as_str().unwrap()).unwrap();
    // Leases go by a clock that nobody sets, and both clocks are told in whole milliseconds.
    assert!(
        given.0 + 1 >= until.0,
        "it was given away at {given:?}, before its lease was over at {until:?}"
    );
    signal(&run, Signal::CONT);
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn claim_by_id_waits_for_a_task_that_its_holder_hands_back() {
    // `claim ID --wait` gave up at once while somebody held the task, although it had been told to wait.
    let board = TestBoard::new();
    board.add(&["t"]);
    let (_, token) = board.claim("first");
    let waiter = board.start(&["claim", "t", "--agent", "second", "--wait", "60s"]);
    board.run(&["release", "t", "--agent", "first", "--token", &token]).exits(0);
    let got = Answer::after(waiter).exits(0);
    assert_eq!(got.text("/task/claim/agent"), "second");
}
