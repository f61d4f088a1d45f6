//! Tasks that come from elsewhere keep their past, once, and a claim among them ends as any other.

use std::time::Duration;

use crate::Kind;
use crate::board::{Board, agent, board, id, name, proof, request, soon, task, token};
use taskhost_board::{
    Adoption, AgentKind, Arrival, Change, ClaimOutcome, Command, Error, Finish, Json, Millis,
    NewTask, Past, PastClaim, Status, Task, check_arrival,
};

const HOUR_MS: u64 = 60 * 60 * 1000;

fn arrival(text: &str, status: Status) -> Arrival {
    Arrival { new: task(text), past: Past::new(status) }
}

fn held(text: &str, since: u64) -> Arrival {
    let claim = PastClaim {
        agent: name("worker"),
        kind: AgentKind::Host,
        hostname: Some(name("box")),
        since: Some(Millis(since)),
        lease_ms: HOUR_MS,
    };
    let past = Past { claim: Some(claim), attempts: 3, ..Past::new(Status::InProgress) };
    Arrival { new: task(text), past }
}

fn adopt(board: &Board, tasks: &[Arrival]) -> Vec<Adoption> {
    let adopted = board.engine.adopt(tasks, soon()).unwrap();
    board.assert_sound();
    adopted
}

pub(crate) fn a_finished_task_keeps_its_whole_past(kind: &Kind) {
    let board = board(kind);
    let mut done = arrival("done", Status::Failed);
    done.past = Past {
        reason: Some("nobody wanted it".into()),
        result: Some(Json::parse(r#"{"rows":3}"#).unwrap()),
        error: Some("no disk".into()),
        attempts: 4,
        failures: 2,
        created_at: Some(Millis(10)),
        updated_at: Some(Millis(30)),
        completed_at: Some(Millis(20)),
        ..done.past
    };
    let adopted = adopt(&board, &[done.clone()]).remove(0);
    assert!(!adopted.was_there);
    let Task { status, reason, result, error, attempts, failures, .. } = board.task("done");
    let past = Past { status, reason, result, error, attempts, failures, ..done.past.clone() };
    assert_eq!(past, done.past);
    let times = (adopted.task.created_at, adopted.task.updated_at, adopted.task.completed_at);
    assert_eq!(times, (Millis(10), Millis(30), Some(Millis(20))));
    assert!(board.next("a").is_none());
}

pub(crate) fn a_finished_task_of_unknown_times_has_those_of_its_adoption(kind: &Kind) {
    let board = board(kind);
    let before = board.now();
    let adopted = adopt(&board, &[arrival("done", Status::Cancelled)]).remove(0).task;
    assert!((before..=board.now()).contains(&adopted.created_at));
    assert_eq!(adopted.completed_at, Some(adopted.created_at));
}

pub(crate) fn every_status_is_kept_and_only_pending_tasks_are_offered(kind: &Kind) {
    let board = board(kind);
    let tasks: Vec<Arrival> = Status::ALL
        .into_iter()
        .map(|status| match status {
            Status::InProgress => held("in_progress", board.now().0),
            other => arrival(other.as_str(), other),
        })
        .collect();
    for (adopted, status) in adopt(&board, &tasks).into_iter().zip(Status::ALL) {
        assert_eq!((adopted.task.id.as_str(), adopted.task.status), (status.as_str(), status));
    }
    assert_eq!(board.next("a").unwrap().id, id("pending"));
    assert!(board.next("a").is_none());
}

pub(crate) fn adopting_twice_changes_nothing_and_writes_nothing(kind: &Kind) {
    let board = board(kind);
    let tasks = [held("held", board.now().0), arrival("open", Status::Pending)];
    adopt(&board, &tasks);
    let claimed = board.next("a").unwrap();
    let written = board.entries().len();
    let again = adopt(&board, &tasks);
    assert!(again.iter().all(|adoption| adoption.was_there));
    assert_eq!(again[1].task, claimed);
    assert_eq!(board.entries().len(), written);
}

pub(crate) fn what_an_interrupted_adoption_left_out_comes_with_the_next(kind: &Kind) {
    let board = board(kind);
    let mut child = arrival("child", Status::Pending);
    child.new.parent = Some(id("parent"));
    let tasks = [child, arrival("parent", Status::Completed)];
    adopt(&board, &tasks[1..]);
    let were_there: Vec<bool> =
        adopt(&board, &tasks).into_iter().map(|adoption| adoption.was_there).collect();
    assert_eq!(were_there, [false, true]);
}

pub(crate) fn an_adopted_claim_holds_for_what_is_left_of_its_lease(kind: &Kind) {
    let board = board(kind);
    let before = board.now().0;
    let since = before - HOUR_MS / 4;
    let adopted = adopt(&board, &[held("t", since)]).remove(0).task;
    let claim = adopted.claim.clone().unwrap();
    assert_eq!(adopted.attempts, 3);
    assert_eq!(
        (claim.agent, claim.kind, claim.hostname),
        (name("worker"), AgentKind::Host, Some(name("box")))
    );
    assert_eq!((claim.since, claim.lease_ms, claim.living), (Millis(since), HOUR_MS, false));
    assert_eq!(claim.lease.until, Millis(since + HOUR_MS));
    assert!(matches!(board.claim_id("a", "t"), Err(Error::Held { .. })));
    // Its holder finds its token on the board.
    let done = board.finish("t", &proof(&board.task("t")), &Finish::Complete(None)).unwrap();
    assert_eq!(done.task.status, Status::Completed);
}

pub(crate) fn an_adopted_claim_whose_lease_is_over_is_recovered_by_the_next_claim(kind: &Kind) {
    let board = board(kind);
    let adopted = adopt(&board, &[held("t", board.now().0 - 2 * HOUR_MS)]).remove(0).task;
    assert_eq!(adopted.status, Status::InProgress);
    board.advance(Duration::from_millis(1));
    let taken = board.next("a").unwrap();
    assert_eq!((taken.id, taken.attempts), (id("t"), 4));
    assert!(board.finish("t", &proof(&adopted), &Finish::Complete(None)).is_err());
}

pub(crate) fn a_claim_since_the_future_holds_no_longer_than_its_lease(kind: &Kind) {
    let board = board(kind);
    let before = board.now();
    for (text, since) in [("t", before.0 + 9 * HOUR_MS), ("late", u64::MAX)] {
        let adopted = adopt(&board, &[held(text, since)]).remove(0).task;
        let ends = adopted.claim.unwrap().lease.until;
        assert!((before.plus(HOUR_MS)..=board.now().plus(HOUR_MS)).contains(&ends), "{ends:?}");
    }
}

pub(crate) fn tokens_grow_through_adopted_claims(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("first"), task("last")]).unwrap();
    let mut tokens = vec![token(&board.next("a").unwrap().claim)];
    for adoption in adopt(&board, &[held("b", board.now().0), held("a", board.now().0)]) {
        tokens.push(token(&adoption.task.claim));
    }
    tokens.push(token(&board.next("a").unwrap().claim));
    assert!(tokens.is_sorted_by(|earlier, later| earlier < later), "{tokens:?}");
}

/// In one batch a task is added after all that it names, so nobody can have waited for one that is adopted finished.
pub(crate) fn what_waits_for_an_adopted_finished_task_is_ready_at_once(kind: &Kind) {
    let board = board(kind);
    let mut late = arrival("late", Status::Pending);
    late.new.after = vec![id("early")];
    let mut child = arrival("child", Status::Pending);
    child.new.parent = Some(id("early"));
    let mut stuck = arrival("stuck", Status::Pending);
    stuck.new.after = vec![id("open")];
    adopt(
        &board,
        &[
            late,
            child,
            stuck,
            arrival("open", Status::Pending),
            arrival("early", Status::Completed),
        ],
    );
    let entries = board.entries();
    let changes = &entries[0].changes;
    let place = |text: &str| changes.iter().position(|change| change.task() == Some(&id(text)));
    assert!(place("early") < place("late") && place("early") < place("child"));
    assert!(!changes.iter().any(Change::wakes_waiters));
    let mut ready: Vec<String> =
        std::iter::from_fn(|| board.next("a")).map(|task| task.id.to_string()).collect();
    ready.sort();
    assert_eq!(ready, ["child", "late", "open"]);
}

pub(crate) fn what_names_a_task_that_is_not_there_is_refused_with_all_the_rest(kind: &Kind) {
    let board = board(kind);
    let mut orphan = arrival("orphan", Status::Completed);
    orphan.new.parent = Some(id("nobody"));
    let refused = board.engine.adopt(&[arrival("fine", Status::Pending), orphan], soon());
    assert!(matches!(refused, Err(Error::NoSuchTask(missing)) if missing == id("nobody")));
    assert!(board.entries().is_empty());
}

pub(crate) fn what_cannot_be_is_refused(kind: &Kind) {
    let board = board(kind);
    assert!(check_arrival(&held("t", board.now().0)).is_ok());
    let refused = |arrival: Arrival| {
        // Whoever asks beforehand hears the same: an import was refused for its 2,000th task when there was already a
        // new board with half of them.
        let beforehand = check_arrival(&arrival).unwrap_err();
        let error = board.engine.adopt(&[arrival], soon()).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        assert_eq!(beforehand.to_string(), error.to_string());
        error.to_string()
    };
    let nameless = Arrival { new: NewTask::new(name("work")), past: Past::new(Status::Pending) };
    assert!(refused(nameless).contains("without an id"));
    assert!(refused(arrival("t", Status::InProgress)).contains("somebody must hold"));
    let mut idle = held("t", board.now().0);
    idle.past.status = Status::Blocked;
    assert!(refused(idle).contains("nobody any other"));
    let mut endless = held("t", board.now().0);
    endless.past.claim.as_mut().unwrap().lease_ms = u64::MAX;
    assert!(refused(endless).contains("30 days"));
    let mut open = arrival("t", Status::Pending);
    open.past.completed_at = Some(Millis(1));
    assert!(refused(open).contains("only a finished task"));
    let mut keyed = arrival("t", Status::Pending);
    keyed.new.key = Some("k".into());
    assert!(refused(keyed).contains("request key"));
    let twice = [arrival("t", Status::Pending), arrival("t", Status::Pending)];
    assert!(matches!(board.engine.adopt(&twice, soon()), Err(Error::Graph(_))));
    assert!(board.entries().is_empty());
}

pub(crate) fn a_claim_with_a_filter_finds_an_adopted_task(kind: &Kind) {
    let board = board(kind);
    let mut labelled = arrival("t", Status::Pending);
    labelled.new.labels = vec![name("b"), name("a"), name("b")];
    adopt(&board, &[labelled]);
    let mut wanted = request(&agent("a"));
    wanted.filter.labels = vec![name("a")];
    assert!(matches!(board.claim(&wanted).unwrap(), ClaimOutcome::Claimed { .. }));
}

pub(crate) fn a_board_read_again_from_its_journal_has_the_same_adopted_tasks(kind: &Kind) {
    let board = board(kind);
    let mut tasks: Vec<Arrival> = [Status::Pending, Status::Completed, Status::Blocked]
        .into_iter()
        .map(|status| arrival(status.as_str(), status))
        .collect();
    tasks.extend([held("held", board.now().0), held("late", 5)]);
    adopt(&board, &tasks);
    board.advance(Duration::from_millis(1));
    while board.next("a").is_some() {}
    // Which reads it again.
    board.assert_sound();
    assert!(board.entries().iter().any(|entry| entry.request.command == Command::Add));
}
