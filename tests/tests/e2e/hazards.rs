//! Mistakes of systems like this one that are no other test's subject. `tests/HAZARDS.md` says which test shows what.

use std::process::{Child, Stdio};

use taskhost_tests::{Answer, TestBoard};

pub(crate) fn ended(children: Vec<Child>) -> Vec<Answer> {
    children.into_iter().map(Answer::after).collect()
}

// State was saved inside the lock of a task only, as the whole file: the holders of two tasks' locks overwrote each
// other's. Here a task's lock keeps others from the task, and every change goes through the board's.
#[test]
fn those_who_hold_the_locks_of_two_tasks_lose_nothing_of_each_others_changes() {
    const ROUNDS: u64 = 10;
    let board = TestBoard::new();
    board.add(&["a", "b"]);
    board.run(&["meta", "set", "counter", "0"]).exits(0);
    // Each adds labels to its own task, and tasks to the board.
    let script = format!(
        "n=0; while [ $n -lt {ROUNDS} ]; do n=$((n+1)); \
         \"$0\" --timeout 60s update $1 --add-label $1-$n >/dev/null || exit 9; \
         \"$0\" --timeout 60s add work --id $1-$n >/dev/null || exit 9; done"
    );
    let program = taskhost_tests::taskhost();
    let both = ["a", "b"].map(|task| {
        let program = program.to_str().unwrap();
        let inside = ["lock", "task", task, "--", "sh", "-c", &script, program, task];
        let mut command = board.command(&inside);
        command
            .env("TASKHOST_BOARD", board.address().as_os_str())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    for answer in ended(both.into()) {
        answer.exits(0);
    }
    for task in ["a", "b"] {
        assert_eq!(board.task(task)["labels"].as_array().unwrap().len() as u64, ROUNDS);
    }
    assert_eq!(board.run(&["list"]).exits(0).number("/total"), 2 + 2 * ROUNDS);
    board.assert_healthy();
}

// River's rescuer took a job for stuck, and overwrote that it had been completed meanwhile (its #1302). Here a claim is
// completed and recovered at one moment, again and again: exactly one of the two has happened.
#[test]
fn task_that_is_completed_and_rescued_at_one_moment_has_one_end() {
    let board = TestBoard::new();
    let (mut completed, mut rescued) = (0, 0);
    // One that nobody can rescue, one that is left until it is rescued, and those in between.
    let leases = ["30m", "1ms"].into_iter().map(str::to_owned);
    let leases = leases.chain((1..13).map(|n| format!("{}ms", n * 50)));
    for (round, lease) in leases.enumerate() {
        let id = format!("t{round}");
        board.add(&[&id]);
        let claimed = board.run(&["claim", &id, "--agent", "slow", "--lease", &lease]).exits(0);
        let token = claimed.number("/task/claim/token").to_string();
        let rescue = board.start(&["claim", &id, "--agent", "fast", "--wait", "60s"]);
        while lease == "1ms" && board.task(&id)["claim"]["agent"] == "slow" {}
        let complete = board.run(&["complete", &id, "--agent", "slow", "--token", &token]);
        let rescue = Answer::after(rescue);
        let task = board.task(&id);
        match complete.code {
            0 => {
                assert_eq!(rescue.code, 10, "{rescue:?}");
                assert_eq!((&task["status"], &task["attempts"]), (&"completed".into(), &1.into()));
                completed += 1;
            }
            _ => {
                let complete = complete.exits(4);
                assert_eq!(complete.text("/error/code"), "stale_token");
                rescue.exits(0);
                assert_eq!(task["claim"]["agent"], "fast");
                assert_eq!(
                    (&task["status"], &task["attempts"]),
                    (&"in_progress".into(), &2.into())
                );
                rescued += 1;
            }
        }
    }
    assert!(completed > 0 && rescued > 0, "{completed} completed, {rescued} rescued");
    board.assert_healthy();
}

// Rescues weren't counted as attempts, so a task that killed its workers was run about thirty times (hermes-agent's PR
// 96287). Here each recovery leaves its attempt counted, and the last one that is allowed ends it.
#[test]
fn task_that_loses_every_holder_is_given_up_once_its_attempts_are_used_up() {
    let board = TestBoard::with(&["--setting", "max_attempts=3"]);
    board.add(&["t"]);
    for attempt in 1..=3 {
        let claim = ["claim", "t", "--agent", "a", "--lease", "1ms", "--wait", "60s"];
        let claimed = board.run(&claim).exits(0);
        assert_eq!(claimed.number("/task/attempts"), attempt);
    }
    let nothing = board.run(&["claim", "--agent", "b"]).exits(3);
    assert_eq!(nothing.text("/reason"), "empty");
    board.run(&["claim", "t", "--agent", "b"]).exits(10);
    let task = board.task("t");
    assert_eq!((&task["status"], &task["attempts"]), (&"failed".into(), &3.into()), "{task}");
}
