//! What isn't a policy is told so in a sentence, before it comes near a board.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Board, guests, limits, made};
use taskhost_board::{FailureKind, Policies, PolicyFailure};
use taskhost_policy::HookLimits;

#[track_caller]
fn refused(component: &[u8], words: &[&str]) -> PolicyFailure {
    let failure = Board::standard().runtime.check(component).unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidComponent, "{failure}");
    for words in words {
        assert!(failure.to_string().contains(words), "`{words}`: {failure}");
    }
    assert!(!failure.detail.contains('\n'), "{failure}");
    failure
}

#[test]
fn policy_says_what_it_is_and_what_it_has() {
    let runtime = Board::standard().runtime;
    let about = runtime.check(&guests().newest_first).unwrap();
    assert_eq!((&*about.name, &about.hooks[..]), ("newest-first", &["assignment".to_owned()][..]));
    let about = runtime.check(&guests().standard).unwrap();
    assert_eq!(about.hooks, ["readiness", "assignment", "lifecycle", "recovery"]);
    assert!(about.settings.iter().any(|setting| setting.name == "lease"));
}

#[test]
fn bytes_that_are_no_component_are_named_for_what_they_are() {
    refused(b"", &["it is empty"]);
    refused(b"\x7fELF and so on", &["compiled code"]);
    refused(b" (component)", &["text format"]);
    refused(b"{\"not\": \"wasm\"}", &["it isn't WebAssembly"]);
    refused(&wat::parse_str("(module)").unwrap(), &["core module", "wasm-tools component new"]);
}

#[test]
fn truncated_component_is_refused_wherever_it_is_cut() {
    let whole = &guests().newest_first;
    for cut in (0..whole.len()).step_by(997).chain([4, 8, whole.len() - 1]) {
        refused(&whole[..cut], &[]);
    }
    refused(&whole[..whole.len() / 2], &["cut off or damaged"]);
}

// Hazard 27: precompiled code isn't checked when it is loaded, so it is as good as a native program.
#[test]
fn precompiled_code_is_never_accepted() {
    let engine = wasmtime::Engine::default();
    let code = engine.precompile_component(&guests().newest_first).unwrap();
    refused(&code, &["compiled code"]);
}

// Hazard 28: compiling is not bounded by any limit on running.
#[test]
fn too_large_component_is_refused_before_it_is_compiled() {
    let small = HookLimits { component_bytes_max: 1 << 20, ..limits() };
    let runtime = Board::new(None, &guests().standard, small).runtime;
    let failure = runtime.check(&vec![0; (1 << 20) + 1]).unwrap_err();
    assert!(failure.detail.contains("at most 1 MiB"), "{failure}");
}

// Hazard 30: a misspelt export was taken for an absent one, and the standard policy decided instead.
#[test]
fn unknown_exports_and_imports_are_refused_with_every_mismatch() {
    let component = made::dummy(
        "package test:misspelt;
         interface asignment { choose: func(); }
         interface weather { today: func() -> string; }
         world p { import weather; export asignment; }",
    );
    refused(
        &component,
        &[
            "exports `test:misspelt/asignment`",
            "the hooks are `about`, `readiness`, `assignment`",
            "imports `test:misspelt/weather`",
            "doesn't export `taskhost:policy/about@0.1.0`",
        ],
    );
}

#[test]
fn other_version_of_the_contract_is_refused() {
    for version in ["0.2.0", "0.1.1", "0.1.0-rc.1", "1.0.0"] {
        let component = made::dummy(&format!(
            "package taskhost:policy@{version};
             interface about {{ describe: func() -> string; }}
             interface clock {{ now: func() -> u64; }}
             world p {{ import clock; export about; }}"
        ));
        let exported =
            format!("exports `taskhost:policy/about@{version}`: this host has version 0.1.0");
        let imported =
            format!("imports `taskhost:policy/clock@{version}`: this host has version 0.1.0");
        refused(
            &component,
            &[&exported, &imported, "doesn't export `taskhost:policy/about@0.1.0`"],
        );
    }
}

// Hazard 29: wasmtime matches types exactly, so a guest of an edited contract must hear which part of it.
#[test]
fn wrong_types_are_told_by_interface_and_function() {
    let component = made::dummy(
        "package taskhost:policy@0.1.0;
         interface about { describe: func() -> string; }
         interface assignment { choose: func(asker: string) -> u32; }
         world p { export about; export assignment; }",
    );
    let failure = refused(
        &component,
        &[
            "`describe` of its `taskhost:policy/about@0.1.0` hasn't the contract's type",
            "`choose` of its `taskhost:policy/assignment@0.1.0` hasn't the contract's type",
        ],
    );
    assert_eq!(failure.hook, "load");
    let component = made::dummy(
        "package taskhost:policy@0.1.0;
         interface about { describe: func() -> string; }
         interface clock { now: func() -> string; }
         world p { import clock; export about; }",
    );
    refused(
        &component,
        &["an import isn't the contract's", "taskhost:policy/clock@0.1.0", "`now`"],
    );
}

#[test]
fn unknown_functions_of_known_interfaces_are_refused() {
    let component = made::dummy(
        "package taskhost:policy@0.1.0;
         interface about { explain: func() -> string; }
         interface clock { now: func() -> u64; tomorrow: func() -> u64; }
         world p { import clock; export about; }",
    );
    refused(
        &component,
        &[
            "imports `tomorrow` of `taskhost:policy/clock@0.1.0`",
            "has no function `describe`",
            "exports `explain` in `taskhost:policy/about@0.1.0`",
        ],
    );
}

// componentize-py leaves an export of its own in every policy.
#[test]
fn what_a_tool_exports_for_itself_is_no_misspelt_hook() {
    let about = "export taskhost:policy/about@0.1.0;";
    let python = made::trapping(&format!("{about} export exports: interface {{ init: func(); }}"));
    let failure = Board::standard().runtime.check(&python).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Trap, "as far as the description: {failure}");
    let other = made::trapping(&format!("{about} export exports: interface {{ choose: func(); }}"));
    refused(&other, &["exports `choose` in `exports`, where the contract has only `init`"]);
    let other = made::trapping(&format!("{about} export choose: func();"));
    refused(&other, &["exports `choose`, which the contract doesn't have"]);
}

#[test]
fn policy_that_can_not_describe_itself_is_no_policy() {
    let component = made::trapping("export taskhost:policy/about@0.1.0;");
    let failure = Board::standard().runtime.check(&component).unwrap_err();
    assert_eq!((failure.kind, failure.hook), (FailureKind::Trap, "about"));
}

// A component's start function runs before any hook does, and is somebody else's code too.
#[test]
fn component_that_never_finishes_starting_ends_at_the_deadline() {
    let component = made::policy("", "", "(func $forever (loop (br 0))) (start $forever)");
    let failure = Board::standard().runtime.check(&component).unwrap_err();
    assert_eq!((failure.kind, failure.hook), (FailureKind::Deadline, "load"));
}

#[test]
fn component_that_needs_too_much_memory_to_start_is_told_so() {
    let component = made::policy("", "", "");
    assert!(Board::standard().runtime.check(&component).is_ok());
    let tight = HookLimits { memory_bytes_max: 60_000, ..limits() };
    let runtime = Board::new(None, &guests().standard, tight).runtime;
    assert_eq!(runtime.check(&component).unwrap_err().kind, FailureKind::Memory);
}

#[test]
fn settings_are_checked_against_what_the_policy_declares() {
    let runtime = Board::standard().runtime;
    let about = runtime.check(&guests().standard).unwrap();
    let wrong = common::pin(&guests().standard, &[("lease", "soon"), ("nap", "1h")]);
    let error = runtime.check_settings(&wrong, &about).unwrap_err();
    assert!(
        error.contains("`lease` can't be `soon`") && error.contains("no setting `nap`"),
        "{error}"
    );
    let right = common::pin(&guests().standard, &[("lease", "24h")]);
    assert_eq!(runtime.check_settings(&right, &about), Ok(()));
}

#[test]
fn compiled_code_is_taken_from_the_cache_by_the_next_process() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("taskhost");
    let files = || walk(&dir);
    let check = || {
        let store = Board::standard().store;
        let options = taskhost_policy::RuntimeOptions {
            limits: limits(),
            cache_dir: Some(dir.clone()),
            powers: taskhost_board::Store::powers(&store),
        };
        let runtime = taskhost_policy::Runtime::new(options).unwrap();
        runtime.check(&guests().newest_first).unwrap();
    };
    check();
    let compiled = files();
    assert!(!compiled.is_empty());
    // The runtime is gone, and with it what it had compiled; the second adds nothing.
    check();
    assert_eq!(files(), compiled);
}

/// Every file of compiled code. The cache's own statistics are written later, by a thread of its own.
fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else if path.extension().is_none() {
            found.push(path);
        }
    }
    found.sort();
    found
}
