//! What people do with tasks that they don't hold.

use taskhost_board::{
    Action, Assignee, Change, ChangeRequest, Changed, ClaimOutcome, Error, Finish, Json, Millis,
    NewTask, Outcome, Sequence, Status, TaskId, TaskUpdate,
};

use crate::Kind;
use crate::board::{Board, agent, board, id, name, proof, request, soon, task};

fn request_of(ids: &[&str], action: Action) -> ChangeRequest {
    let ids = ids.iter().map(|text| id(text)).collect();
    ChangeRequest { ids, action, by: Some(name("boss")), together: false, dry_run: false }
}

fn change(board: &Board, ids: &[&str], action: Action) -> Changed {
    board.engine.change(&request_of(ids, action), soon()).unwrap()
}

/// Why the only task that was named wasn't changed.
fn refused(board: &Board, text: &str, action: Action) -> Error {
    match change(board, &[text], action).outcomes.remove(0).1 {
        Outcome::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

fn assign(to: &str) -> Action {
    Action::Assign(Assignee {
        name: name(to),
        kind: Default::default(),
        hostname: None,
        by: Some(name("boss")),
    })
}

fn cancel(cascade: bool) -> Action {
    Action::Cancel { cascade, reason: None }
}

fn retry(cascade: bool) -> Action {
    Action::Retry { cascade, reason: None }
}

fn after(text: &str, before: &[&str]) -> NewTask {
    NewTask { after: before.iter().map(|text| id(text)).collect(), ..task(text) }
}

fn under(text: &str, parent: &str) -> NewTask {
    NewTask { parent: Some(id(parent)), ..task(text) }
}

fn touched(changed: &Changed) -> Vec<&str> {
    changed.touched.iter().filter_map(|touched| touched.id()).map(TaskId::as_str).collect()
}

fn statuses<const N: usize>(board: &Board, ids: [&str; N]) -> [Status; N] {
    ids.map(|text| board.task(text).status)
}

pub(crate) fn what_is_reserved_goes_to_its_assignee_only(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a"), task("b")]).unwrap();
    assert!(matches!(change(&board, &["a"], assign("ann")).outcomes[0].1, Outcome::Done));
    assert!(matches!(change(&board, &["a"], assign("ann")).outcomes[0].1, Outcome::Already));
    match refused(&board, "a", assign("bob")) {
        Error::Assigned { assignee, .. } => assert_eq!(assignee.name, name("ann")),
        other => panic!("{other:?}"),
    }
    assert_eq!(board.next("bob").unwrap().id, id("b"));
    assert!(board.next("bob").is_none());
    assert_eq!(board.next("ann").unwrap().id, id("a"));
    // Of what somebody else works on one can't dispose.
    assert!(matches!(refused(&board, "b", assign("ann")), Error::Held { .. }));
    change(&board, &["a"], Action::Unassign(None));
    assert_eq!(board.task("a").assignee, None);
    board.assert_sound();
}

pub(crate) fn each_is_changed_by_itself_or_all_or_none(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a"), task("b")]).unwrap();
    change(&board, &["b"], assign("bob"));
    let both = request_of(&["a", "b"], assign("ann"));
    let before = board.store.mark().unwrap();
    let error = board.engine.change(&ChangeRequest { together: true, ..both.clone() }, soon());
    assert!(matches!(error.unwrap_err(), Error::Assigned { .. }));
    assert_eq!((board.store.mark().unwrap(), board.task("a").assignee), (before, None));
    let changed = board.engine.change(&both, soon()).unwrap();
    assert!(matches!(changed.outcomes[0].1, Outcome::Done));
    assert_eq!(changed.first_failure().unwrap().0, &id("b"));
}

pub(crate) fn dry_run_says_what_would_happen_and_does_nothing(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a"), after("b", &["a"]), after("c", &["b"]), task("d")]).unwrap();
    let before = board.store.mark().unwrap();
    let dry = ChangeRequest { dry_run: true, ..request_of(&["a"], cancel(true)) };
    let changed = board.engine.change(&dry, soon()).unwrap();
    assert_eq!(touched(&changed), ["a", "b", "c"]);
    let statuses: Vec<Status> =
        changed.touched.iter().map(|touched| touched.after.as_ref().unwrap().status).collect();
    assert_eq!(statuses, [Status::Cancelled; 3]);
    assert_eq!(board.store.mark().unwrap(), before);
    assert_eq!(board.task("a").status, Status::Pending);
}

pub(crate) fn cancelling_ends_a_task_and_with_cascade_what_waits_for_it(kind: &Kind) {
    let board = board(kind);
    let tree = [task("a"), after("b", &["a"]), under("c", "b"), task("d"), after("e", &["d"])];
    board.add(&tree).unwrap();
    let held = board.next("ann").unwrap();
    assert_eq!(held.id, id("a"));
    change(&board, &["a"], cancel(true));
    use Status::{Cancelled, Pending};
    assert_eq!(
        statuses(&board, ["a", "b", "c", "d", "e"]),
        [Cancelled, Cancelled, Cancelled, Pending, Pending]
    );
    assert_eq!(board.task("b").reason.as_deref(), Some("`a` was cancelled"));
    let late = board.finish("a", &proof(&held), &Finish::Complete(None));
    assert!(matches!(late.unwrap_err(), Error::Stale { .. }), "its holder is told");

    change(&board, &["d"], cancel(false));
    assert_eq!(statuses(&board, ["d", "e"]), [Cancelled, Pending]);
    assert!(matches!(refused(&board, "x", cancel(false)), Error::NoSuchTask(_)));
    board.assert_sound();
}

pub(crate) fn retrying_begins_anew_and_with_cascade_what_was_lost_with_it(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a"), after("b", &["a"]), under("c", "a")]).unwrap();
    let held = board.next("ann").unwrap();
    board.finish("a", &proof(&held), &Finish::Fail(Some("boom".into()))).unwrap();
    change(&board, &["b", "c"], cancel(false));
    assert_eq!(board.task("a").failures, 1);

    change(&board, &["a"], retry(true));
    assert_eq!(statuses(&board, ["a", "b", "c"]), [Status::Pending; 3]);
    let again = board.task("a");
    assert_eq!((again.attempts, again.failures, again.completed_at), (0, 0, None));
    assert_eq!(
        again.error.as_deref(),
        Some("boom"),
        "whoever tries again can read what went wrong"
    );

    let held = board.next("ann").unwrap();
    assert_eq!(held.id, id("a"), "the others wait for it again");
    assert!(board.next("bob").is_none());
    board.complete(&held);
    assert!(matches!(refused(&board, "a", retry(false)), Error::Transition { .. }));
    assert!(board.next("bob").is_some());
    board.assert_sound();
}

pub(crate) fn holder_parks_its_task_and_a_stranger_does_not(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a")]).unwrap();
    let held = board.next("ann").unwrap();
    let block = |proof| Action::Block { reason: Some("which db?".into()), proof, force: false };
    assert!(matches!(refused(&board, "a", block(None)), Error::Held { .. }));
    let stale = taskhost_board::Proof { agent: name("bob"), token: proof(&held).token };
    assert!(matches!(refused(&board, "a", block(Some(stale))), Error::Stale { .. }));
    change(&board, &["a"], block(Some(proof(&held))));
    let parked = board.task("a");
    assert_eq!((parked.status, parked.attempts), (Status::Blocked, 0), "nothing was tried yet");
    assert_eq!(parked.reason.as_deref(), Some("which db?"));
    // The reply was lost, so the holder asks again.
    let again = change(&board, &["a"], block(Some(proof(&held))));
    assert!(matches!(again.outcomes[0].1, Outcome::Already));
    assert!(board.next("bob").is_none());
    change(&board, &["a"], Action::Unblock { reason: Some("the new one".into()) });
    assert_eq!(board.task("a").reason.as_deref(), Some("the new one"));
    assert_eq!(board.next("bob").unwrap().id, id("a"));
    board.assert_sound();
}

pub(crate) fn operator_takes_a_task_back_and_the_attempt_stays_counted(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a")]).unwrap();
    let held = board.next("ann").unwrap();
    change(&board, &["a"], Action::Release { reason: None });
    assert_eq!((board.task("a").status, board.task("a").attempts), (Status::Pending, 1));
    let late = board.finish("a", &proof(&held), &Finish::Release(None));
    assert!(matches!(late.unwrap_err(), Error::Stale { .. }));
    assert_eq!(board.next("bob").unwrap().attempts, 2);
}

pub(crate) fn update_changes_who_gets_what(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a"), task("b")]).unwrap();
    let update = |update| Action::Update(Box::new(update));
    change(&board, &["b"], update(TaskUpdate { priority: Some(5), ..TaskUpdate::default() }));
    let needs = Some(vec![name("gpu"), name("gpu")]);
    let data = Some(Json::parse("{\"n\": 1}").unwrap());
    change(&board, &["a"], update(TaskUpdate { needs, data, ..TaskUpdate::default() }));
    assert_eq!(board.task("a").needs, [name("gpu")]);
    assert_eq!(board.next("ann").unwrap().id, id("b"));
    assert!(board.next("ann").is_none());
    let now = board.now();
    let later = TaskUpdate { not_before: Some(now.plus(60_000)), ..TaskUpdate::default() };
    let mut able = agent("ann");
    able.capabilities = vec![name("gpu")];
    change(&board, &["a"], update(later));
    assert!(matches!(board.claim(&request(&able)).unwrap(), ClaimOutcome::Nothing { .. }));
    change(
        &board,
        &["a"],
        update(TaskUpdate { not_before: Some(Millis(0)), ..TaskUpdate::default() }),
    );
    assert!(matches!(board.claim(&request(&able)).unwrap(), ClaimOutcome::Claimed { .. }));
    let nothing = board.engine.change(&request_of(&["a"], update(TaskUpdate::default())), soon());
    assert!(matches!(nothing.unwrap_err(), Error::Invalid(_)));
    board.assert_sound();
}

pub(crate) fn finished_families_leave_the_board_and_stay_in_the_history(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a"), under("b", "a"), after("c", &["b"])]).unwrap();
    for _ in 0..2 {
        let held = board.next("ann").unwrap();
        board.complete(&held);
    }
    match refused(&board, "a", Action::Archive) {
        Error::Transition { id: open, detail, .. } => {
            assert_eq!(open, id("c"));
            assert!(detail.contains("`b`"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
    let held = board.next("ann").unwrap();
    board.complete(&held);
    let changed = change(&board, &["a"], Action::Archive);
    assert_eq!(touched(&changed), ["a", "b"]);
    assert!(changed.touched.iter().all(|touched| touched.after.is_none()));
    assert!(matches!(board.engine.task(&id("b")), Err(Error::NoSuchTask(_))));
    assert!(matches!(board.add(&[after("d", &["b"])]), Err(Error::NoSuchTask(_))));
    let mut archived = Vec::new();
    board
        .store
        .history(Sequence(0), &mut |_, entry| {
            archived.extend(entry.changes.into_iter().filter_map(|change| match change {
                Change::Archived(task) => Some(task.id),
                _ => None,
            }));
            true
        })
        .unwrap();
    assert_eq!(archived, [id("a"), id("b")]);
    board.assert_sound();
}

pub(crate) fn id_of_an_archived_task_can_be_given_again_and_its_key_can_not(kind: &Kind) {
    let board = board(kind);
    let keyed = NewTask { key: Some("k".into()), ..task("a") };
    let first = board.add(std::slice::from_ref(&keyed)).unwrap()[0].born;
    change(&board, &["a"], cancel(false));
    change(&board, &["a"], Action::Archive);
    assert!(matches!(board.add(&[keyed]), Err(Error::KeyGone { .. })));
    let born = board.add(&[task("a")]).unwrap()[0].born;
    assert!(born > first, "places in the order of creation are never given twice");
    board.assert_sound();
}

pub(crate) fn open_task_below_keeps_a_family_on_the_board(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a"), under("b", "a")]).unwrap();
    let held = board.next("ann").unwrap();
    board.complete(&held);
    match refused(&board, "a", Action::Archive) {
        Error::Transition { id: open, .. } => assert_eq!(open, id("b")),
        other => panic!("{other:?}"),
    }
}

/// A person who has locked a task by hand looks into it; no agent is given it meanwhile, and none waits for it.
pub(crate) fn task_that_is_locked_by_hand_is_passed_over(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a"), task("b")]).unwrap();
    let lock = board.lock_by_hand(&id("a"));
    assert_eq!(board.next("ann").unwrap().id, id("b"));
    assert!(board.next("ann").is_none());
    let hurried = std::time::Instant::now();
    let mut wanted = request(&agent("ann"));
    wanted.filter.only = Some(id("a"));
    assert!(matches!(board.engine.claim(&wanted, hurried), Err(Error::Begin(_))));
    drop(lock);
    assert!(matches!(board.claim(&wanted).unwrap(), ClaimOutcome::Claimed { .. }));
}

pub(crate) fn metadata_is_changed_by_one_at_a_time(kind: &Kind) {
    let board = board(kind);
    let json = |text: &str| Json::parse(text).unwrap();
    let set = |value: Option<&Json>, expected: Option<&Json>| {
        board.engine.set_meta(&id("phase"), value, expected, None, soon())
    };
    set(Some(&json("1")), Some(&Json::default())).unwrap();
    assert!(matches!(set(Some(&json("3")), Some(&json("2"))), Err(Error::MetaChanged { .. })));
    set(Some(&json("2")), Some(&json("1"))).unwrap();
    let (view, _) = board.store.snapshot().unwrap();
    assert_eq!(view.metas().unwrap(), [(id("phase"), json("2"))]);
    set(None, None).unwrap();
    assert_eq!(board.store.snapshot().unwrap().0.meta(&id("phase")).unwrap(), None);
    board.assert_sound();
}

pub(crate) fn settings_are_changed_and_nothing_is_written_if_they_are_so_already(kind: &Kind) {
    let board = board(kind);
    let unfence = |settings: &mut taskhost_board::BoardSettings| {
        settings.unfenced = true;
        Ok(())
    };
    board.engine.configure(&unfence, None, soon()).unwrap();
    let mark = board.store.mark().unwrap();
    assert!(board.engine.configure(&unfence, None, soon()).unwrap().unfenced);
    assert_eq!(board.store.mark().unwrap(), mark);
    let wrong = board.engine.configure(&|_| Err("no".into()), None, soon());
    assert!(matches!(wrong, Err(Error::Invalid(_))));
}

/// An epic was cancelled with all that hung on it, and its children went on being worked on.
pub(crate) fn cascade_leaves_nothing_open_below_what_is_cancelled(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a"), under("b", "a"), under("c", "b")]).unwrap();
    // What is parked waits for nothing.
    change(&board, &["b"], Action::Block { reason: None, proof: None, force: false });
    change(&board, &["a"], cancel(true));
    assert_eq!(statuses(&board, ["a", "b", "c"]), [Status::Cancelled; 3]);
    board.assert_sound();
}

/// A task that was locked by hand was what an agent would get, as `explain` had it; the claim then gave it nothing.
pub(crate) fn what_is_locked_by_hand_is_nobodys_prospect(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a")]).unwrap();
    let asker = agent("ann");
    let _lock = board.lock_by_hand(&id("a"));
    let prospect = board.engine.prospect(&asker, &request(&asker).filter).unwrap();
    assert!(prospect.next.is_none());
}
