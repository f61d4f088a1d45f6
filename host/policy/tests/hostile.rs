//! Whatever a policy does: the board is as before, the caller is told what happened, and the next call works.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Board, agent, guests, id, limits, soon};
use parking_lot::Mutex;
use taskhost_board::recording::{Came, Ending, Recorder, Recording, Rerun};
use taskhost_board::{ClaimRequest, Engine, Error, FailureKind, Filter, Obstacle, Policies, Store};
use taskhost_policy::HookLimits;

// Hazard 24: epochs that nobody ticks never trap (Kubewarden adm-controller #1982), and a store without a
// deadline traps at once.
#[test]
fn endless_loop_ends_at_its_deadline() {
    let board = Board::hostile("loop", &[]);
    board.add(&["t"]);
    let began = Instant::now();
    board.fails(FailureKind::Deadline, "longer than 300 ms");
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert!(began.elapsed() < Duration::from_secs(30));
    // And once the ticker has been asleep.
    board.fails(FailureKind::Deadline, "longer than 300 ms");
}

// The board's lock is free again, though its holder spent the whole deadline under it.
#[test]
fn board_goes_on_after_each_failure() {
    for mode in ["loop", "panic", "memory", "recursion"] {
        let board = Board::hostile(mode, &[]);
        board.add(&["t"]);
        board.failure("a");
        let change = taskhost_board::PolicyChange {
            target: taskhost_board::PolicyTarget::Standard,
            settings: Default::default(),
            standard_settings: Default::default(),
            expect: None,
        };
        board.engine.set_policy(&change, soon()).unwrap();
        assert_eq!(board.claimed("a").id, id("t"), "after {mode}");
    }
}

#[test]
fn memory_bomb_is_told_from_other_traps() {
    let board = Board::hostile("memory", &[]);
    board.add(&["t"]);
    board.fails(FailureKind::Memory, "more than 64 MiB of memory");
}

// A policy in JavaScript failed after some 14,000 tasks that one process had added: each hook left a little garbage, and
// the limit was reached before its runtime thought of collecting it.
#[test]
fn policy_that_uses_a_little_more_memory_in_each_call_never_reaches_the_limit() {
    let board = Board::hostile("hoard", &[]);
    for number in 0..100 {
        let name = format!("t{number}");
        board.add(&[&name]);
        assert_eq!(board.claimed("a").id, id(&name));
    }
}

#[test]
fn deep_recursion_is_the_policys_failure_and_not_a_crash() {
    let board = Board::hostile("deep-calls", &[]);
    board.add(&["t"]);
    board.fails(FailureKind::Trap, "512 KiB of stack");
    let board = Board::hostile("recursion", &[]);
    board.add(&["t"]);
    let failure = board.failure("a");
    assert!(matches!(failure.kind, FailureKind::Trap), "{failure}");
}

// A text of 32 MiB fits in the policy's memory; the host must not copy it to see that it is too long.
#[test]
fn huge_texts_are_refused_before_they_are_copied() {
    for mode in ["huge-log", "huge-remember", "huge-refusal"] {
        let board = Board::hostile(mode, &[]);
        board.add(&["t"]);
        board.fails(FailureKind::Memory, "more than 8 MiB passed");
    }
}

#[test]
fn panic_is_told_with_its_message() {
    let board = Board::hostile("panic", &[]);
    board.add(&["t"]);
    board.fails(FailureKind::Trap, "the policy panics because it was told to");
}

#[test]
fn what_a_panicking_hook_staged_is_forgotten() {
    let board = Board::hostile("stage-then-panic", &[]);
    board.add(&["t"]);
    board.fails(FailureKind::Trap, "the policy panics after staging");
    let (view, _) = board.store.snapshot().unwrap();
    let kept = view.recall(taskhost_board::Space::Custom, "staged-by-hostile").unwrap();
    assert_eq!(kept, None);
}

#[test]
fn claimed_task_can_not_be_claimed_again() {
    let board = Board::hostile("claim-claimed", &[("target", "t")]);
    board.add(&["t"]);
    assert_eq!(board.claimed("a").id, id("t"));
    assert!(board.refusal("b").contains("is claimed by `a`"));
    assert_eq!(board.engine.task(&id("t")).unwrap().claim.unwrap().agent, agent("a").name);
}

#[test]
fn finished_task_is_never_changed() {
    let board = Board::hostile("set-finished", &[("target", "missing")]);
    board.add(&["t"]);
    assert!(board.refusal("a").contains("there is no task `missing`"));
}

#[test]
fn staged_steps_are_bounded() {
    let board = Board::hostile("million-steps", &[]);
    board.add(&["t"]);
    assert!(board.refusal("a").starts_with("step 256: "));
}

// Hazard 25: neither epochs nor fuel interrupt a host call. The import bounds its own wait.
#[test]
fn waiting_for_a_lock_ends_at_the_deadline() {
    let board = Board::hostile("wait-lock", &[("target", "busy")]);
    board.add(&["t"]);
    let _held = board.store.powers().lock("busy", Duration::ZERO).unwrap();
    let began = Instant::now();
    board.fails(FailureKind::Deadline, "waiting for locks");
    assert!(began.elapsed() < Duration::from_secs(30), "not the hour it asked for");
}

#[test]
fn locks_are_bounded_and_end_with_the_hook() {
    let board = Board::hostile("many-locks", &[]);
    board.add(&["t"]);
    assert!(board.refusal("a").starts_with("after 16 locks: "));
    assert!(board.store.powers().lock("lock-0", Duration::ZERO).is_ok());
}

#[test]
fn open_handles_are_bounded() {
    for mode in ["many-cursors", "many-tasks"] {
        let board = Board::hostile(mode, &[("target", "t")]);
        board.add(&["t"]);
        board.fails(FailureKind::Memory, "more than 1024 handles");
    }
}

// Hazard 16: the policy says that it gave the task away, and gave it to nobody.
#[test]
fn lie_about_a_claim_is_noticed() {
    let board = Board::hostile("lie", &[]);
    board.add(&["t"]);
    board.fails(FailureKind::InvalidStep, "staged no claim");
}

#[test]
fn claim_is_not_kept_for_ever() {
    let board = Board::hostile("keep-forever", &[("hook", "recovery")]);
    board.add(&["t"]);
    board.claimed("a");
    board.store.advance(Duration::from_secs(31 * 60));
    let failed = board.engine.upkeep(soon());
    assert!(
        matches!(&failed, Err(Error::Policy(failure))
            if failure.kind == FailureKind::InvalidStep && failure.hook == "recovery"),
        "{failed:?}"
    );
}

#[test]
fn names_of_files_never_leave_the_directory() {
    let board = Board::hostile("read-env-files", &[]);
    board.add(&["t"]);
    let said = board.refusal("a");
    for line in said.lines().filter(|line| !line.contains("\"link\"")) {
        assert_eq!(line.matches("Err(").count(), 2, "{line}");
    }
    assert_eq!(said.lines().count(), 20, "{said}");
}

#[test]
fn readiness_neither_waits_nor_writes() {
    for (mode, word) in [("wait-lock", "Forbidden"), ("many-locks", "Forbidden")] {
        let board = Board::hostile(mode, &[("hook", "readiness"), ("target", "free")]);
        board.add(&["t"]);
        let explained = board.engine.explain(&id("t"), None).unwrap();
        let [Obstacle::Never(why)] = &explained.obstacles[..] else {
            panic!("{:?}", explained.obstacles)
        };
        assert!(why.contains(word), "{why}");
    }
}

#[test]
fn dry_run_takes_no_locks_and_replaces_no_files() {
    for (mode, words) in [("wait-lock", "Forbidden"), ("read-env-files", "dry run")] {
        let board = Board::hostile(mode, &[("target", "free")]);
        board.add(&["t"]);
        let explained = board.engine.explain(&id("t"), Some(&agent("a"))).unwrap();
        assert!(format!("{:?}", explained.obstacles).contains(words), "{:?}", explained.obstacles);
    }
}

// Hazard 31: a policy's globals outlive a transaction that was never committed.
#[test]
fn instance_whose_steps_were_not_committed_is_thrown_away() {
    let board = Board::hostile("globals", &[]);
    board.add(&["t"]);
    // A refusal commits nothing, so every call is an instance's first.
    assert_eq!([board.refusal("a"), board.refusal("a")], ["call 1", "call 1"]);
}

// Hazard 26: a trapped store can't be entered again.
#[test]
fn instance_that_trapped_is_never_called_again() {
    let board = Board::hostile("panic", &[]);
    board.add(&["t"]);
    board.fails(FailureKind::Trap, "told to");
    board.fails(FailureKind::Trap, "told to");
}

#[test]
fn settable_limits_are_the_ones_that_hold() {
    let small = HookLimits { memory_bytes_max: 2 << 20, ..limits() };
    let hostile = &guests().hostile;
    let board = Board::new(Some((hostile, &[("mode", "memory")])), &guests().standard, small);
    board.add(&["t"]);
    board.fails(FailureKind::Memory, "more than 2 MiB of memory");
}

// A policy that needs little can be held to it, whatever the board allows.
#[test]
fn policys_own_limits_hold_within_the_boards() {
    let board = Board::hostile("loop", &[("host.deadline", "20ms")]);
    board.add(&["t"]);
    board.fails(FailureKind::Deadline, "longer than 20 ms");
    let board = Board::hostile("memory", &[("host.memory", "8MiB")]);
    board.add(&["t"]);
    board.fails(FailureKind::Memory, "more than 8 MiB of memory");
    let board = Board::hostile("million-steps", &[("host.steps", "3")]);
    board.add(&["t"]);
    let refusal = board.refusal("a");
    assert!(refusal.contains("`host.steps` bounds them"), "{refusal}");
    // The board allows 300 ms here, and goes on doing so.
    let board = Board::hostile("loop", &[("host.deadline", "1h")]);
    board.add(&["t"]);
    board.fails(FailureKind::Deadline, "longer than 300 ms");
}

#[test]
fn limit_above_the_boards_is_not_set() {
    let board = Board::standard();
    let set = |name: &str, value: &str| {
        let change = taskhost_board::PolicyChange {
            target: taskhost_board::PolicyTarget::Standard,
            settings: [(name.to_owned(), value.to_owned())].into(),
            standard_settings: Default::default(),
            expect: None,
        };
        board.engine.set_policy(&change, soon()).map(|_| ())
    };
    for (name, value, board) in [
        ("host.deadline", "301ms", "`policy_deadline=300ms`"),
        ("host.memory", "65MiB", "`policy_memory=64MiB`"),
        ("host.steps", "257", "`policy_steps=256`"),
    ] {
        match set(name, value) {
            Err(Error::Invalid(why)) => {
                assert!(why.contains(&format!("`{name}={value}`")) && why.contains(board), "{why}");
            }
            other => panic!("{name} was set: {other:?}"),
        }
    }
    set("host.deadline", "300ms").unwrap();
    set("host.steps", "1").unwrap();
}

// A decision that was made again began with none of its policy's steps counted. So what had been refused, because hooks
// before it in the transaction had used them up, came out otherwise, and that was said to be the machine's doing.
#[test]
fn steps_of_earlier_hooks_count_when_a_decision_is_made_again() {
    let board = Board::hostile("million-steps", &[("host.steps", "3")]);
    board.add(&["t"]);
    let kept = Arc::new(Mutex::new(None));
    let keep = kept.clone();
    let recorder = Recorder::new(Arc::new(move |recording| *keep.lock() = Some(recording)));
    let recorded = recorder.policies(board.runtime.clone());
    let engine = Engine::new(Arc::new(board.store.clone()), recorded, Arc::new(|| 1));
    let request =
        ClaimRequest { agent: agent("a"), filter: Filter::default(), lease_ms: None, key: None };
    assert!(matches!(engine.claim(&request, soon()), Err(Error::Refused(_))));
    let recording = kept.lock().take().unwrap().unwrap().encode().unwrap();
    let recording = String::from_utf8(recording).unwrap();
    let again = |recording: &str| {
        let recording = Recording::parse(recording.as_bytes()).unwrap();
        let mut fetch = |digest| board.store.component(digest);
        let set = &recording.policies;
        let policy = board.runtime.prepare(set, &recording.limits, &mut fetch).unwrap();
        match Rerun::new(&recording).unwrap().call(&*policy).unwrap().came {
            Came::Ended(Ending::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    assert!(again(&recording).starts_with("step 3:"), "nothing was staged before");
    // As it would be if an earlier hook of the same policy had staged two, and one of the standard policy one.
    let counted = r#""steps_left":256,"steps_staged":{"custom":2,"standard":1}"#;
    let later = recording.replacen(r#""steps_left":256"#, counted, 1);
    assert_ne!(later, recording);
    assert!(again(&later).starts_with("step 1:"), "{}", again(&later));
}
