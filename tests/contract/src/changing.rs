//! What is done with tasks that one doesn't hold.

use crate::Kind;
use crate::board::{Board, board, id, name, proof, soon, task};
use taskhost_board::{
    Action, Change, ChangeRequest, Changed, Error, Name, Outcome, Sequence, Status, TaskUpdate,
};

fn change(board: &Board, of: &str, action: Action) -> Changed {
    let ids = vec![id(of)];
    let request = ChangeRequest { ids, action, by: None, together: false, dry_run: false };
    board.engine.change(&request, soon()).unwrap()
}

fn update(board: &Board, update: TaskUpdate) -> Changed {
    change(board, "t", Action::Update(Box::new(update)))
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| name(text)).collect()
}

pub(crate) fn labels_that_two_people_add_at_once_are_both_there(kind: &Kind) {
    // Each computed the whole list from the task as they had read it, and the first one's label was lost.
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let board = &board;
            scope.spawn(move || {
                let add_labels = vec![name(&format!("l{n}"))];
                update(board, TaskUpdate { add_labels, ..TaskUpdate::default() });
            });
        }
    });
    assert_eq!(board.task("t").labels.len(), 8);
    board.assert_sound();
}

pub(crate) fn labels_are_added_to_and_taken_from_those_there_are_and_the_journal_has_the_whole_list(
    kind: &Kind,
) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let labels = Some(names(&["b", "a"]));
    update(&board, TaskUpdate { labels, ..TaskUpdate::default() });
    let (add_labels, remove_labels) = (names(&["c", "a"]), names(&["b", "z"]));
    update(
        &board,
        TaskUpdate { add_labels: add_labels.clone(), remove_labels, ..TaskUpdate::default() },
    );
    assert_eq!(board.task("t").labels, names(&["a", "c"]));
    let again = update(&board, TaskUpdate { add_labels, ..TaskUpdate::default() });
    assert!(matches!(again.outcomes[0].1, Outcome::Already));

    let mut last = None;
    board
        .store
        .history(Sequence(0), &mut |_, entry| {
            last = entry.changes.into_iter().next();
            true
        })
        .unwrap();
    let Some(Change::Updated { update, .. }) = last else { panic!("{last:?}") };
    assert_eq!(update.labels, Some(names(&["a", "c"])));
}

pub(crate) fn labels_beyond_the_bound_are_refused_though_each_request_is_within_it(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let add = |from: usize| {
        let add_labels = (from..from + 40).map(|n| name(&format!("l{n}"))).collect();
        update(&board, TaskUpdate { add_labels, ..TaskUpdate::default() })
    };
    assert!(add(0).first_failure().is_none());
    assert!(matches!(add(40).first_failure(), Some((_, Error::Invalid(_)))));
    assert_eq!(board.task("t").labels.len(), 40);
}

pub(crate) fn what_an_operator_says_about_a_task_taken_back_stands_with_it(kind: &Kind) {
    // It was told to the policy only, and then forgotten.
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let held = board.next("a").unwrap();
    change(&board, "t", Action::Release { reason: Some("the machine is on fire".into()) });
    let task = board.task("t");
    assert_eq!((task.status, task.attempts), (Status::Pending, 1));
    assert_eq!(task.reason.as_deref(), Some("the machine is on fire"));
    let late = board.engine.heartbeat(&id("t"), &proof(&held), None, soon());
    assert!(matches!(late, Err(Error::Stale { .. })));
}
