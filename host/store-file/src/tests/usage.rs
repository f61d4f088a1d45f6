//! What a board takes up on disk, and a simulated world in memory.

use super::*;
use crate::simulation::World;

#[test]
fn every_part_of_a_board_is_counted_once() {
    let (directory, store) = fresh();
    for number in 0..50 {
        remember(&store, &format!("{number}")).unwrap();
    }
    store.compact(far()).unwrap();
    remember(&store, "more").unwrap();
    let path = board(&directory);
    std::fs::create_dir_all(path.join("context/tasks/a")).unwrap();
    std::fs::write(path.join("context/tasks/a/value"), vec![1; 100_000]).unwrap();
    let used = store.disk_use().unwrap();
    assert!(used.context >= 100_000, "{used:?}");
    assert!(
        used.journal > 0 && used.snapshot > 0 && used.index > 0 && used.history > 0,
        "{used:?}"
    );
    assert!(used.policies > 0 && used.output == 0 && used.policy_files == 0, "{used:?}");
    let parts =
        used.journal + used.snapshot + used.index + used.history + used.policies + used.context;
    // `board.json` and the locks are nobody's part.
    assert!(used.total >= parts && used.total < parts + 100_000, "{used:?}");
    // An index has holes: what it could grow to isn't what it takes up.
    assert!(used.index < 4 << 20, "{used:?}");
}

#[test]
fn a_simulated_board_has_a_size_too() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    remember(&store, "a").unwrap();
    let used = store.disk_use().unwrap();
    assert_eq!(used.journal, world.files()["journal-1.jsonl"].len() as u64);
    assert!(used.total >= used.journal + used.snapshot + used.policies);
}

/// Fuzzing ran out of memory after 35,000 boards: a world kept the index that a process had made, and with it the process,
/// which kept the world.
#[test]
fn a_simulated_world_ends_with_the_last_handle() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    remember(&store, "a").unwrap();
    let left = Arc::downgrade(&world);
    drop((store, world));
    assert!(left.upgrade().is_none());
}
