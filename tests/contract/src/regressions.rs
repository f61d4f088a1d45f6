//! Bugs that were found, each with its story.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Kind;
use crate::board::{Board, agent, board, board_by, id, name, proof, request, soon, task};
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Action, Agent, AgentKind, Assignee, Cause, ChangeRequest, Choice, ClaimOutcome, Error,
    FailureKind, Filter, Finish, Hooked, Hooks, NewTask, Outcome, Policy, PolicyChange,
    PolicyTarget, Rescue, Status, TaskId, Transaction, delegate_hooks,
};

/// A policy that is plain but for what it does when somebody asks for work, and that tries what is of type `once` once.
struct Odd(fn(&mut Transaction, &Filter) -> Choice);

struct OddHooks {
    choose: fn(&mut Transaction, &Filter) -> Choice,
    plain: Box<dyn Hooks>,
}

impl Policy for Odd {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        Box::new(OddHooks { choose: self.0, plain: PlainPolicies::default().enter(dry) })
    }
}

impl Hooks for OddHooks {
    delegate_hooks!(plain: classify on_event take_log memory_bytes close);

    fn choose(
        &mut self,
        mut tx: Transaction,
        _asker: &Agent,
        filter: &Filter,
        _lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        let choice = (self.choose)(&mut tx, filter);
        Hooked { tx, answer: Ok(choice) }
    }

    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: Cause) -> Hooked<Rescue> {
        if tx.task(task).unwrap().is_some_and(|task| task.task_type == name("once")) {
            return Hooked { tx, answer: Ok(Rescue::Fail("once is enough".into())) };
        }
        self.plain.recover(tx, task, cause)
    }
}

fn invalid_step(answer: Result<ClaimOutcome, Error>) -> bool {
    matches!(answer, Err(Error::Policy(failure)) if failure.kind == FailureKind::InvalidStep)
}

/// Only the first 64 sessions in order were ever looked at: whoever died behind them kept its tasks until their
/// leases ran out.
pub(crate) fn dead_session_is_found_however_many_others_live(kind: &Kind) {
    let board = board(kind);
    let count = 200;
    board.add(&(0..count).map(|n| task(&format!("t{n}"))).collect::<Vec<_>>()).unwrap();
    let mut lives = Vec::new();
    for n in 0..count {
        let mut living = agent(&format!("a{n:03}"));
        living.living = true;
        lives.push(Some(board.live(&living)));
        assert!(matches!(board.claim(&request(&living)).unwrap(), ClaimOutcome::Claimed { .. }));
    }
    // Whoever asks for the task by its id looks at its holder.
    board.let_die(lives[150].take().unwrap());
    assert!(matches!(board.claim_id("b", "t150").unwrap(), ClaimOutcome::Claimed { .. }));
    // Whoever asks for any looks at some of the sessions, each time at others.
    board.let_die(lives[180].take().unwrap());
    let found = (0..count).find_map(|_| board.next("b"));
    assert_eq!(found.map(|task| task.id), Some(id("t180")));
}

/// A policy that took the claim it had staged back got its token forgotten, and the next claim was given the
/// same one; the claimer was told that it had succeeded.
pub(crate) fn claim_that_its_policy_takes_back_is_a_failure_of_the_policy(kind: &Kind) {
    let board = board_by(
        kind,
        Odd(|tx, _| {
            tx.stage_claim(&id("t"), None).unwrap();
            tx.stage_release(&id("t"), None).unwrap();
            Choice::Staged
        }),
    );
    board.add(&[task("t")]).unwrap();
    let entries = board.entries();
    assert!(invalid_step(board.claim(&request(&agent("a")))));
    assert_eq!(board.entries(), entries);
}

pub(crate) fn answer_without_a_claim_is_a_failure_of_the_policy(kind: &Kind) {
    let board = board_by(kind, Odd(|_, _| Choice::Staged));
    board.add(&[task("t")]).unwrap();
    assert!(invalid_step(board.claim(&request(&agent("a")))));
}

/// `claim T1` could succeed with another task, one that the asker lacked the capabilities for.
pub(crate) fn policy_can_give_nothing_that_was_not_asked_for(kind: &Kind) {
    let board = board_by(
        kind,
        Odd(|tx, _| match tx.stage_claim(&id("other"), None) {
            Ok(_) => Choice::Staged,
            Err(error) => Choice::Refused(error.to_string()),
        }),
    );
    let mut other = task("other");
    other.needs = vec![name("gpu")];
    board.add(&[task("t"), other]).unwrap();
    for answer in [board.claim_id("a", "t"), board.claim(&request(&agent("a")))] {
        assert!(
            matches!(&answer, Err(Error::Refused(why)) if why.contains("asked for")),
            "{answer:?}"
        );
    }
    assert_eq!(board.task("other").claim, None);
}

/// Two people each changed a setting at once, both were told that it was done, and one change was gone.
pub(crate) fn settings_changed_at_once_are_both_kept(kind: &Kind) {
    let board = board_by(kind, Odd(|_, _| Choice::Nothing(None)));
    for round in 0..20 {
        std::thread::scope(|scope| {
            for who in ["one", "two"] {
                let engine = &board.engine;
                scope.spawn(move || {
                    let change = PolicyChange {
                        target: PolicyTarget::Current,
                        settings: BTreeMap::from([(format!("{who}{round}"), "set".into())]),
                        standard_settings: BTreeMap::new(),
                        expect: None,
                    };
                    engine.set_policy(&change, soon()).unwrap();
                });
            }
        });
    }
    let (view, _) = board.store.snapshot().unwrap();
    assert_eq!(view.policies().unwrap().standard.settings.len(), 40);
}

/// An unset shell variable made an empty key, which everybody shared; a long one broke the index.
pub(crate) fn keys_that_cannot_be_meant_are_refused(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    for key in [String::new(), "k".repeat(257), "a\0b".into()] {
        let mut keyed = request(&agent("a"));
        keyed.key = Some(key);
        assert!(matches!(board.claim(&keyed), Err(Error::Invalid(_))));
    }
}

/// An asker who got nothing was told to come back when a lease ended that had ended long ago: the lease was recovered
/// in the same transaction, which still saw its timer.
pub(crate) fn next_ready_at_is_never_what_was_taken_just_now(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t"), task("u")]).unwrap();
    let late = board.next("a").unwrap();
    board.advance(Duration::from_secs(60));
    let mut longer = request(&agent("b"));
    longer.lease_ms = Some(24 * 60 * 60 * 1_000);
    assert!(matches!(board.claim(&longer).unwrap(), ClaimOutcome::Claimed { .. }));
    board.advance(Duration::from_secs(60 * 60));
    let mut other = request(&agent("c"));
    other.filter.types = vec![name("other")];
    let ClaimOutcome::Nothing { next_ready_at, .. } = board.claim(&other).unwrap() else {
        panic!("there is nothing of that type");
    };
    assert_eq!(board.task(late.id.as_str()).status, Status::Pending, "its lease ran out");
    let now = board.now();
    assert!(next_ready_at.is_some_and(|at| at > now), "{next_ready_at:?} at {now:?}");
}

/// Whoever waited with a key wasn't told that another process had claimed with the same key meanwhile.
pub(crate) fn key_that_was_used_may_be_answered(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let mut keyed = request(&agent("a"));
    keyed.key = Some("k".into());
    assert!(matches!(board.claim(&keyed).unwrap(), ClaimOutcome::Claimed { .. }));
    assert!(board.engine.may_claim(&keyed).unwrap());
    keyed.key = Some("another".into());
    assert!(!board.engine.may_claim(&keyed).unwrap());
}

/// A task failed without a word, and seemed to have failed of what an earlier attempt had said.
pub(crate) fn error_is_what_the_last_fail_said(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let first = board.next("a").unwrap();
    let broke = Finish::Fail(Some("it broke".into()));
    board.finish("t", &proof(&first), &broke).unwrap();
    assert_eq!(board.task("t").error.as_deref(), Some("it broke"));
    change(&board, "t", Action::Retry { cascade: false, reason: None });
    let second = board.next("a").unwrap();
    board.finish("t", &proof(&second), &Finish::Fail(None)).unwrap();
    assert_eq!(board.task("t").error, None);
}

/// A claim's key whose task was archived was answered with "no such task", to an asker who had named none. And an
/// add's key was answered with another task, which had got the archived one's id.
pub(crate) fn key_of_an_archived_task_says_so(kind: &Kind) {
    let board = board(kind);
    let new = NewTask { key: Some("k".into()), ..task("t") };
    board.add(std::slice::from_ref(&new)).unwrap();
    let mut keyed = request(&agent("a"));
    keyed.key = Some("k".into());
    let ClaimOutcome::Claimed { task: held, .. } = board.claim(&keyed).unwrap() else {
        panic!("it is ready");
    };
    board.complete(&held);
    change(&board, "t", Action::Archive);
    assert!(matches!(board.claim(&keyed), Err(Error::KeyGone { .. })));
    board.add(&[task("t")]).unwrap();
    assert!(matches!(board.add(&[new]), Err(Error::KeyGone { .. })));
}

/// Whoever forgot `cascade` and asked again with it was told that it was so already.
pub(crate) fn cascade_can_be_asked_for_later(kind: &Kind) {
    let board = board(kind);
    let after = NewTask { after: vec![id("t")], ..task("u") };
    board.add(&[task("t"), after]).unwrap();
    let cancel = |cascade| Action::Cancel { cascade, reason: None };
    let retry = |cascade| Action::Retry { cascade, reason: None };
    for (action, u) in [
        (cancel(false), Status::Pending),
        (cancel(true), Status::Cancelled),
        (retry(false), Status::Cancelled),
        (retry(true), Status::Pending),
    ] {
        assert!(matches!(change(&board, "t", action), Outcome::Done));
        assert_eq!(board.task("u").status, u);
    }
    assert!(matches!(change(&board, "t", retry(true)), Outcome::Already));
}

/// A lease ran out on the last attempt, and whoever claimed the task by its id was told that it had failed; but the
/// refusal took that back. The task stayed with its late holder, and the `retry` that was advised said that it was so
/// already.
pub(crate) fn task_that_was_said_to_have_failed_has_failed(kind: &Kind) {
    let board = board_by(
        kind,
        Odd(|tx, filter| {
            let id = filter.only.as_ref().unwrap();
            tx.stage_claim(id, None).map_or(Choice::Nothing(None), |_| Choice::Staged)
        }),
    );
    board.add(&[NewTask { task_type: name("once"), ..task("t") }]).unwrap();
    assert!(matches!(board.claim_id("a", "t"), Ok(ClaimOutcome::Claimed { .. })));
    board.advance(Duration::from_secs(31 * 24 * 60 * 60));
    match board.claim_id("b", "t") {
        Err(Error::Transition { status, .. }) => assert_eq!(status, Status::Failed),
        other => panic!("{other:?}"),
    }
    assert_eq!(board.task("t").status, Status::Failed);
    // Once that is known, a refusal changes nothing.
    let entries = board.entries().len();
    assert!(matches!(board.claim_id("b", "t"), Err(Error::Transition { .. })));
    assert_eq!(board.entries().len(), entries);
    let retried = change(&board, "t", Action::Retry { cascade: false, reason: None });
    assert!(matches!(retried, Outcome::Done));
    board.assert_sound();
}

/// The same with every other refusal: what was due was thrown away, although it has nothing to do with the asker.
pub(crate) fn what_was_due_is_done_whatever_the_claim_is_told(kind: &Kind) {
    type IsExpected = fn(&Error) -> bool;
    let asked: [(&str, IsExpected); 4] = [
        ("held", |error| matches!(error, Error::Held { .. })),
        ("reserved", |error| matches!(error, Error::Reserved { .. })),
        ("missing", |error| matches!(error, Error::NoSuchTask(_))),
        ("ready", |error| matches!(error, Error::Refused(_))),
    ];
    for (asked, is_expected) in asked {
        let board = board_by(
            kind,
            Odd(|tx, filter| match &filter.only {
                Some(only) if *only != id("ready") => tx
                    .stage_claim(only, Some(60_000))
                    .map_or(Choice::Nothing(None), |_| Choice::Staged),
                _ => Choice::Refused("not to this one".into()),
            }),
        );
        board.add(&[task("late"), task("held"), task("reserved"), task("ready")]).unwrap();
        let to = Assignee { name: name("c"), kind: AgentKind::Agent, hostname: None, by: None };
        change(&board, "reserved", Action::Assign(to));
        for held in ["late", "held"] {
            assert!(matches!(board.claim_id("a", held), Ok(ClaimOutcome::Claimed { .. })));
            board.advance(Duration::from_secs(40));
        }
        let told = board.claim_id("b", asked).unwrap_err();
        assert!(is_expected(&told), "{asked}: {told:?}");
        assert_eq!(board.task("late").status, Status::Pending, "{asked}");
        board.assert_sound();
    }
}

/// What a policy staged before it refused goes with the refusal, and what was due with it; but it comes again.
pub(crate) fn what_a_policy_stages_before_it_refuses_is_never_kept(kind: &Kind) {
    let board = board_by(
        kind,
        Odd(|tx, filter| {
            let only = filter.only.clone().unwrap();
            let staged = tx.stage_claim(&only, None);
            if only == id("late") && staged.is_ok() {
                Choice::Staged
            } else {
                Choice::Refused("on second thought".into())
            }
        }),
    );
    board.add(&[task("late"), task("other")]).unwrap();
    assert!(matches!(board.claim_id("a", "late"), Ok(ClaimOutcome::Claimed { .. })));
    board.advance(Duration::from_secs(31 * 24 * 60 * 60));
    let entries = board.entries();
    assert!(matches!(board.claim_id("b", "other"), Err(Error::Refused(_))));
    assert_eq!(board.entries(), entries);
    assert!(board.engine.upkeep(soon()).unwrap());
    assert_eq!(board.task("late").status, Status::Pending);
}

fn change(board: &Board, text: &str, action: Action) -> Outcome {
    let ids = vec![id(text)];
    let request = ChangeRequest { ids, action, by: None, together: false, dry_run: false };
    let mut changed = board.engine.change(&request, soon()).unwrap();
    changed.outcomes.remove(0).1
}

/// A task was archived although a pending one came after it: the page of dependents in which that one stood was short,
/// because another dependent had just been archived, and was taken for the last.
pub(crate) fn archive_sees_all_who_come_after_a_task(kind: &Kind) {
    let board = board(kind);
    let after = |n: usize| NewTask { after: vec![id("x")], ..task(&format!("d{n:04}")) };
    board.add(&[task("x")]).unwrap();
    let held = board.next("a").unwrap();
    board.complete(&held);
    let dependents: Vec<NewTask> = (0..=1_000).map(after).collect();
    board.add(&dependents).unwrap();
    for _ in 0..1_000 {
        let held = board.next("a").unwrap();
        assert_ne!(held.id, id("d1000"));
        board.complete(&held);
    }
    let both = ChangeRequest {
        ids: vec![id("d0000"), id("x")],
        action: Action::Archive,
        by: None,
        together: true,
        dry_run: false,
    };
    match board.engine.change(&both, soon()) {
        Err(Error::Transition { id: open, .. }) => assert_eq!(open, id("d1000")),
        other => panic!("{other:?}"),
    }
}

/// Tasks that come after each other could be archived together or not, depending on the order in which they were named.
pub(crate) fn tasks_are_archived_together_in_any_order(kind: &Kind) {
    let board = board(kind);
    let chain = |text: &str, before: &str| NewTask { after: vec![id(before)], ..task(text) };
    board.add(&[task("a"), chain("b", "a"), chain("c", "b")]).unwrap();
    change(&board, "a", Action::Cancel { cascade: true, reason: None });
    let all = ChangeRequest {
        ids: vec![id("a"), id("b"), id("c")],
        action: Action::Archive,
        by: None,
        together: true,
        dry_run: false,
    };
    board.engine.change(&all, soon()).unwrap();
    assert!(matches!(board.engine.task(&id("c")), Err(Error::NoSuchTask(_))));
}

/// A reason without bound, repeated for each of thousands of tasks, made a line so long that no import took it.
pub(crate) fn reasons_and_errors_have_a_bound(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let held = board.next("a").unwrap();
    let long = "x".repeat(100_000);
    let failed = board.finish("t", &proof(&held), &Finish::Fail(Some(long.clone())));
    assert!(matches!(failed, Err(Error::Invalid(_))));
    let request = ChangeRequest {
        ids: vec![id("t")],
        action: Action::Cancel { cascade: false, reason: Some(long) },
        by: None,
        together: false,
        dry_run: false,
    };
    assert!(matches!(board.engine.change(&request, soon()), Err(Error::Invalid(_))));
    assert_eq!(board.task("t").status, Status::InProgress);
}
