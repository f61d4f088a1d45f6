//! Tasks are added whole or not at all, and a parent of many children is no special case.

use crate::Kind;
use crate::board::{board, id, name, soon, task};
use taskhost_board::{Command, Error, NewTask, Status};

pub(crate) fn missing_parent_or_dependency_changes_nothing(kind: &Kind) {
    let board = board(kind);
    let mut orphan = task("orphan");
    orphan.parent = Some(id("nobody"));
    assert!(matches!(board.add(&[task("fine"), orphan]), Err(Error::NoSuchTask(_))));
    let mut late = task("late");
    late.after = vec![id("nobody")];
    assert!(matches!(board.add(&[late]), Err(Error::NoSuchTask(_))));
    assert!(board.entries().is_empty());
}

pub(crate) fn self_edges_and_circles_change_nothing(kind: &Kind) {
    let board = board(kind);
    let mut own = task("own");
    own.after = vec![id("own")];
    assert!(matches!(board.add(&[own]), Err(Error::Graph(_))));
    let (mut a, mut b, mut c) = (task("a"), task("b"), task("c"));
    a.after = vec![id("b")];
    b.parent = Some(id("c"));
    c.after = vec![id("a")];
    let circle = board.add(&[a, b, c]).unwrap_err().to_string();
    assert!(circle.contains("`a`, `b`, `c`"), "{circle}");
    assert!(board.entries().is_empty());
}

pub(crate) fn one_batch_may_name_its_tasks_in_any_order(kind: &Kind) {
    let board = board(kind);
    let mut child = task("child");
    child.parent = Some(id("parent"));
    let added = board.add(&[child, task("parent")]).unwrap();
    assert_eq!(added[0].id, id("child"));
    assert_eq!(board.next("a").unwrap().id, id("parent"));
}

pub(crate) fn id_that_exists_is_refused_and_its_task_left_alone(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let before = board.task("t");
    let mut other = task("t");
    other.priority = 9;
    assert!(matches!(board.add(&[other]), Err(Error::Transition { .. })));
    assert_eq!(board.task("t"), before);
}

pub(crate) fn repeated_add_with_its_key_gives_the_same_task(kind: &Kind) {
    let board = board(kind);
    let keyed = NewTask { key: Some("k".into()), ..NewTask::new(name("work")) };
    let first = board.add(std::slice::from_ref(&keyed)).unwrap().remove(0);
    let again = board.engine.add(&[keyed], soon()).unwrap().remove(0);
    assert!(again.repeated);
    assert_eq!(again.task, first);
    let other = NewTask { priority: 1, key: Some("k".into()), ..NewTask::new(name("work")) };
    assert!(matches!(board.add(&[other]), Err(Error::KeyReused(_))));
}

pub(crate) fn completing_a_parent_of_many_children_asks_a_bounded_number_in_each_transaction(
    kind: &Kind,
) {
    let board = board(kind);
    let children = 1_000;
    let mut tasks = vec![task("parent")];
    tasks.extend((0..children).map(|n| {
        let mut child = task(&format!("child{n:03}"));
        child.parent = Some(id("parent"));
        child
    }));
    for part in tasks.chunks(500) {
        board.add(part).unwrap();
    }
    while board.engine.upkeep(soon()).unwrap() {}
    let parent = board.next("a").unwrap();
    assert_eq!(parent.id, id("parent"));
    board.complete(&parent);

    let answers = |command: Command| {
        let entries = board.entries();
        let of = entries.into_iter().filter(move |entry| entry.request.command == command);
        of.map(|entry| entry.changes.len()).max().unwrap_or_default()
    };
    assert!(answers(Command::Complete) <= 260, "{}", answers(Command::Complete));
    let mut done = 0;
    while let Some(child) = board.next("a") {
        board.complete(&child);
        done += 1;
    }
    assert_eq!(done, children);
    assert!(answers(Command::Claim) <= 260, "{}", answers(Command::Claim));
    assert!(board.entries().len() < 3 * children);
    board.assert_sound();
    assert_eq!(board.task("child999").status, Status::Completed);
}
