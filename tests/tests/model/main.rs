//! A property: whatever is done to a board, it answers what a small model of it answers, which was written from the
//! documentation alone.
//!
//! A test that fails prints the seed to run it again with, and the shortest way to the difference.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

mod commands;
mod dice;
mod drive;
mod model;
mod real;
mod stories;
mod words;

use commands::Kind;
use drive::{Plan, drive, drive_all};
use model::Flaw;

#[test]
fn board_in_memory_is_what_the_model_says_1() {
    drive_all(1_000, 10, 2_500, Kind::ManualClock);
}

#[test]
fn board_in_memory_is_what_the_model_says_2() {
    drive_all(2_000, 10, 2_500, Kind::ManualClock);
}

#[test]
fn board_in_memory_is_what_the_model_says_3() {
    drive_all(3_000, 10, 2_500, Kind::ManualClock);
}

#[test]
fn board_in_memory_is_what_the_model_says_4() {
    drive_all(4_000, 10, 2_500, Kind::ManualClock);
}

#[test]
fn board_in_files_is_what_the_model_says() {
    drive_all(5_000, 5, 1_000, Kind::OwnClock);
}

#[test]
fn wrong_model_is_found_out() {
    let flaws = [
        Flaw::ReleaseKeepsAttempt,
        Flaw::PriorityIgnored,
        Flaw::TokensNotCompared,
        Flaw::NeedsIgnored,
        Flaw::ReservationsIgnored,
        Flaw::LeasesNeverEnd,
        Flaw::ParentsForgotten,
        Flaw::BackoffForgotten,
        Flaw::CascadeForgotten,
        Flaw::KeysForgotten,
    ];
    for flaw in flaws {
        let plan = |seed| Plan { seed, steps: 2_500, kind: Kind::ManualClock, flaw: Some(flaw) };
        let found = (6_000..6_003).any(|seed| drive(&plan(seed)).is_err());
        assert!(found, "{flaw:?} makes no difference");
    }
}
