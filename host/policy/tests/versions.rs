//! Policies that were built against an older version of the contract.
//!
//! No version was published yet, so one was made up: 0.0.9, which has neither `random` nor `view.claims-held`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Board, guests, id, limits, made};
use taskhost_board::{FailureKind, Policies};
use taskhost_policy::{OlderContract, Runtime, RuntimeOptions};

fn older() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/published/0.0.9")
}

fn contract() -> OlderContract {
    let files: Vec<(String, String)> = std::fs::read_dir(older())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "wit"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    OlderContract::parse(files.iter().map(|(name, text)| (&**name, &**text))).unwrap()
}

/// A board whose host runs the older version as well.
fn board(component: &[u8]) -> Board {
    let older = vec![contract()];
    Board::run_by(Some((component, &[])), &guests().standard, |powers| RuntimeOptions {
        limits: limits(),
        cache_dir: None,
        older,
        ..RuntimeOptions::new(powers)
    })
}

fn runtime() -> Runtime {
    let powers = Arc::new(taskhost_board::NoPowers);
    let older = vec![contract()];
    Runtime::new(RuntimeOptions { cache_dir: None, older, ..RuntimeOptions::new(powers) }).unwrap()
}

/// A policy of the older version that gives whoever asks the newest task there is.
fn newest_first() -> Vec<u8> {
    const IMPORTS: &str = r#"
        (import "taskhost:policy/board@0.0.9" "[resource-drop]view" (func $drop-view (param i32)))
        (import "taskhost:policy/board@0.0.9" "[resource-drop]cursor" (func $drop-cursor (param i32)))
        (import "taskhost:policy/transactions@0.0.9" "[resource-drop]transaction" (func $drop-tx (param i32)))
        (import "taskhost:policy/board@0.0.9" "[method]view.candidates"
            (func $candidates (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "taskhost:policy/board@0.0.9" "[method]cursor.next" (func $next-tasks (param i32 i32 i32)))
        (import "taskhost:policy/transactions@0.0.9" "[method]transaction.claim"
            (func $claim (param i32 i32 i32 i32 i64 i32)))"#;
    // At 3000 the list of tasks, at 3100 what came of the claim; 2048 is the answer `staged`.
    const CORE: &str = r#"
        (data (i32.const 2048) "\01")
        (func (export "taskhost:policy/assignment@0.0.9#choose") (param $args i32) (result i32)
            (local $cursor i32) (local $summary i32)
            (local.set $cursor (call $candidates (i32.load (local.get $args))
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 1) (i32.const 2)))
            (call $next-tasks (local.get $cursor) (i32.const 1) (i32.const 3000))
            (if (i32.ne (i32.load (i32.const 3004)) (i32.const 1)) (then unreachable))
            (local.set $summary (i32.load (i32.const 3000)))
            (call $claim (i32.load offset=4 (local.get $args))
                (i32.load (local.get $summary)) (i32.load offset=4 (local.get $summary))
                (i32.const 0) (i64.const 0) (i32.const 3100))
            (if (i32.load8_u (i32.const 3100)) (then unreachable))
            (call $drop-cursor (local.get $cursor))
            (call $drop-view (i32.load (local.get $args)))
            (call $drop-tx (i32.load offset=4 (local.get $args)))
            i32.const 2048)"#;
    made::older_policy(
        &older(),
        "0.0.9",
        "include taskhost:policy/imports@0.0.9; export taskhost:policy/assignment@0.0.9;",
        IMPORTS,
        CORE,
    )
}

#[test]
fn policy_of_an_older_version_decides() {
    let board = board(&newest_first());
    board.add(&["old", "newer", "newest"]);
    assert_eq!(board.claimed("a").id, id("newest"));
    assert_eq!(board.claimed("b").id, id("newer"));
    // Where it has no hook, the standard policy decides, which is of the present version.
    assert!(board.store.check().unwrap().is_empty());
    let anatomy = runtime().examine(&newest_first()).unwrap();
    assert_eq!(
        (&*anatomy.contract, &anatomy.imports[..2]),
        ("0.0.9", &["types", "board"].map(String::from)[..])
    );
}

#[test]
fn older_version_is_refused_where_it_is_not_run() {
    let failure = Board::standard().runtime.check(&newest_first()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidComponent);
    assert!(failure.detail.contains("this taskhost runs 0.1.0: rebuild it"), "{failure}");
    // And where it is, every version that is run is named.
    let newer = made::dummy(
        "package taskhost:policy@0.7.0; interface about { describe: func(); } world p { export about; }",
    );
    let failure = runtime().check(&newer).unwrap_err();
    assert!(failure.detail.contains("runs 0.0.9 and 0.1.0: upgrade taskhost"), "{failure}");
}

#[test]
fn what_came_later_is_no_part_of_the_older_version() {
    let component = made::dummy(
        "package taskhost:policy@0.0.9;
         interface about { describe: func() -> string; }
         interface board { resource view { claims-held: func(agent: string) -> u32; } }
         interface random { next: func() -> u32; }
         world p { import board; import random; export about; }",
    );
    let failure = runtime().check(&component).unwrap_err();
    for words in [
        "imports `taskhost:policy/random@0.0.9`",
        "imports `view.claims-held` of `taskhost:policy/board@0.0.9`",
    ] {
        assert!(
            failure.mismatches.iter().any(|told| told.contains(words)),
            "{words}: {failure:#?}"
        );
    }
}

#[test]
fn component_that_mixes_versions_is_refused() {
    let mixed = made::mixed(&older());
    let failure = runtime().check(&mixed).unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidComponent);
    assert!(failure.detail.contains("mixes version `0.0.9` and version `0.1.0`"), "{failure}");
}
