//! Histories of real processes: those of a board that is right have an order, and those of one with a bug don't.

use std::time::Duration;

use taskhost_board::PlantedBug as InBoard;
use taskhost_simulated::{Bug, Count, Effort, Harm, Outcome};
use taskhost_store_file::PlantedBug as InStore;
use taskhost_torture::histories;

fn run(seed: u64, time: Duration, bug: Option<Bug>) -> Outcome {
    let effort = Effort { first_only: bug.is_some(), ..Effort::new(seed, time) };
    (histories::part().run)(&effort, bug)
}

fn finds(bug: Bug) {
    // It takes a second or two; whoever shares the machine may make that a minute.
    let outcome = run(1, Duration::from_secs(120), Some(bug));
    let harmful = outcome.wrong.iter().any(|wrong| wrong.harm != Harm::Broken);
    assert!(harmful, "{bug:?} made no difference: {:?} {:?}", outcome.counts, outcome.wrong);
}

#[test]
fn answers_of_real_processes_have_an_order() {
    let outcome = run(7, Duration::from_secs(5), None);
    assert!(outcome.wrong.is_empty(), "{:#?}", outcome.wrong);
    for count in [Count::Histories, Count::Operations, Count::Claims] {
        assert!(outcome.counted(count) > 0, "nothing was done: {:?}", outcome.counts);
    }
}

/// Whoever had a holder's name was taken for the holder: a worker that had lost its lease completed what another one
/// of its name had claimed since.
#[test]
fn token_that_is_not_compared_leaves_no_order() {
    finds(Bug::Board(InBoard::TokenNotCompared));
}

/// A process that slept through a compaction went on with the journal that was retired in it.
#[test]
fn generation_that_is_not_rechecked_leaves_no_order() {
    finds(Bug::Store(InStore::GenerationNotRechecked));
}
