//! Every kind of error has the exit code and the word that DESIGN and users rely on.

use std::time::Duration;

use anyhow::anyhow;
use serde_json::{Value, json};
use taskhost::domain::{
    BeginError, CommitError, Error as BoardError, FailureKind, PolicyFailure, ReadError,
    SwitchError,
};
use taskhost::{
    Assignee, Claim, ContextFailure, Digest, InitError, Json, Millis, Name, OpenError, Status,
    TaskId, Token, Verb,
};

use super::{Code, Conflicting, LineFailed, NoSuchValue, Usage, problem};

/// Checks code, word and whether to try again; `more` is what must be said besides.
#[track_caller]
fn check(error: impl Into<anyhow::Error>, exit: Code, code: &str, retryable: bool, more: Value) {
    let problem = problem(&error.into());
    assert_eq!(problem.exit, exit);
    let said = serde_json::to_value(&problem).unwrap();
    assert_eq!(said["code"], code);
    assert_eq!(said["retryable"], retryable);
    assert!(said["message"].as_str().is_some_and(|message| !message.is_empty()));
    for (name, value) in more.as_object().unwrap() {
        assert_eq!(&said[name], value, "`{name}` of {said}");
    }
}

#[track_caller]
fn check_board(error: impl Into<BoardError>, exit: Code, code: &str, retryable: bool, more: Value) {
    check(taskhost::Error::Board(error.into()), exit, code, retryable, more);
}

fn id() -> TaskId {
    TaskId::new("t").unwrap()
}

fn claim() -> Box<Claim> {
    Box::new(taskhost_answers::sample::claim())
}

#[test]
fn codes_are_those_that_are_published() {
    let codes = [
        (Code::Done, 0),
        (Code::Unexpected, 1),
        (Code::Usage, 2),
        (Code::Nothing, 3),
        (Code::Taken, 4),
        (Code::Missing, 5),
        (Code::LockTimeout, 6),
        (Code::Refused, 7),
        (Code::PolicyFailed, 8),
        (Code::Damaged, 9),
        (Code::Invalid, 10),
        (Code::OutcomeUnknown, 11),
        (Code::SomeFailed, 12),
        (Code::Moved, 13),
        (Code::HungUp, 129),
        (Code::Interrupted, 130),
        (Code::Terminated, 143),
    ];
    for (code, number) in codes {
        assert_eq!(code as u8, number);
    }
}

#[test]
fn somebody_elses_task_says_who_holds_it() {
    let held = json!({
        "holder": "alice",
        "session": "s-1",
        "since": "1970-01-01T00:00:00.000Z",
        "lease_until": "1970-01-01T00:00:01.000Z",
        "task": "t",
    });
    let error = BoardError::Held { id: id(), claim: claim(), lease_until: Millis(1_000) };
    check_board(error, Code::Taken, "claimed", true, held.clone());
    let stale = |claim: Option<Box<Claim>>| BoardError::Stale {
        id: id(),
        presented: Token(6),
        lease_until: claim.as_ref().map(|_| Millis(1_000)),
        claim,
        status: Status::InProgress,
    };
    check_board(stale(Some(claim())), Code::Taken, "stale_token", false, held.clone());
    check_board(
        stale(None),
        Code::Taken,
        "stale_token",
        false,
        json!({ "token": 6, "status": "in_progress" }),
    );
    let ended = BoardError::KeyEnded {
        key: "k".into(),
        id: id(),
        status: Status::InProgress,
        claim: Some(claim()),
    };
    check_board(ended, Code::Taken, "claim_ended", false, held);
    let reserved = BoardError::Reserved { id: id(), assignee: Name::new("carol").unwrap() };
    check_board(reserved, Code::Taken, "reserved", false, json!({ "holder": "carol" }));
    let assignee = Box::new(Assignee {
        name: Name::new("carol").unwrap(),
        kind: taskhost::AgentKind::Human,
        hostname: None,
        by: Some(Name::new("olga").unwrap()),
    });
    let assigned = BoardError::Assigned { id: id(), assignee };
    let who = json!({ "name": "carol", "kind": "human", "hostname": null, "by": "olga" });
    let more = json!({ "task": "t", "holder": "carol", "assignee": who });
    check_board(assigned, Code::Taken, "assigned", false, more);
}

#[test]
fn value_that_somebody_changed_is_said_so_that_one_can_decide_again() {
    let key = TaskId::new("round").unwrap();
    let now = Json::parse("{\"n\": 8}").unwrap();
    let changed = BoardError::MetaChanged { key, now };
    let more = json!({ "key": "round", "now": { "n": 8 } });
    check_board(changed, Code::Invalid, "meta_changed", true, more);
}

#[test]
fn a_board_that_was_moved_says_where_it_is() {
    let moved = ReadError::Moved { to: "postgres://db/work?board=main".into() };
    let details = json!({ "address": "postgres://db/work?board=main" });
    check(taskhost::Error::from(moved), Code::Moved, "moved", false, details);
}

#[test]
fn large_values_have_the_codes_of_everything_else() {
    let context = |failure: ContextFailure| taskhost::Error::Context(failure);
    check(context(ContextFailure::TooLarge), Code::Usage, "too_large", false, json!({}));
    let timeout = BeginError::Timeout { waited: Duration::from_secs(1), holder: None };
    let timeout = context(ContextFailure::Begin(timeout));
    check(timeout, Code::LockTimeout, "lock_timeout", true, json!({ "waited_ms": 1000 }));
    let unknown = context(ContextFailure::Unknown("EIO".into()));
    check(unknown, Code::OutcomeUnknown, "outcome_unknown", true, json!({}));
}

#[test]
fn what_is_missing_is_named() {
    check_board(
        BoardError::NoSuchTask(id()),
        Code::Missing,
        "no_such_task",
        false,
        json!({ "task": "t" }),
    );
    check(NoSuchValue("no".into()), Code::Missing, "no_such_value", false, json!({}));
    let error = taskhost::Error::Open(OpenError::NoBoard { board: "x".into() });
    check(error, Code::Missing, "no_such_board", false, json!({ "board": "x" }));
}

#[test]
fn lock_timeout_names_the_holder_and_may_be_tried_again() {
    let timeout = || BeginError::Timeout {
        waited: Duration::from_millis(1_500),
        holder: Some("flock".into()),
    };
    let more = json!({ "holder": "flock", "waited_ms": 1500 });
    check_board(timeout(), Code::LockTimeout, "lock_timeout", true, more.clone());
    check(taskhost::Error::Open(timeout().into()), Code::LockTimeout, "lock_timeout", true, more);
    check_board(CommitError::Conflict, Code::LockTimeout, "conflict", true, json!({}));
    let moved = BoardError::from(SwitchError::Moved);
    check_board(moved, Code::LockTimeout, "conflict", true, json!({}));
}

#[test]
fn policy_that_fails_is_told_from_one_that_refuses() {
    check_board(
        BoardError::Refused("no".into()),
        Code::Refused,
        "refused",
        false,
        json!({ "reason": "no" }),
    );
    for (kind, word) in [
        (FailureKind::InvalidComponent, "invalid_component"),
        (FailureKind::Trap, "trap"),
        (FailureKind::Deadline, "deadline"),
        (FailureKind::Memory, "memory"),
        (FailureKind::InvalidStep, "invalid_step"),
    ] {
        let failure = PolicyFailure {
            kind,
            policy: "p".into(),
            hook: "assignment",
            detail: "it broke".into(),
            task: None,
            mismatches: Vec::new(),
        };
        let more = json!({ "kind": word, "policy": "p", "hook": "assignment" });
        check_board(failure, Code::PolicyFailed, "policy_failed", false, more);
    }
}

#[test]
fn mismatches_are_a_list_for_programs_and_lines_for_people() {
    let told = |mismatches: &[&str]| {
        let failure = PolicyFailure {
            kind: FailureKind::InvalidComponent,
            policy: "p".into(),
            hook: "load",
            detail: mismatches.join("; "),
            task: None,
            mismatches: mismatches.iter().map(ToString::to_string).collect(),
        };
        problem(&anyhow::Error::from(BoardError::from(failure)).context("`p.wasm` can't be set"))
    };
    let two = told(&["it lacks this", "it has that"]);
    assert_eq!(
        serde_json::to_value(&two).unwrap()["mismatches"],
        json!(["it lacks this", "it has that"])
    );
    let text = "`p.wasm` can't be set: policy `p` failed in `load`: it doesn't fit the contract:\nit lacks this\nit has that";
    assert_eq!(two.text(), text);
    let one = told(&["it lacks this"]);
    assert_eq!(one.text(), "`p.wasm` can't be set: policy `p` failed in `load`: it lacks this");
    assert!(serde_json::to_value(told(&[])).unwrap().get("mismatches").is_none());
}

#[test]
fn damage_names_the_place() {
    let damaged = || ReadError::Damaged("journal-1.jsonl, line 3".into());
    check_board(
        damaged(),
        Code::Damaged,
        "damaged",
        false,
        json!({ "place": "journal-1.jsonl, line 3" }),
    );
    let newer = || BeginError::Newer { found: 2, known: 1 };
    check_board(newer(), Code::Damaged, "newer_format", false, json!({ "found": 2, "known": 1 }));
    check(
        taskhost::Error::Init(InitError::Open(newer().into())),
        Code::Damaged,
        "newer_format",
        false,
        json!({}),
    );
}

#[test]
fn requests_that_can_never_work_are_not_retryable() {
    let transition =
        BoardError::Transition { id: id(), status: Status::Completed, detail: "no".into() };
    check_board(
        transition,
        Code::Invalid,
        "invalid_transition",
        false,
        json!({ "status": "completed" }),
    );
    check_board(
        BoardError::Graph("circle".into()),
        Code::Invalid,
        "invalid_graph",
        false,
        json!({}),
    );
    check_board(
        BoardError::KeyReused("k".into()),
        Code::Invalid,
        "key_reused",
        false,
        json!({ "key": "k" }),
    );
    let (found, expected) = (Digest::of(b"a"), Digest::of(b"b"));
    let changed = BoardError::from(SwitchError::Changed { found, expected });
    check_board(
        changed,
        Code::Invalid,
        "policy_changed",
        false,
        json!({ "found": found.to_string() }),
    );
    let needed = BoardError::TokenNeeded { id: id(), verb: Verb::Complete };
    check_board(needed, Code::Usage, "token_needed", false, json!({}));
    check_board(BoardError::Invalid("no".into()), Code::Usage, "invalid", false, json!({}));
    check(Usage("no".into()), Code::Usage, "usage", false, json!({}));
    check(Conflicting("no".into()), Code::Invalid, "conflict", false, json!({}));
}

#[test]
fn failed_writes_say_whether_anything_may_have_changed() {
    check_board(
        CommitError::NotWritten("full".into()),
        Code::Unexpected,
        "not_written",
        true,
        json!({}),
    );
    check_board(
        CommitError::Unknown("EIO".into()),
        Code::OutcomeUnknown,
        "outcome_unknown",
        true,
        json!({}),
    );
    // A permission that was missing was called `retryable`, so agents tried again for ever.
    check_board(
        ReadError::Failed("EACCES".into()),
        Code::Unexpected,
        "read_failed",
        false,
        json!({}),
    );
    check(anyhow!("surprise"), Code::Unexpected, "unexpected", false, json!({}));
}

#[test]
fn error_of_a_line_keeps_its_kind_and_says_the_line() {
    let why = taskhost::Error::Board(BoardError::NoSuchTask(id())).into();
    let more = json!({ "line": 3, "added": 2, "task": "t" });
    check(LineFailed { line: 3, added: 2, why }, Code::Missing, "no_such_task", false, more);
}

/// Programs that build policies tell these apart: the author's source, and what is missing on the machine.
#[test]
fn errors_of_building_a_policy_say_whose_they_are() {
    use taskhost_authoring::Error;
    let found = [
        (Error::World("no".into()), "does_not_compile"),
        (Error::Manifest("no".into()), "does_not_compile"),
        (Error::Source("policy.js:1:1 no".into()), "does_not_compile"),
        (Error::MissingHook("no".into()), "missing_hook"),
        (Error::ToolMissing("no".into()), "tool_missing"),
        (Error::Install { what: "zig".into(), why: "no".into() }, "not_installed"),
    ];
    for (error, code) in found {
        check(error, Code::Unexpected, code, false, json!({}));
    }
    let why = || Error::Source("policy.c:1:1 no".into());
    let kept = |why: Error| Error::Kept { why: why.into(), path: "./p.wasm".into() };
    check(kept(why()), Code::Unexpected, "does_not_compile", false, json!({}));
    let shown = problem(&kept(why()).into()).text();
    let says = "the policy doesn't compile:\npolicy.c:1:1 no\n`p.wasm` is still that of the last build that worked";
    assert_eq!(shown, says);
    let lacks = ["it lacks this".to_owned(), "it has that".to_owned()];
    let no_policy = Error::NotAPolicy { mismatches: lacks.into(), hint: "put it in" };
    let shown = problem(&kept(no_policy).into());
    assert_eq!(serde_json::to_value(&shown).unwrap()["code"], "not_a_policy");
    assert_eq!(shown.mismatches.len(), 2);
    let says = "it compiles, but it is no policy: it doesn't fit the contract:\nit lacks this\nit has that\nput it in\n\
                `p.wasm` is still that of the last build that worked";
    assert_eq!(shown.text(), says);
    let asked = [
        (Error::Name("a b".into()), "usage"),
        (Error::Word("standard".into()), "usage"),
        (Error::Language("cobol".into(), "`c`".into()), "usage"),
        (Error::Exists("mine".into()), "project_exists"),
        (Error::NoProject { directory: ".".into(), files: "`policy.c`".into() }, "no_project"),
        (Error::Ambiguous { directory: ".".into(), files: "`policy.c`".into() }, "no_project"),
    ];
    for (error, code) in asked {
        check(error, Code::Usage, code, false, json!({}));
    }
}

#[test]
fn context_does_not_hide_the_kind() {
    let error = anyhow::Error::from(taskhost::Error::Board(BoardError::Refused("no".into())))
        .context("while");
    check(
        error,
        Code::Refused,
        "refused",
        false,
        json!({ "message": "while: the policy refused: no" }),
    );
}
