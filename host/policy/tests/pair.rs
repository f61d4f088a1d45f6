//! Two policies on one board: which of them is asked, and what they share.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Board, agent, guests, id, limits, made};
use taskhost_board::{
    Error, FailureKind, Policies, PolicyLimits, PolicySet, ReadError, Space, Store,
};

#[test]
fn missing_hooks_go_to_the_standard_policy() {
    let board = Board::led_by(&guests().newest_first, &[]);
    // `readiness` and `lifecycle` are the standard policy's here: without them nothing would be ready.
    board.add(&["one", "two"]);
    assert_eq!(board.claimed("a").id, id("two"));
    assert_eq!(board.claimed("a").id, id("one"));
}

#[test]
fn answer_standard_goes_to_the_standard_policy() {
    let board = Board::hostile("none", &[]);
    board.add(&["one", "two"]);
    assert_eq!(board.claimed("a").id, id("one"));
}

// A board whose standard policy is newest-first, which has neither `readiness` nor `lifecycle`.
#[test]
fn standard_policy_that_lacks_a_hook_has_failed() {
    let board = Board::new(None, &guests().newest_first, limits());
    let task = taskhost_board::NewTask::new(common::name("work"));
    let failed = board.engine.add(&[task], common::soon());
    let Err(Error::Policy(failure)) = failed else { panic!("{failed:?}") };
    assert_eq!(failure.kind, FailureKind::InvalidStep);
    assert!(failure.detail.contains("lacks this hook"), "{failure}");
}

#[test]
fn standard_policy_that_answers_standard_has_failed() {
    let board = Board::new(Some((&guests().hostile, &[])), &guests().hostile, limits());
    let task = taskhost_board::NewTask::new(common::name("work"));
    // With `mode` unset on both, every hook of both answers `standard`.
    let failed = board.engine.add(&[task], common::soon());
    let Err(Error::Policy(failure)) = failed else { panic!("{failed:?}") };
    assert!(failure.detail.contains("answered `standard`"), "{failure}");
}

#[test]
fn settings_and_defaults_reach_the_policy() {
    let lease = |settings: &[(&str, &str)]| {
        let board = Board::standard();
        let change = taskhost_board::PolicyChange {
            target: taskhost_board::PolicyTarget::Standard,
            settings: common::pin(b"", settings).settings,
            standard_settings: Default::default(),
            expect: None,
        };
        board.engine.set_policy(&change, common::soon()).unwrap();
        board.add(&["t"]);
        board.claimed("a").claim.unwrap().lease_ms
    };
    assert_eq!(lease(&[]), 30 * 60 * 1000);
    assert_eq!(lease(&[("lease", "2h")]), 2 * 60 * 60 * 1000);
}

#[test]
fn log_is_shown_by_explain() {
    let board = Board::hostile("log", &[]);
    board.add(&["t"]);
    let explained = board.engine.explain(&id("t"), Some(&agent("a"))).unwrap();
    assert_eq!(explained.log, ["hostile was here at 1000000000000"]);
}

/// Counts its calls of `lifecycle` in a global and remembers the count, runs `more`, and answers `standard`.
fn counting(more: &str) -> Vec<u8> {
    made::policy(
        "include taskhost:policy/imports@0.1.0; export taskhost:policy/lifecycle@0.1.0;",
        r#"(import "taskhost:policy/transactions@0.1.0" "[method]transaction.remember"
            (func $remember (param i32 i32 i32 i32 i32 i32 i32)))
           (import "taskhost:policy/board@0.1.0" "[method]view.get"
            (func $get (param i32 i32 i32 i32)))
           (import "taskhost:policy/board@0.1.0" "[resource-drop]view" (func $drop-view (param i32)))
           (import "taskhost:policy/board@0.1.0" "[resource-drop]task" (func $drop-task (param i32)))
           (import "taskhost:policy/transactions@0.1.0" "[resource-drop]transaction" (func $drop-tx (param i32)))"#,
        &format!(
            r#"(data (i32.const 1024) "k")
               (data (i32.const 1032) "0")
               (func (export "taskhost:policy/lifecycle@0.1.0#on-event")
                    (param $view i32) (param $tx i32) (param $task i32) (param i32 i32 i32 i32) (result i32)
                    (i32.store8 (i32.const 1032) (i32.add (i32.load8_u (i32.const 1032)) (i32.const 1)))
                    (call $remember (local.get $tx) (i32.const 1024) (i32.const 1)
                        (i32.const 1) (i32.const 1032) (i32.const 1) (i32.const 2048))
                    {more}
                    (call $drop-view (local.get $view))
                    (call $drop-tx (local.get $tx))
                    (call $drop-task (local.get $task))
                    ;; `standard` is the first case, and zero.
                    i32.const 3072)"#
        ),
    )
}

fn remembered(board: &Board, space: Space) -> Option<String> {
    let (view, _) = board.store.snapshot().unwrap();
    let value = view.recall(space, "k").unwrap()?;
    Some(String::from_utf8(value).unwrap())
}

#[test]
fn memory_of_the_two_policies_is_separate() {
    let board = Board::led_by(&counting(""), &[]);
    board.add(&["t"]);
    assert_eq!(remembered(&board, Space::Custom).as_deref(), Some("1"), "what was staged stays");
    assert_eq!(remembered(&board, Space::Standard), None);
    assert_eq!(board.claimed("a").id, id("t"), "the standard policy decided the rest");
}

#[test]
fn instance_that_leaves_handles_open_is_replaced() {
    let count = |more: &str| {
        let board = Board::led_by(&counting(more), &[]);
        board.add(&["k"]);
        board.add(&["t"]);
        remembered(&board, Space::Custom)
    };
    assert_eq!(count("").as_deref(), Some("2"));
    // It opens the task `k`, and never drops it.
    let open = "(call $get (local.get $view) (i32.const 1024) (i32.const 1) (i32.const 2048))";
    assert_eq!(count(open).as_deref(), Some("1"));
}

// In C, nothing drops a lent handle for the author.
#[test]
fn lent_handle_that_is_not_given_back_is_a_failure() {
    let board = Board::led_by(&counting("(return (i32.const 3072))"), &[]);
    let task = taskhost_board::NewTask::new(common::name("work"));
    let failed = board.engine.add(&[task], common::soon());
    let Err(Error::Policy(failure)) = failed else { panic!("{failed:?}") };
    assert_eq!((failure.kind, failure.hook), (FailureKind::Trap, "lifecycle"));
    assert!(failure.detail.contains("borrow handles still remain"), "{failure}");
}

// An instance that serves many transactions must not be told from a fresh one by the host's doing.
#[test]
fn instances_are_reused_while_their_steps_are_committed() {
    let board = Board::hostile("globals", &[("hook", "recovery")]);
    board.add(&["t"]);
    // Each call of `recovery` answers `fail` with how often the instance was called.
    board.claimed("a");
    board.store.advance(std::time::Duration::from_secs(31 * 60));
    board.engine.upkeep(common::soon()).unwrap();
    assert_eq!(board.engine.task(&id("t")).unwrap().reason.as_deref(), Some("call 1"));
    board.add(&["u"]);
    board.claimed("a");
    board.store.advance(std::time::Duration::from_secs(31 * 60));
    board.engine.upkeep(common::soon()).unwrap();
    assert_eq!(board.engine.task(&id("u")).unwrap().reason.as_deref(), Some("call 2"));
}

#[test]
fn set_is_ready_only_once_it_is_prepared() {
    let board = Board::standard();
    let set = PolicySet {
        custom: Some(common::pin(&guests().newest_first, &[])),
        standard: common::pin(&guests().standard, &[]),
    };
    assert!(board.runtime.ready(&set, &PolicyLimits::default()).is_none());
    let mut fetched = 0;
    let mut fetch = |digest| {
        fetched += 1;
        let all = [&guests().standard, &guests().newest_first];
        let found = all.into_iter().find(|bytes| taskhost_board::Digest::of(bytes) == digest);
        found.cloned().ok_or_else(|| ReadError::Failed("no such component".into()))
    };
    board.runtime.prepare(&set, &PolicyLimits::default(), &mut fetch).unwrap();
    assert!(board.runtime.ready(&set, &PolicyLimits::default()).is_some());
    assert!(fetched <= 2);
}

// The store gave other bytes than the board pins.
#[test]
fn component_of_another_digest_is_damage() {
    let board = Board::standard();
    let set = PolicySet { custom: None, standard: common::pin(b"not there", &[]) };
    let prepared = board
        .runtime
        .prepare(&set, &PolicyLimits::default(), &mut |_| Ok(guests().newest_first.clone()));
    let Err(taskhost_board::PrepareError::Read(ReadError::Damaged(text))) = prepared else {
        panic!("prepared something else")
    };
    assert!(text.contains("has the digest"), "{text}");
}
