//! Repairs that are stopped at every operation.

use super::*;
use crate::simulation::{Counted, Fault, World};

#[test]
fn a_repair_that_is_cut_short_is_done_again() {
    type Harm = fn(&World);
    let cut_journal: Harm = |world| {
        let mut content = world.files()["journal-2.jsonl"].clone();
        let at = inside(2)(&content);
        content[at] ^= 1;
        world.tamper("journal-2.jsonl", Some(content));
    };
    let snapshot: Harm = |world| {
        let mut content = world.files()["tasks-2.jsonl"].clone();
        let at = inside(3)(&content);
        content[at] ^= 1;
        world.tamper("tasks-2.jsonl", Some(content));
    };
    let pointer: Harm = |world| world.tamper("board.json", Some(b"{".to_vec()));
    for harm in [cut_journal, snapshot, pointer] {
        let mut at = 0;
        loop {
            let world = World::new();
            let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
            fill(&store);
            let given = store.snapshot().unwrap().0.head().unwrap();
            drop(store);
            harm(&world);
            world.lose_index();
            let process = world.process();
            process.plan(Counted::Changes, at, Fault::Stop);
            drop(process.repair(lossy()));
            let worlds = world.survivors().iter().map(World::booted).collect::<Vec<_>>();
            for world in worlds.into_iter().chain([world.clone()]) {
                let repaired = world.process().repair(lossy()).unwrap();
                assert!(repaired.left.is_empty() && !repaired.needs_lossy, "at {at}: {repaired:?}");
                let store = world.process().open(OpenOptions::default()).unwrap();
                assert_clean(&store);
                let told = remember(&store, "after").unwrap();
                let head = store.snapshot().unwrap().0.head().unwrap();
                assert!(told > given.sequence && head.token >= given.token, "at {at}: {head:?}");
                assert!(head.counts.total() >= 4, "at {at}: {head:?}");
            }
            if !process.is_stopped() {
                assert!(at >= 5, "{at}");
                break;
            }
            at += 1;
        }
    }
}
