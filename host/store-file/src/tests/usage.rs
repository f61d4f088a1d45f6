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
    let part = |name| used.part(name).unwrap();
    assert!(part("context") >= 100_000, "{used:?}");
    assert!(
        part("journal") > 0 && part("snapshot") > 0 && part("index") > 0 && part("history") > 0,
        "{used:?}"
    );
    assert!(part("policies") > 0 && part("output") == 0 && part("policy_files") == 0, "{used:?}");
    let parts = part("journal")
        + part("snapshot")
        + part("index")
        + part("history")
        + part("policies")
        + part("context");
    // `board.json` and the locks are nobody's part.
    assert!(used.total >= parts && used.total < parts + 100_000, "{used:?}");
    // An index has holes: what it could grow to isn't what it takes up.
    assert!(part("index") < 4 << 20, "{used:?}");
}

#[test]
fn a_simulated_board_has_a_size_too() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    remember(&store, "a").unwrap();
    let used = store.disk_use().unwrap();
    let part = |name| used.part(name).unwrap();
    assert_eq!(part("journal"), world.files()["journal-1.jsonl"].len() as u64);
    assert!(used.total >= part("journal") + part("snapshot") + part("policies"));
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
