//! Failed syncs.

use super::*;
use crate::Notice;
use crate::simulation::{Counted, Fault, Process, World};

/// A world with a board, and a process whose next sync fails.
fn failing() -> (Arc<World>, Arc<Process>, FileStore) {
    let world = World::new();
    drop(world.process().init(&plan(), OpenOptions::default()).unwrap());
    let process = world.process();
    let store = process.open(OpenOptions::default()).unwrap();
    remember(&store, "before").unwrap();
    process.plan(Counted::Changes, 3, Fault::LostSync);
    (world, process, store)
}

/// A process that opens the file *after* a failed sync never hears of the failure: it appends, syncs with success,
/// and leaves a hole before its acknowledged line. So the failure is written down where it must look.
#[test]
fn a_third_process_that_comes_late_hears_of_the_failed_sync() {
    for index_lost in [false, true] {
        let (world, _process, store) = failing();
        assert!(matches!(remember(&store, "unknown"), Err(CommitError::Unknown(_))));
        drop(store);
        if index_lost {
            // Throwing the index away must not heal a poisoned generation.
            world.lose_index();
        }
        let third = world.process().open(OpenOptions::default()).unwrap();
        assert!(matches!(third.notices()[..], [Notice::Recovered { poisoned: 1, .. }]));
        let told = remember(&third, "after").unwrap();
        assert!(world.files().contains_key("journal-2.jsonl"));
        for survivor in world.survivors() {
            let world = World::booted(&survivor);
            let store = world.process().open(OpenOptions::default()).unwrap();
            let view = store.snapshot().unwrap().0;
            assert!(recalls(&*view, "before") && recalls(&*view, "after"), "{}", survivor.what);
            assert_eq!(history(&store).last(), Some(&told));
            assert_clean(&store);
        }
        assert_clean(&third);
    }
}

/// The pages that a failed sync lost count as clean, so the kernel may drop them: then whoever comes finds what the disk
/// has, in the middle of a boot in which everybody has seen something else.
#[test]
fn what_a_failed_sync_lost_is_mended_also_after_it_was_dropped_from_memory() {
    let (world, _process, store) = failing();
    assert!(matches!(remember(&store, "unknown"), Err(CommitError::Unknown(_))));
    drop(store);
    let seen = world.files();
    assert!(world.has_lost());
    world.evict();
    assert!(!world.has_lost() && world.files() != seen);
    let store = world.process().open(OpenOptions::default()).unwrap();
    assert!(matches!(store.notices()[..], [Notice::Recovered { poisoned: 1, through: 1 }]));
    let view = store.snapshot().unwrap().0;
    assert!(recalls(&*view, "before") && !recalls(&*view, "unknown"));
    assert_eq!(remember(&store, "after").unwrap(), Sequence(2));
    assert_clean(&store);
}

#[test]
fn the_handle_whose_sync_failed_goes_on_in_the_next_generation() {
    let (world, _process, store) = failing();
    assert!(matches!(remember(&store, "unknown"), Err(CommitError::Unknown(_))));
    let again = remember(&store, "again").unwrap();
    // What could be read back was kept: that its outcome is unknown means that it may have happened.
    assert_eq!(again, Sequence(3));
    assert!(!world.files().keys().any(|name| name.ends_with(".poisoned")));
    assert_clean(&store);
}

#[test]
fn a_reader_gives_no_answer_that_it_could_not_make_durable() {
    let world = World::new();
    drop(world.process().init(&plan(), OpenOptions::default()).unwrap());
    let writer = world.process();
    let store = writer.open(OpenOptions::default()).unwrap();
    writer.plan(Counted::Changes, 3, Fault::Stop);
    assert!(remember(&store, "k").is_err());
    drop(store);
    let reader = world.process();
    let store = reader.open(OpenOptions::default()).unwrap();
    reader.plan(Counted::Changes, 0, Fault::LostSync);
    assert!(store.snapshot().is_err());
    // The next answer comes from a generation that is durable.
    let seen = recalls(&*store.snapshot().unwrap().0, "k");
    for survivor in world.survivors() {
        let world = World::booted(&survivor);
        let store = world.process().open(OpenOptions::default()).unwrap();
        assert_eq!(recalls(&*store.snapshot().unwrap().0, "k"), seen);
    }
}

/// "`show` says completed, the caller deletes the inputs, the power fails": an answer given on a line that isn't
/// durable yet. Readers sync first; so does a transaction that ends without a change.
#[test]
fn what_was_read_survives_the_power_failure_after_it() {
    for through_transaction in [false, true] {
        let world = World::new();
        drop(world.process().init(&plan(), OpenOptions::default()).unwrap());
        let writer = world.process();
        let store = writer.open(OpenOptions::default()).unwrap();
        writer.plan(Counted::Changes, 3, Fault::Stop);
        assert!(remember(&store, "k").is_err());
        drop(store);
        let reader = world.process().open(OpenOptions::default()).unwrap();
        let seen = if through_transaction {
            let mut opened = reader.begin(far()).unwrap();
            let seen = recalls(&*opened.view(), "k");
            opened.finish().unwrap();
            seen
        } else {
            recalls(&*reader.snapshot().unwrap().0, "k")
        };
        assert!(seen);
        for survivor in world.survivors() {
            let world = World::booted(&survivor);
            let store = world.process().open(OpenOptions::default()).unwrap();
            assert!(recalls(&*store.snapshot().unwrap().0, "k"), "{}", survivor.what);
        }
    }
}

/// Whoever makes the shared words anew says that everything it reads is durable: it has to be, first.
#[test]
fn what_was_read_after_the_index_was_removed_survives_the_power_failure_after_it() {
    let world = World::new();
    drop(world.process().init(&plan(), OpenOptions::default()).unwrap());
    let writer = world.process();
    let store = writer.open(OpenOptions::default()).unwrap();
    writer.plan(Counted::Changes, 3, Fault::Stop);
    assert!(remember(&store, "k").is_err());
    drop(store);
    world.lose_index();
    let reader = world.process().open(OpenOptions::default()).unwrap();
    assert!(recalls(&*reader.snapshot().unwrap().0, "k"));
    for survivor in world.survivors() {
        let world = World::booted(&survivor);
        let store = world.process().open(OpenOptions::default()).unwrap();
        assert!(recalls(&*store.snapshot().unwrap().0, "k"), "{}", survivor.what);
    }
}
