//! Building somebody's project: what of it runs, who waits for whom, and what is said where it fails.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use taskhost_tests::{Answer, Holder, TestBoard, tools};

/// `python -m pip` takes modules from the current directory first: whoever built a project by standing in it ran its
/// `pip.py`, with all his rights, when a tool was installed. The same is tried with everything that runs then.
#[test]
fn nothing_of_a_project_runs_when_its_tools_are_installed() {
    let board = TestBoard::missing();
    let project = board.folder().join("mine");
    let tools = board.folder().join("tools");
    let marker = board.folder().join("ran");
    board.run(&["policy", "new", "mine", "--lang", "python"]).exits(0);
    let planted =
        format!("open({:?}, 'a').write(__name__ + '\\n')\n", marker.display().to_string());
    for module in ["pip", "venv", "ensurepip", "sysconfig", "site", "sitecustomize", "subprocess"] {
        fs::write(project.join(format!("{module}.py")), &planted).unwrap();
    }
    let script = format!("#!/bin/sh\necho $0 >> '{}'\n", marker.display());
    for program in ["python3", "python", "node", "npm", "zig"] {
        let path = project.join(program);
        fs::write(&path, &script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    let path = format!(".:{}", std::env::var("PATH").unwrap());
    let mut build = board.command(&["--json", "policy", "build"]);
    build.current_dir(&project).env("PATH", path).env("TASKHOST_TOOLS", &tools);
    // Nothing need be downloaded to see what runs.
    build.env("PIP_NO_INDEX", "1");
    let answer = Answer::of(build.output().unwrap()).exits(1);
    assert_eq!(answer.text("/error/code"), "not_installed", "pip was asked: {answer:?}");
    assert_eq!(fs::read_to_string(&marker).ok(), None, "it ran");
}

/// Whoever built a project that another process was building waited without end and without a word, whatever `--timeout`
/// said.
#[test]
fn another_build_of_the_same_is_waited_for_aloud_and_not_for_ever() {
    let board = TestBoard::missing();
    board.run(&["policy", "new", "mine", "--lang", "c"]).exits(0);
    let _other = Holder::flock(&board.folder().join("mine/build/lock"));
    let build = ["policy", "build", "mine", "--offline", "--timeout", "200ms"];
    let answer = board.run(&build).exits(6);
    assert_eq!(answer.text("/error/code"), "lock_timeout");
    assert_eq!(answer.json()["error"]["retryable"], true);
    assert!(answer.number("/error/waited_ms") >= 200);
    assert!(answer.stderr.contains("waiting for another build of this project"), "{answer:?}");
    assert!(!board.folder().join("mine/mine.wasm").exists());
}

/// `policy build` of a project, with what policies are built with.
fn build(board: &TestBoard, name: &str) -> Command {
    let mut command = board.command(&["--json", "policy", "build", name]);
    command.env("TASKHOST_TOOLS", tools());
    command
}

fn built(board: &TestBoard, name: &str) -> Answer {
    Answer::of(build(board, name).output().unwrap())
}

/// Makes a project called `mine`, and says where its source is.
fn made(board: &TestBoard, language: &str) -> std::path::PathBuf {
    let made = board.run(&["policy", "new", "mine", "--lang", language]).exits(0);
    board.folder().join(made.text("/project/source"))
}

/// What `policy build` says of the project whose source has one text replaced by another.
fn failing(board: &TestBoard, source: &std::path::Path, from: &str, to: &str) -> String {
    let whole = fs::read_to_string(source).unwrap();
    assert_eq!(whole.matches(from).count(), 1, "`{from}` in {whole}");
    fs::write(source, whole.replace(from, to)).unwrap();
    let message = built(board, "mine").exits(1).text("/error/message");
    fs::write(source, whole).unwrap();
    message
}

/// A build failed, and `policy set mine/mine.wasm` set the one before without a word. And a source without its `policy!`
/// was `built`, with `policy set` as what comes next; only `policy check` knew that it was no policy. And cargo's sixty
/// lines came before whatever was to be said.
#[test]
fn build_that_fails_says_what_is_missing_and_which_component_is_there_still() {
    let board = TestBoard::missing();
    let source = made(&board, "rust");
    let line =
        "taskhost_sdk::policy!(Policy: assignment; \"The newest ready task first.\", LEASE);";
    let component = board.folder().join("mine/mine.wasm");

    let none = failing(&board, &source, line, "");
    assert!(none.contains("it compiles, but it is no policy: it doesn't export"), "{none}");
    assert!(none.contains("`taskhost_sdk::policy!(") && !none.contains("is still"), "{none}");
    assert!(!component.exists());

    let first = built(&board, "mine").exits(0);
    assert!(!first.stderr.contains("Compiling") && !first.stderr.contains("Finished"), "{first:?}");
    let before = fs::read(&component).unwrap();
    let kept = "`mine/mine.wasm` is still that of the last build that worked";
    for (from, to) in [(line, ""), ("fn choose(", "fn choose(("), ("let ready", "let ready: u8")] {
        let said = failing(&board, &source, from, to);
        assert!(said.ends_with(kept), "{said}");
    }
    assert_eq!(fs::read(&component).unwrap(), before);
    let mut here = board.command(&["policy", "build"]);
    fs::write(&source, "broken").unwrap();
    let here = here.current_dir(board.folder().join("mine")).env("TASKHOST_TOOLS", tools());
    let plain = Answer::of(here.output().unwrap()).exits(1);
    assert!(plain.stderr.contains("`mine.wasm` is still that"), "{plain:?}");
    assert!(plain.stderr.contains("error: expected"), "the compiler's own words: {plain:?}");
}

/// The crate of `My_Policy` was called so too, and the compiler warned of its capitals at every build.
#[test]
fn name_with_capitals_is_built_without_a_warning() {
    let board = TestBoard::missing();
    board.run(&["policy", "new", "My-Policy_2", "--lang", "rust"]).exits(0);
    let answer = built(&board, "My-Policy_2").exits(0);
    assert_eq!(answer.text("/built/component"), "My-Policy_2/My-Policy_2.wasm");
    assert!(!answer.stderr.contains("warning"), "{answer:?}");
    let checked = board.run(&["policy", "check", "My-Policy_2/My-Policy_2.wasm"]).exits(0);
    assert_eq!(checked.text("/policy/name"), "My-Policy_2");
}

/// Both are built in one place, by the name that they share, and whichever was built second could be given the other's
/// component, or the SDK that the other has: cargo took it for its own, since it was newer than the source.
#[test]
fn projects_of_one_name_in_two_places_are_two_policies() {
    let board = TestBoard::missing();
    for place in ["here", "there"] {
        let name = format!("{place}/twin");
        board.run(&["policy", "new", &name, "--lang", "rust"]).exits(0);
        let source = board.folder().join(&name).join("src/lib.rs");
        let text = fs::read_to_string(&source).unwrap();
        let text = text.replace("The newest ready task first.", place);
        let doc = "\"How long a claim holds without a heartbeat.\"";
        assert!(text.contains(doc), "{text}");
        fs::write(&source, text.replace(doc, "taskhost_sdk::PLACE")).unwrap();
        let sdk = board.folder().join(&name).join("vendor/sdk/src/lib.rs");
        let text = fs::read_to_string(&sdk).unwrap();
        let place = format!("\n/// Whose this is.\npub const PLACE: &str = \"{place}\";\n");
        fs::write(&sdk, text + &place).unwrap();
    }
    for place in ["here", "there", "here"] {
        let name = format!("{place}/twin");
        let component = built(&board, &name).exits(0).text("/built/component");
        let checked = board.run(&["policy", "check", &component]).exits(0);
        assert_eq!(checked.text("/policy/summary"), place);
        assert_eq!(checked.text("/policy/settings/0/doc"), place);
    }
}

/// What a hook in C begins with in the tests below.
const BEGINNING: &str = "uint64_t lease = request->lease.is_some";

/// All that was said was that an import of `wasi_snapshot_preview1` failed to resolve.
#[test]
fn what_of_cs_library_a_policy_has_not_is_named_with_what_to_use() {
    let board = TestBoard::missing();
    let source = made(&board, "c");
    for (call, include, words) in [
        ("printf(\"%d\", (int)request->asker.name.len)", "stdio.h", "`taskhost_policy_log_write`"),
        ("ret->val.nothing.is_some = time(NULL) > 5", "time.h", "`taskhost_policy_clock_now`"),
        (
            "ret->val.nothing.is_some = getenv(\"X\") != NULL",
            "stdlib.h",
            "`taskhost_policy_settings_get`",
        ),
    ] {
        let whole = fs::read_to_string(&source).unwrap();
        fs::write(&source, format!("#include <{include}>\n{whole}")).unwrap();
        let said = failing(&board, &source, BEGINNING, &format!("{call};\n    {BEGINNING}"));
        assert!(said.contains("which a policy hasn't") && said.contains(words), "{call}: {said}");
        fs::write(&source, whole).unwrap();
    }
}

/// What comes of a claim where the hook in C begins with these statements.
fn claim_with(statements: &str) -> (TestBoard, Answer) {
    let board = TestBoard::new();
    let source = made(&board, "c");
    let whole = fs::read_to_string(&source).unwrap();
    let includes =
        "#include <assert.h>\n#include <math.h>\n#include <stdio.h>\n#include <string.h>\n";
    let changed = whole.replace(BEGINNING, &format!("{statements}\n    {BEGINNING}"));
    fs::write(&source, format!("{includes}{changed}")).unwrap();
    built(&board, "mine").exits(0);
    board.run(&["policy", "set", "mine/mine.wasm"]).exits(0);
    board.add(&["t"]);
    let answer = board.run(&["claim", "--agent", "ada"]);
    (board, answer)
}

/// Whoever put a `return` into the hook left the view and the transaction behind, and every claim failed: `borrow handles
/// still remain at the end of the call`.
#[test]
fn hook_in_c_may_return_early() {
    let (_board, answer) = claim_with("if (request->asker.name.len == 3) return;");
    let answer = answer.exits(3);
    assert!(!answer.stdout.contains("fail"), "{answer:?}");
}

/// It was compiled out without a word, and what it guarded went wrong instead.
#[test]
fn assert_in_c_that_fails_stops_the_hook_and_says_itself() {
    let (_board, answer) = claim_with("assert(request->asker.name.len == 4);");
    let said = answer.exits(8).text("/error/message");
    assert!(said.contains("`assert(request->asker.name.len == 4)` failed"), "{said}");
    assert!(said.contains("policy.c:"), "{said}");
}

/// What the README of a new project in C says that there is.
#[test]
fn text_memory_and_numbers_of_cs_library_are_there() {
    let statements = "char text[32]; char *copy = malloc(32);
    snprintf(text, sizeof text, \"%.2f %llu\", sqrt((double)request->asker.name.len), 7ull);
    strcpy(copy, text); assert(strcmp(copy, \"1.73 7\") == 0 && strstr(copy, \"73\") != NULL); free(copy);";
    let (_board, answer) = claim_with(statements);
    answer.exits(0);
}
