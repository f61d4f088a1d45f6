//! Histories of real processes: those of a board that is right have an order, and those of one with a bug don't.

use std::time::Duration;

use taskhost_board::PlantedBug as InBoard;
use taskhost_simulated::{Bug, Count, Effort, Outcome};
use taskhost_store_file::PlantedBug as InStore;
use taskhost_torture::histories;

fn run(seed: u64, time: Duration, bug: Option<Bug>) -> Outcome {
    let effort = Effort { first_only: bug.is_some(), ..Effort::new(seed, time) };
    (histories::part().run)(&effort, bug)
}

/// Nearly every history of such a board shows it, as a rule the first.
fn finds(bug: Bug) {
    let shows = |seed| {
        let outcome = run(seed, Duration::from_secs(60), Some(bug));
        // That processes stumble over a bug isn't enough: their answers must contradict each other.
        outcome.wrong.iter().any(|wrong| wrong.what.contains("the answer marked"))
    };
    assert!((1..=5).any(shows), "{bug:?} made no difference");
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
