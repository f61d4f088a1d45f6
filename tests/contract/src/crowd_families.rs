//! What becomes of a task when others that it hangs on change at the same time: each of them decides on what the other
//! one had not done yet, and what should have followed from both follows from neither.

use taskhost_board::{
    Action, BoardSettings, Change, ChangeRequest, ClaimOutcome, Engine, Error, Finish, NewTask,
    Readiness, Status, Task,
};

use crate::board::{Board, agent, board, id, name, proof, request, soon, task};
use crate::crowds::{ALWAYS_READY, Job, PARTS_COMPLETE, PARTS_FIRST, Rules, at_once, crew, plain};
use crate::{Kind, Plan};

const ROUNDS_MAX: u32 = 16;

fn rounds(kind: &Kind) -> u32 {
    kind.cases.min(ROUNDS_MAX)
}

fn board_of(kind: &Kind, rules: Rules) -> Board {
    Board::new(kind, &Plan::new(None, b"rules", &BoardSettings::default()), rules.policies())
}

fn under(text: &str, parent: &str) -> NewTask {
    NewTask { parent: Some(id(parent)), ..task(text) }
}

fn after(text: &str, before: &[&str]) -> NewTask {
    NewTask { after: before.iter().map(|text| id(text)).collect(), ..task(text) }
}

fn complete(engine: &Engine, task: &Task) {
    engine.finish(&task.id, &proof(task), &Finish::Complete(None), soon()).unwrap();
}

/// Completes all of these at once.
fn complete_all(engines: &[Engine], held: &[Task]) {
    let jobs = held
        .iter()
        .zip(engines)
        .map(|(task, engine)| -> Job<'_, ()> { Box::new(move || complete(engine, task)) });
    at_once(jobs.collect());
}

fn claimed(board: &Board, text: &str) -> Task {
    match board.claim_id("a", text).unwrap() {
        ClaimOutcome::Claimed { task, .. } => *task,
        ClaimOutcome::Nothing { why, .. } => panic!("`{text}` can't be claimed: {why:?}"),
    }
}

/// Whoever waits for nothing any more is ready, once what is left over has been seen to.
#[track_caller]
fn assert_ready(board: &Board, text: &str) {
    while board.engine.upkeep(soon()).unwrap() {}
    let task = board.task(text);
    assert_eq!((task.status, &task.readiness), (Status::Pending, &Readiness::Ready(0)));
    let held = claimed(board, text);
    board.complete(&held);
}

pub(crate) fn parts_that_end_at_once_complete_the_whole_once(kind: &Kind) {
    let board = board_of(kind, PARTS_COMPLETE);
    let engines = crew(&board, 3, &PARTS_COMPLETE.policies());
    for round in 0..rounds(kind) {
        let whole = format!("w{round}");
        let parts = [0, 1, 2].map(|n| format!("{whole}-{n}"));
        board.add(&[task(&whole)]).unwrap();
        board.add(&parts.each_ref().map(|part| under(part, &whole))).unwrap();
        let held = parts.each_ref().map(|part| claimed(&board, part));
        complete_all(&engines, &held);
        assert_eq!(board.task(&whole).status, Status::Completed);
        let changes = board.entries().into_iter().flat_map(|entry| entry.changes);
        let ends = changes
            .filter(|change| matches!(change, Change::Finished { id, .. } if id.as_str() == whole));
        assert_eq!(ends.count(), 1);
    }
}

pub(crate) fn parts_that_end_at_once_make_the_whole_ready(kind: &Kind) {
    let board = board_of(kind, PARTS_FIRST);
    let engines = crew(&board, 3, &PARTS_FIRST.policies());
    for round in 0..rounds(kind) {
        let whole = format!("w{round}");
        let parts = [0, 1, 2].map(|n| format!("{whole}-{n}"));
        board.add(&[task(&whole)]).unwrap();
        board.add(&parts.each_ref().map(|part| under(part, &whole))).unwrap();
        let held = parts.each_ref().map(|part| claimed(&board, part));
        complete_all(&engines, &held);
        assert_ready(&board, &whole);
    }
}

pub(crate) fn dependencies_that_end_at_once_make_what_comes_after_them_ready(kind: &Kind) {
    let board = board(kind);
    let engines = crew(&board, 2, &plain());
    for round in 0..rounds(kind) {
        let (first, second, last) = (format!("a{round}"), format!("b{round}"), format!("c{round}"));
        board.add(&[task(&first), task(&second), after(&last, &[&first, &second])]).unwrap();
        let held = [claimed(&board, &first), claimed(&board, &second)];
        complete_all(&engines, &held);
        assert_ready(&board, &last);
    }
}

/// A task was added after one that was completed at that moment: it waited for what had ended already.
pub(crate) fn what_is_added_while_that_ends_which_it_waits_for_is_ready(kind: &Kind) {
    let board = board(kind);
    let engines = crew(&board, 3, &plain());
    for round in 0..rounds(kind) {
        let first = format!("a{round}");
        board.add(&[task(&first)]).unwrap();
        let held = claimed(&board, &first);
        let (held, engines) = (&held, &engines);
        let (later, part) = (format!("b{round}"), format!("c{round}"));
        let added = [after(&later, &[&first]), under(&part, &first)];
        let mut jobs: Vec<Job<'_, ()>> = vec![Box::new(move || complete(&engines[0], held))];
        for (new, engine) in added.iter().zip(&engines[1..]) {
            jobs.push(Box::new(move || {
                engine.add(std::slice::from_ref(new), soon()).unwrap();
            }));
        }
        at_once(jobs);
        assert_ready(&board, &later);
        assert_ready(&board, &part);
    }
}

/// Takes what is ready and completes it, until there is nothing; counts what was completed.
fn work_off(engine: &Engine, who: &str) -> usize {
    let mut done = 0;
    while let ClaimOutcome::Claimed { task, .. } =
        engine.claim(&request(&agent(who)), soon()).unwrap()
    {
        match engine.finish(&task.id, &proof(&task), &Finish::Complete(None), soon()) {
            Ok(_) => done += 1,
            // It was cancelled meanwhile.
            Err(Error::Stale { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    done
}

fn cancel(engine: &Engine, text: &str) {
    let action = Action::Cancel { cascade: true, reason: None };
    let ids = vec![id(text)];
    let request = ChangeRequest { ids, action, by: None, together: false, dry_run: false };
    let changed = engine.change(&request, soon()).unwrap();
    assert!(changed.first_failure().is_none(), "{changed:?}");
}

/// Children of a cancelled task were given out, and some were both cancelled and completed.
pub(crate) fn cascade_and_those_who_work_below_it_agree_on_what_was_done(kind: &Kind) {
    const PARTS: usize = 12;
    let board = board_of(kind, ALWAYS_READY);
    let engines = crew(&board, 4, &ALWAYS_READY.policies());
    for round in 0..rounds(kind) {
        let whole = format!("w{round}");
        board.add(&[NewTask { needs: vec![name("nobody")], ..task(&whole) }]).unwrap();
        let parts: Vec<String> = (0..PARTS).map(|n| format!("{whole}-{n}")).collect();
        board.add(&parts.iter().map(|part| under(part, &whole)).collect::<Vec<_>>()).unwrap();
        let (whole, engines) = (&whole, &engines);
        let mut jobs: Vec<Job<'_, usize>> = vec![Box::new(move || {
            cancel(&engines[0], whole);
            0
        })];
        for (n, engine) in engines.iter().enumerate().skip(1) {
            jobs.push(Box::new(move || work_off(engine, &format!("a{n}"))));
        }
        let done: usize = at_once(jobs).into_iter().sum();
        let ends: Vec<Status> = parts.iter().map(|part| board.task(part).status).collect();
        let of = |status| ends.iter().filter(|end| **end == status).count();
        assert_eq!((of(Status::Completed), of(Status::Cancelled)), (done, PARTS - done));
        assert_eq!(board.task(whole).status, Status::Cancelled);
        assert_nothing_is_given_below(&board, whole);
    }
}

/// Once a task was cancelled, none of its children was claimed.
fn assert_nothing_is_given_below(board: &Board, whole: &str) {
    let changes: Vec<Change> =
        board.entries().into_iter().flat_map(|entry| entry.changes).collect();
    let is_end = |change: &Change| matches!(change, Change::Finished { id, status: Status::Cancelled, .. } if id.as_str() == whole);
    let end = changes.iter().position(is_end).unwrap();
    let below = format!("{whole}-");
    let given = changes[end..].iter().find(
        |change| matches!(change, Change::Claimed { id, .. } if id.as_str().starts_with(&below)),
    );
    assert!(given.is_none(), "{given:?}");
}

/// A task was taken off the board while another was added after it, which then waited for something that is nowhere.
pub(crate) fn what_is_archived_is_nobodys_dependency(kind: &Kind) {
    let board = board(kind);
    let engines = crew(&board, 2, &plain());
    for round in 0..rounds(kind) {
        let (first, later) = (format!("a{round}"), format!("b{round}"));
        board.add(&[task(&first)]).unwrap();
        let held = claimed(&board, &first);
        board.complete(&held);
        let ids = vec![id(&first)];
        let archive = ChangeRequest {
            ids,
            action: Action::Archive,
            by: None,
            together: false,
            dry_run: false,
        };
        let (archive, new, engines) = (&archive, after(&later, &[&first]), &engines);
        let new = &new;
        let jobs: Vec<Job<'_, bool>> = vec![
            Box::new(move || engines[0].change(archive, soon()).unwrap().first_failure().is_none()),
            Box::new(move || match engines[1].add(std::slice::from_ref(new), soon()) {
                Ok(_) => true,
                Err(Error::NoSuchTask(_)) => false,
                Err(error) => panic!("{error:?}"),
            }),
        ];
        let came = at_once(jobs);
        assert_ne!(came[0], came[1], "archived: {}, added: {}", came[0], came[1]);
        assert_eq!(board.engine.task(&id(&first)).is_ok(), came[1]);
        if came[1] {
            assert_ready(&board, &later);
        }
    }
}
