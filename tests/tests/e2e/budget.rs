//! The example `shared-budget`: several boards spend one budget, and never more, whoever is killed.

use std::process::Child;
use std::thread;
use std::time::Duration;

use serde_json::json;
use taskhost_tests::{Answer, TestBoard, policy};

const BUDGET: u64 = 60;
const TASKS: usize = 40;

/// A number below `below` that nobody knows before.
fn drawn(below: u64) -> u64 {
    getrandom::u64().unwrap() % below
}

fn start_claim(board: &TestBoard, agent: &str) -> Child {
    board.start(&["claim", "--agent", agent, "--timeout", "60s"])
}

/// A claim that nobody killed; says whether it was granted. Of those that were, some fail.
fn settle(board: &TestBoard, agent: &str, claim: Answer, fails: bool) -> bool {
    match claim.code {
        0 if fails => {
            let (id, token) = (claim.text("/task/id"), claim.number("/task/claim/token"));
            let token = token.to_string();
            board.run(&["fail", &id, "--agent", agent, "--token", &token]).exits(0);
            true
        }
        0 => true,
        _ => {
            claim.exits(3);
            false
        }
    }
}

/// Processes that claim two at a time; every third is killed after a while.
fn race(board: &TestBoard) {
    for round in 0..12 {
        let pair = ["one", "two"].map(|agent| (agent, start_claim(board, agent)));
        for (number, (agent, mut child)) in pair.into_iter().enumerate() {
            if (round * 2 + number) % 3 == 0 {
                // When, is for chance: before it begins, while it pays, or when all is done.
                thread::sleep(Duration::from_millis(drawn(80)));
                child.kill().unwrap();
                child.wait().unwrap();
            } else {
                settle(board, agent, Answer::after(child), drawn(4) == 0);
            }
        }
    }
}

/// What was paid on a board for what is in progress.
fn granted(board: &TestBoard) -> u64 {
    let list = board.run(&["list", "--status", "in_progress", "--limit", "1000"]).exits(0).json();
    let tasks = list["tasks"].as_array().unwrap();
    tasks.iter().map(|task| task["data"]["cost"].as_u64().unwrap()).sum()
}

#[test]
fn three_boards_never_spend_more_than_their_one_budget_whoever_is_killed() {
    let shared = tempfile::tempdir().unwrap();
    let component = policy("shared-budget");
    let boards: Vec<TestBoard> = (0..3)
        .map(|_| {
            let board = TestBoard::with(&["--shared-files", &shared.path().to_string_lossy()]);
            // Waiting for the disk counts, and this one may be busy.
            board.run(&["config", "set", "policy_deadline", "20s"]).exits(0);
            let budget = format!("budget={BUDGET}");
            let set = ["policy", "set", &component.to_string_lossy(), "--setting", &budget];
            board.run(&set).exits(0);
            board.add_many(TASKS, |n, task| task["data"] = json!({ "cost": 1 + n % 4 }));
            board
        })
        .collect();

    thread::scope(|scope| {
        for board in &boards {
            scope.spawn(|| race(board));
        }
    });
    let total = |boards: &[TestBoard]| boards.iter().map(granted).sum::<u64>();
    assert!(total(&boards) <= BUDGET, "{} of {BUDGET} was granted", total(&boards));

    // Nobody is killed any more, and all claim until there is nothing left for anybody.
    let claim = |board| settle(board, "end", Answer::after(start_claim(board, "end")), false);
    while boards.iter().map(claim).filter(|is_granted| *is_granted).count() > 0 {}
    let granted = total(&boards);
    assert!(granted <= BUDGET, "{granted} of {BUDGET} was granted");

    // The books say so too; and what they say that wasn't granted is what was lost with a board's first claims.
    let books = std::fs::read_to_string(shared.path().join("budget")).unwrap();
    let lines: Vec<u64> = books
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            words[1].parse::<u64>().unwrap() - words[2].parse::<u64>().unwrap()
        })
        .collect();
    assert_eq!(lines.iter().sum::<u64>(), BUDGET, "{books}");
    let lost = u64::try_from(lines.len().saturating_sub(boards.len())).unwrap();
    assert!(granted + lost * 4 >= BUDGET, "{granted} of {BUDGET} was granted, of {books}");
    for board in &boards {
        board.assert_healthy();
    }
}
