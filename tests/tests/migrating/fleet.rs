//! A fleet of agents that work while their board is moved, and follow it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use taskhost_tests::{Kept, TestBoard};

use crate::{export, made, migrate};

const TASKS: usize = 120;
const AGENTS: usize = 4;

/// Places by the addresses that agents are told: without the passwords that these have of their own.
type Places<'a> = Mutex<BTreeMap<String, &'a TestBoard>>;

/// Runs the command where the board is, wherever it was when it was asked for first.
fn follow<'a>(places: &Places<'a>, at: &mut &'a TestBoard, arguments: &[&str]) -> Option<Value> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = at.run(arguments);
        match answer.code {
            0 => return Some(answer.json()),
            3 => return None,
            // It isn't told before it is known here where that is.
            13 => {
                let place = answer.text("/error/address");
                if let Some(board) = places.lock().unwrap().get(&place) {
                    *at = board;
                }
            }
            // It is being moved.
            6 => {}
            other => panic!("{other}: {answer:?}"),
        }
        assert!(Instant::now() < deadline, "{arguments:?} was in vain");
    }
}

fn work<'a>(name: &str, places: &Places<'a>, first: &'a TestBoard, done: &AtomicUsize) {
    let mut at = first;
    while let Some(claimed) = follow(places, &mut at, &["claim", "--agent", name]) {
        let id = claimed["task"]["id"].as_str().unwrap();
        let token = claimed["task"]["claim"]["token"].to_string();
        let end = ["complete", id, "--agent", name, "--token", &token];
        // Another agent's claim, or one that ended, would be an error.
        follow(places, &mut at, &end).unwrap();
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn no_claim_is_lost_or_doubled_while_a_board_is_moved_under_a_fleet() {
    let first = made(Kept::InFiles);
    first.add_many(TASKS, |_, _| {});
    let stops = [Kept::InPostgres, Kept::InFiles, Kept::InPostgres].map(TestBoard::missing_in);
    let (places, done) = (Places::default(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let agents: Vec<_> = (0..AGENTS)
            .map(|n| {
                let (places, first, done) = (&places, &first, &done);
                scope.spawn(move || work(&format!("agent-{n}"), places, first, done))
            })
            .collect();
        let mut from = &first;
        for (number, to) in stops.iter().enumerate() {
            while done.load(Ordering::Relaxed) < (number + 1) * TASKS / 6 {
                assert!(!agents.iter().all(std::thread::ScopedJoinHandle::is_finished));
                std::thread::yield_now();
            }
            let place = migrate(from, to).exits(0).text("/to");
            places.lock().unwrap().insert(place, to);
            from = to;
        }
    });
    assert_eq!(done.load(Ordering::Relaxed), TASKS);
    let last = &stops[2];
    let (mut claimed, mut completed) = (BTreeMap::new(), BTreeMap::new());
    for line in export(last).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let changes = line.pointer("/entry/entry/changes").and_then(Value::as_array);
        for change in changes.into_iter().flatten() {
            for (what, counts) in [("claimed", &mut claimed), ("finished", &mut completed)] {
                if let Some(id) = change.pointer(&format!("/{what}/id")) {
                    *counts.entry(id.to_string()).or_insert(0) += 1;
                }
            }
        }
    }
    for counts in [&claimed, &completed] {
        assert_eq!(counts.len(), TASKS);
        assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    }
    last.assert_healthy();
    // Some of it was done at each place.
    let done_at =
        |board: &TestBoard| board.run(&["list", "--status", "completed"]).number("/total");
    let steps: Vec<u64> = [&first].into_iter().chain(&stops).map(done_at).collect();
    assert!(steps.is_sorted() && steps[0] < steps[3], "{steps:?}");
}
