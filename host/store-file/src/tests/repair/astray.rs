//! What fuzzing found: a pointer that has gone astray, and entries that say what can't have happened.

use super::*;
use crate::simulation::World;

/// `board.json` named a generation that there isn't, and the header of the only snapshot was damaged: the repair began
/// a new generation and swept the snapshot up as another one's litter, with all that could still be read in it.
#[test]
fn a_repair_keeps_the_snapshot_that_the_pointer_should_have_named() {
    let (_directory, path) = closed();
    let pointer = fs::read_to_string(path.join("board.json")).unwrap();
    fs::write(path.join("board.json"), pointer.replace("\"generation\":2", "\"generation\":9"))
        .unwrap();
    flip(&path.join("tasks-2.jsonl"), |_| 2);
    restart(&path);
    let before = all_files(&path);
    let report = repair(&path, lossy());
    assert!(report.left.is_empty(), "{report:?}");
    assert_kept(&path, &before);
    assert_clean(&open(&path));
}

/// An entry that added a task which was there already was taken, and what followed from the old task stayed in the index
/// for good: the doctor called it wrong, and every repair made it the same again.
#[test]
fn a_task_that_is_added_in_another_ones_place_is_refused() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    let engine = engine(&store);
    add(&engine, "a", &[]);
    let task = store.snapshot().unwrap().0.task(&id("a")).unwrap().unwrap();
    let same_place = taskhost_board::Task { id: id("b"), ..task.clone() };
    for task in [task, same_place] {
        let opened = store.begin(far()).unwrap();
        let (time, request) = (opened.now().wall, Request::of(Command::Upkeep));
        let changes = vec![Change::Added(Box::new(task))];
        assert!(opened.commit(Entry { time, request, seed: 3, changes }).is_err());
    }
    add(&engine, "c", &[]);
    assert_clean(&world.process().open(OpenOptions::default()).unwrap());
}
