//! The corpus of every target, and mutations of it that are the same each time.

use std::collections::BTreeSet;

use super::*;

const ROUNDS: u64 = 400;

#[test]
fn edited_journals_lose_nothing_silently_and_are_refused_or_repaired() {
    assert!(taskhost_mutate::replay("journal", ROUNDS, journal) > ROUNDS);
}

#[test]
fn edited_snapshots_and_pointers_lose_nothing_silently_and_are_refused_or_repaired() {
    assert!(taskhost_mutate::replay("snapshot", ROUNDS, snapshot) > ROUNDS);
}

#[test]
fn edited_exports_are_refused_with_their_line_or_make_a_clean_board() {
    assert!(taskhost_mutate::replay("transfer", ROUNDS, transfer) > ROUNDS);
}

/// What isn't in the board that is edited isn't fuzzed. The plain policy retries nothing by itself.
#[test]
fn the_board_that_is_edited_has_every_kind_of_change_and_record() {
    let text: String = sample().files.values().map(|file| String::from_utf8_lossy(file)).collect();
    let kinds = [
        "added",
        "claimed",
        "renewed",
        "released",
        "recovered",
        "finished",
        "updated",
        "reopened",
        "archived",
        "blocked",
        "unblocked",
        "answered",
        "wake",
        "remembered",
        "keyed",
        "policies_set",
        "settings_set",
        "meta_set",
        "fell_back",
    ];
    let missing: BTreeSet<&str> =
        kinds.into_iter().filter(|kind| !text.contains(&format!("{{\"{kind}\":"))).collect();
    assert_eq!(missing, BTreeSet::new());
}
