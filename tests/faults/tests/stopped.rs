//! A process that is stopped in the middle of a transaction.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use taskhost_board::{ClaimOutcome, ClaimRequest, Filter};
use taskhost_faults::{Bench, Hand, agent, claim, is_stopped, task_id};
use taskhost_test_postgres::shared;

const PROGRAM: &str = env!("CARGO_BIN_EXE_faults");

/// Asks for one task for so long.
fn claim_only(bench: &Bench, id: &str, patience: Duration) -> Option<u64> {
    let filter = Filter { only: Some(task_id(id)), ..Filter::default() };
    let agent = agent("bob");
    let request = ClaimRequest { agent, filter, lease_ms: None, key: None };
    match bench.engine.claim(&request, Instant::now() + patience) {
        Ok(ClaimOutcome::Claimed { task, .. }) => task.claim.map(|claim| claim.token.0),
        Ok(ClaimOutcome::Nothing { .. }) | Err(_) => None,
    }
}

#[test]
fn a_stopped_process_holds_its_locks_for_a_while_only_and_is_refused_when_it_goes_on() {
    let bench = Bench::new(shared(), 6).unwrap();
    let mut hand = Hand::start(PROGRAM, &bench.by(shared()), "ada").unwrap();
    hand.tell("stop k t-0").unwrap();
    while !is_stopped(hand.id()) {
        thread::sleep(Duration::from_millis(5));
    }
    // It has locked a task, and hasn't committed. Others pass over that one, and aren't held up.
    for n in 1..=3 {
        let task = claim(&bench.engine, &agent("bob"), None).unwrap().unwrap();
        assert_eq!(task.id, task_id(&format!("t-{n}")));
    }
    assert_eq!(claim_only(&bench, "t-0", Duration::from_millis(200)), None);
    // The server ends it after some seconds.
    let token = claim_only(&bench, "t-0", Duration::from_secs(60)).unwrap();
    hand.signal(Signal::CONT).unwrap();
    // Its own request is run again, and finds the task taken.
    let answer = hand.hear().unwrap();
    assert!(answer.starts_with("nothing") || answer.contains("is claimed by `bob`"), "{answer}");
    // A key that stands for nothing yet can still be used.
    assert_eq!(hand.claim("k", 60_000, "t-4").unwrap().0, "t-4");
    let task = bench.engine.task(&task_id("t-0")).unwrap();
    assert_eq!(task.claim.map(|claim| claim.token.0), Some(token));
    assert_eq!(bench.wrong().unwrap(), Vec::<String>::new());
}
