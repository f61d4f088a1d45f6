//! Room in the index: its map can't grow while anybody has it, so one that is full is made anew, with more of it.

use super::*;
use crate::Notice;

/// A value that fills the index quickly.
fn large(store: &FileStore, number: usize) -> Result<Sequence, CommitError> {
    let opened = Box::new(store.inner.begin(far()).unwrap());
    remember_value_in(opened, &format!("large-{number}"), vec![1; 30_000])
}

#[test]
fn an_index_that_is_full_is_made_anew_and_nothing_is_lost() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    let was_full = |store: &FileStore| {
        let full = |notice: &Notice| matches!(notice, Notice::IndexRebuilt { why } if why == "it was full");
        store.notices().iter().any(full)
    };
    let mut written = 0;
    while !was_full(&store) {
        assert!(written < 1_000, "it never was full");
        // One that finds no room is done again by whoever asked for it.
        match large(&store, written) {
            Ok(_) => written += 1,
            Err(error) => assert!(matches!(error, CommitError::Conflict), "{error}"),
        }
    }
    // The one that was refused is done now, by this handle and by one that had the old index open.
    large(&store, written).unwrap();
    large(&other, written + 1).unwrap();
    let (view, _) = other.snapshot().unwrap();
    for number in 0..written + 2 {
        assert!(recalls(&*view, &format!("large-{number}")), "{number} of {written}");
    }
    assert_eq!(whole_history(&store), written as u64 + 2);
    assert_clean(&store);
    assert_clean(&other);
}

#[test]
fn a_compaction_is_due_before_the_index_is_full_and_gives_it_room() {
    let (_directory, store) = fresh();
    let mut written = 0;
    while !store.compaction_is_due() {
        assert!(written < 1_000, "it never was due");
        large(&store, written).unwrap();
        written += 1;
    }
    assert!(store.compact_if_due(far()).unwrap());
    assert!(!store.compaction_is_due());
    // There is room for as much again, several times.
    for number in 0..2 * written {
        large(&store, written + number).unwrap();
    }
    assert_eq!(store.notices(), []);
    assert_clean(&store);
}
