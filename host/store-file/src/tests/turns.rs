//! Turns at the board's lock and at the sync of its journal: they save work, and nothing depends on them.

use std::sync::Barrier;

use super::words::words;
use super::*;
use crate::words::Wake;
use taskhost_board::Measure;

/// A process that is killed while it has a turn gives it back to nobody, and whoever came next waited for ever.
#[test]
fn turns_of_a_process_that_was_killed_are_taken_over_and_put_right() {
    let (directory, store) = fresh();
    let words = words(&store);
    let turns = [words.lock_turn().unwrap(), words.sync_turn().unwrap()];
    for turn in &turns {
        // As if this process had ended here.
        std::mem::forget(turn.try_take(Wake::One).unwrap());
    }
    remember(&store, "k").unwrap();
    for turn in &turns {
        assert!(turn.try_take(Wake::One).is_some(), "nobody has it any more");
    }
    remember(&open(&board(&directory)), "l").unwrap();
    assert_clean(&store);
}

#[test]
fn those_who_sleep_for_a_turn_get_it_one_after_the_other() {
    let (_directory, store) = fresh();
    let turn = words(&store).lock_turn().unwrap();
    let (inside, all) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    // One that has waited for too long goes without, as a claim does.
                    let Some(held) = turn.take(far(), Wake::One) else { continue };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    all.fetch_add(1, Ordering::SeqCst);
                    drop(held);
                }
            });
        }
    });
    assert!(all.into_inner() >= 400, "most get it");
}

#[test]
fn one_sync_serves_several_that_wait_for_it() {
    const HANDLES: usize = 8;
    let (directory, store) = fresh();
    let handles: Vec<FileStore> = (0..HANDLES).map(|_| open(&board(&directory))).collect();
    let syncs = || store.figures().unwrap().all.times[&Measure::Sync].count;
    let was_shared = (0..100).any(|round| {
        let before = syncs();
        let start = Barrier::new(HANDLES);
        std::thread::scope(|scope| {
            for (number, handle) in handles.iter().enumerate() {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    remember(handle, &format!("{round}-{number}")).unwrap();
                });
            }
        });
        syncs() - before < HANDLES as u64
    });
    assert!(was_shared, "each of them has synced by itself, every time");
    assert_clean(&store);
}
