//! Power failures that harmed a board. All the others are gone through in `tests/simulated`.

use super::*;
use crate::PlantedBug;
use crate::simulation::{Counted, Fault, World};

/// A making of a board that was cut short wrote the first snapshot under its own name, not yet synced. If its first block
/// was lost and a later one wasn't, what was left was taken for the rest of a board, and `init` refused for ever.
#[test]
fn init_makes_a_board_of_whatever_a_power_failure_left_of_one() {
    let mut at = 0;
    loop {
        let world = World::new();
        let process = world.process();
        process.plan(Counted::Changes, at, Fault::Stop);
        let _ = process.init(&plan(), OpenOptions::default());
        for survivor in world.survivors() {
            let world = World::booted(&survivor);
            let process = world.process();
            if process.open(OpenOptions::default()).is_err() {
                let made = process.init(&plan(), OpenOptions::default());
                assert!(made.is_ok(), "before {at}, {}: {:?}", survivor.what, made.err());
            }
            assert_clean(&process.open(OpenOptions::default()).unwrap());
        }
        if !process.is_stopped() {
            assert!(at >= 20, "{at}");
            return;
        }
        at += 1;
    }
}

/// A switch copied lines that weren't durable yet into the next journal, synced that one, and made history of the old
/// one, which nobody had synced: a power failure tore its end, and the board was damaged for good, since nobody mends
/// what has become history.
#[test]
fn a_journal_is_durable_before_it_becomes_history() {
    let world = World::new();
    drop(world.process().init(&plan(), OpenOptions::default()).unwrap());
    let process = world.process();
    let writer = process.open(OpenOptions::default()).unwrap();
    // Stopped after its line was appended, before anybody could count it.
    process.plan(Counted::Changes, 1, Fault::Stop);
    let _ = remember(&writer, "k");
    drop(writer);
    let store = world.process().open(OpenOptions::default()).unwrap();
    store.compact(far()).unwrap();
    for survivor in world.survivors() {
        let world = World::booted(&survivor);
        let store = world.process().open(OpenOptions::default()).unwrap();
        assert_eq!(history(&store), numbers(1), "{}", survivor.what);
        assert_clean(&store);
    }
}

/// `index/` lies in the board's directory and is never synced, so that another boot finds there the words of the one
/// before it, and an index in any state, such as one that opens and lacks something.
#[test]
fn nothing_is_believed_of_an_index_of_an_earlier_boot() {
    // Whoever believes it shows it.
    for planted in [None, Some(PlantedBug::BootIgnored)] {
        let options = || OpenOptions { planted, ..OpenOptions::default() };
        let world = World::new();
        let store = world.process().init(&plan(), options()).unwrap();
        remember(&store, "k").unwrap();
        drop(store);
        let mut booted: Vec<Arc<World>> = world.survivors().iter().map(World::booted).collect();
        world.restart();
        booted.push(world);
        for world in booted {
            let store = world.process().open(options());
            let is_right = store.is_ok_and(|store| {
                let view = store.snapshot().unwrap().0;
                recalls(&*view, "k") && store.doctor().is_clean()
            });
            assert_eq!(is_right, planted.is_none());
        }
    }
}
