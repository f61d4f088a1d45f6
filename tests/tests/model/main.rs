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
mod tokens;
mod words;

use drive::{Plan, drive, drive_all, is_replay};
use model::Flaw;
use real::{FILES, MEMORY};

/// A quarter of the 100,000 commands, so that they run side by side.
fn in_memory(seed: u64) {
    let answers = drive_all(seed, 10, 2_500, MEMORY);
    if is_replay() {
        return;
    }
    assert_eq!(answers.values().sum::<usize>(), 25_000);
    // Commands that get nowhere would find nothing.
    for corner in [
        "Add: Refused",
        "Add: repeated",
        "Archive: done",
        "Assign: Taken",
        "Block: already",
        "Cancel: already",
        "Claim: Empty",
        "Claim: NoMatch",
        "Claim: Taken",
        "Claim: Waiting",
        "Claim: repeated",
        "Complete: Refused",
        "Complete: Taken",
        "Complete: repeated",
        "Fail: done",
        "Heartbeat: Taken",
        "Meta: Invalid",
        "Release: done",
        "Retry: already",
        "Unblock: done",
    ] {
        assert!(answers.contains_key(corner), "`{corner}` never came up in {answers:#?}");
    }
}

#[test]
fn board_in_memory_is_what_the_model_says_1() {
    in_memory(1_000);
}

#[test]
fn board_in_memory_is_what_the_model_says_2() {
    in_memory(2_000);
}

#[test]
fn board_in_memory_is_what_the_model_says_3() {
    in_memory(3_000);
}

#[test]
fn board_in_memory_is_what_the_model_says_4() {
    in_memory(4_000);
}

#[test]
fn board_in_files_is_what_the_model_says() {
    let answers = drive_all(5_000, 5, 1_000, FILES);
    assert!(is_replay() || answers.values().sum::<usize>() == 5_000, "{answers:#?}");
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
        let plan = |seed| Plan { seed, steps: 2_500, home: MEMORY, flaw: Some(flaw) };
        let found = (6_000..6_003).any(|seed| drive(&plan(seed)).is_err());
        assert!(found, "{flaw:?} makes no difference");
    }
}
