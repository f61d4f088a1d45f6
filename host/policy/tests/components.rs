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

// One that was cut off between two of its exports was accepted, and had fewer hooks: the standard policy decided instead.
#[test]
fn truncated_component_is_refused_wherever_it_is_cut() {
    let whole = &guests().standard;
    let runtime = Board::standard().runtime;
    // The exports come last.
    let (body, end) = (0..whole.len() - 2000, whole.len() - 2000..whole.len());
    for cut in body.step_by(97).chain([4, 8]).chain(end) {
        match runtime.check(&whole[..cut]) {
            // Only what a tool notes about itself is missing.
            Ok(about) => assert_eq!(about.hooks.len(), 4, "{cut}"),
            Err(failure) => {
                let words = ["cut off or damaged", "doesn't export `taskhost:policy/about@0.1.0`"];
                let is_told = words.iter().any(|words| failure.detail.contains(words));
                assert!(cut < 4 || is_told, "{cut}: {failure}");
            }
        }
    }
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
            "the hooks are `about`, `assignment`",
            "imports `test:misspelt/weather`",
            "doesn't export `taskhost:policy/about@0.1.0`",
        ],
    );
}

// A component of another version was answered with a line for each of its imports and exports.
#[test]
fn other_version_of_the_contract_is_refused_in_one_sentence() {
    for (version, words) in [
        ("0.2.0", "upgrade taskhost, or rebuild it against 0.1.0"),
        ("0.1.1", "upgrade taskhost, or rebuild it against 0.1.0"),
        ("0.1.0-rc.1", "runs 0.1.0: rebuild it against 0.1.0"),
        ("0.0.9", "runs 0.1.0: rebuild it against 0.1.0"),
    ] {
        let component = made::dummy(&format!(
            "package taskhost:policy@{version};
             interface about {{ describe: func() -> string; }}
             interface clock {{ now: func() -> u64; }}
             interface weather {{ now: func() -> u64; }}
             world p {{ import clock; import weather; export about; }}"
        ));
        let failure = refused(&component, &[&format!("against version `{version}`"), words]);
        assert!(failure.mismatches.is_empty() && !failure.detail.contains(';'), "{failure}");
    }
}

// Hazard 29: wasmtime matches types exactly, so a guest of an edited contract must hear which part of it. wasmtime
// tells the first difference in an import only, and those in exports only once the component runs.
#[test]
fn wrong_types_are_told_all_at_once() {
    let component = made::dummy(
        "package taskhost:policy@0.1.0;
         interface about { describe: func() -> string; }
         interface types {
            enum status { pending, in-progress }
            record summary { id: string, priority: u32 }
         }
         interface board {
            use types.{summary};
            resource task { status: func() -> u32; failures: func(since: u64) -> u32; }
            resource view { get: func(id: string) -> task; }
            resource shelf;
         }
         interface clock { now: func() -> string; }
         interface locks { acquire: func(name: string) -> result; }
         interface readiness {
            use board.{view};
            classify: func(view: borrow<view>, task: u32) -> u32;
         }
         interface assignment {
            use board.{view};
            record agent { name: string, kind: u32, session: string, hostname: option<string>, capabilities: list<string> }
            record filter { task-types: list<string>, labels: list<string>, capabilities: list<string>, only: option<string> }
            record request { asker: agent, filter: filter, lease: option<u64> }
            variant answer { standard, staged, nothing(option<string>) }
            choose: func(view: borrow<view>, tx: borrow<view>, request: request) -> answer;
         }
         world p { import board; import clock; import locks; export about; export readiness; export assignment; }",
    );
    let failure = Board::standard().runtime.check(&component).unwrap_err();
    assert_eq!((failure.kind, failure.hook), (FailureKind::InvalidComponent, "load"));
    for sentence in [
        "it exports `about.describe` with the result `string`, which is `description` in the contract",
        "it imports `board.task.status` with the result `u32`, which is `status` in the contract",
        "it imports `board.view.get` with the result `task`, which is `option<task>` in the contract",
        "it imports the resource `shelf` of `taskhost:policy/board@0.1.0`, which the contract doesn't have",
        "it imports `clock.now` with the result `string`, which is `u64` in the contract",
        "it imports `locks.acquire` with the parameters `(name: string)`, which has the parameters \
         `(name: string, timeout: u64)` in the contract",
        "it exports `readiness.classify` with the parameter `task: u32`, which is `task: borrow<task>` in the contract",
        "it exports `readiness.classify` with the result `u32`, which is `answer` in the contract",
        "it exports `assignment.choose` with the parameter `tx: borrow<view>`, which is \
         `tx: borrow<transaction>` in the contract",
        "it exports `assignment.choose` with the parameter `request: request`, whose `asker.kind` is `u32`, and is \
         `agent-kind` in the contract",
        "it exports `assignment.choose` with the result `answer`, which hasn't the cases `refused`, and has them in \
         the contract",
    ] {
        assert!(failure.mismatches.iter().any(|told| told == sentence), "{sentence}: {failure:#?}");
    }
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

// A command of WASI is what most tools make unless they are told otherwise.
#[test]
fn component_of_another_world_is_told_by_what_it_wants_and_gives() {
    let component = made::dummy(
        "package wasi:cli@0.2.6;
         interface environment { get-arguments: func() -> list<string>; }
         interface run { run: func() -> result; }
         world p { import environment; export run; }",
    );
    refused(
        &component,
        &[
            "it exports `wasi:cli/run@0.2.6`, which the contract doesn't have: the hooks are `about`",
            "it doesn't export `taskhost:policy/about@0.1.0`",
        ],
    );
}

#[test]
fn anatomy_says_what_a_component_is_made_of() {
    let board = Board::standard();
    let anatomy = board.runtime.examine(&guests().standard).unwrap();
    assert_eq!(anatomy.bytes, guests().standard.len() as u64);
    assert!(anatomy.code_bytes > 0 && anatomy.data_bytes > 0, "{anatomy:?}");
    assert!(anatomy.code_bytes + anatomy.data_bytes < anatomy.bytes, "{anatomy:?}");
    assert!(anatomy.imports.contains(&"transactions".to_owned()), "{anatomy:?}");
    assert_eq!((&*anatomy.contract, &anatomy.wasi[..]), ("0.1.0", &[][..]));
}

// What is in a file in a few bytes may stand for a great many: 150 functions of a type
// that doubles ten times.
#[test]
fn component_of_a_great_many_parts_is_told_soon() {
    let mut types = String::from(r#"(type $t0 (tuple u8 u8))"#);
    for n in 1..=10 {
        let inner = n - 1;
        types += &format!("(type $t{n} (tuple $t{inner} $t{inner}))");
    }
    let functions: String =
        (0..150).map(|n| format!(r#"(export "f{n}" (func (param "a" $t10)))"#)).collect();
    let text = format!(
        r#"(component {types} (import "taskhost:policy/clock@0.1.0" (instance {functions})))"#
    );
    let failure = refused(&wat::parse_str(text).unwrap(), &["it imports `f0`"]);
    let (last, told) = failure.mismatches.split_last().unwrap();
    assert_eq!((told.len(), &**last), (100, "and 51 more"));

    let names: String = (0..1001).map(|n| format!(r#"(import "a{n}" (func))"#)).collect();
    refused(
        &wat::parse_str(format!("(component {names})")).unwrap(),
        &["imports and exports more than 1000 things"],
    );
}

// `use` in an author's world names a type there, which the component then imports by that name.
#[test]
fn type_that_an_author_names_is_no_unknown_import() {
    let component = made::trapping(
        "use taskhost:policy/types@0.1.0.{status}; import show: func(it: status);
         export taskhost:policy/about@0.1.0;",
    );
    let failure = refused(&component, &["it imports `show`"]);
    assert_eq!(failure.mismatches.len(), 1, "{failure}");
    let component = made::policy("use taskhost:policy/types@0.1.0.{status};", "", "");
    assert!(Board::standard().runtime.check(&component).is_ok());
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
            ..taskhost_policy::RuntimeOptions::new(taskhost_board::Store::powers(&store))
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
