//! What ties retired journals to their board.

use super::*;
use crate::simulation::World;

/// A board of three generations, two of them history, whose entries are named after `whose`.
fn three_generations(whose: &str) -> (Arc<World>, FileStore) {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    for generation in 1..=3 {
        if generation > 1 {
            store.compact(far()).unwrap();
        }
        for number in 1..=2 {
            remember(&store, &format!("{whose}-{generation}-{number}")).unwrap();
        }
    }
    (world, store)
}

/// Another board's retired journal, of the same generation and with the same numbers, was shown as this board's history,
/// and the doctor said that all was well.
#[test]
fn a_retired_journal_of_another_board_is_refused_with_its_place() {
    let others = three_generations("their").0.files();
    for retired in ["history/journal-1.jsonl", "history/journal-2.jsonl"] {
        let (world, store) = three_generations("our");
        assert_clean(&store);
        world.tamper(retired, Some(others[retired].clone()));
        let error = store.history(Sequence(0), &mut |_, _| true).unwrap_err().to_string();
        assert!(error.contains(&format!("`{retired}`, line ")), "{error}");
        assert!(!store.doctor().is_clean());
        // What happened after it can still be read.
        store.history(Sequence(4), &mut |_, _| true).unwrap();
    }
}

#[test]
fn a_retired_journal_that_was_cut_is_refused_with_its_place() {
    let (world, store) = three_generations("our");
    let retired = "history/journal-1.jsonl";
    let content = world.files()[retired].clone();
    let first = content.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    world.tamper(retired, Some(content[..first].to_vec()));
    let error = store.history(Sequence(0), &mut |_, _| true).unwrap_err().to_string();
    assert!(error.contains("ends with entry 1"), "{error}");
}

#[test]
fn recovery_from_a_failed_sync_ties_the_history_too() {
    use crate::simulation::{Counted, Fault};
    let (world, store) = three_generations("our");
    let process = world.process();
    let failing = process.open(OpenOptions::default()).unwrap();
    process.plan(Counted::Changes, 3, Fault::LostSync);
    assert!(remember(&failing, "unknown").is_err());
    assert_clean(&store);
    let mut lines = world.files()["history/journal-3.jsonl"].clone();
    let others = three_generations("their").0;
    let theirs = others.files()["journal-3.jsonl"].clone();
    lines.splice(..theirs.len().min(lines.len()), theirs);
    world.tamper("history/journal-3.jsonl", Some(lines));
    assert!(!store.doctor().is_clean());
}
