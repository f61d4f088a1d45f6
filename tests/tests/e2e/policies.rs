//! A policy is swapped on a live board, and a hostile one harms nobody.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use taskhost_tests::{Answer, TestBoard, policy};

pub(crate) fn set(board: &TestBoard, component: &std::path::Path, settings: &[&str]) -> Answer {
    let component = component.to_string_lossy();
    let mut arguments = vec!["policy", "set", &component];
    for setting in settings {
        arguments.extend(["--setting", setting]);
    }
    board.run(&arguments)
}

#[test]
fn policy_set_changes_the_order_for_agents_that_are_already_running() {
    let board = TestBoard::new();
    board.add(&["old", "older-than-new", "new"]);
    // Each task's command waits for a line, so that the swap falls between two claims of one running agent.
    let mut run = board.command(&[
        "run",
        "--agents",
        "1",
        "--",
        "sh",
        "-c",
        "echo {id}; cat gate >/dev/null",
    ]);
    Command::new("mkfifo").arg(board.folder().join("gate")).status().unwrap();
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let in_progress = || {
        let list = board.run(&["list", "--status", "in_progress"]).exits(0).json();
        list["tasks"][0]["id"].as_str().map(str::to_owned)
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while in_progress().as_deref() != Some("old") {
        assert!(Instant::now() < deadline, "the standard policy gives the oldest first");
    }
    set(&board, &policy("newest-first"), &[]).exits(0);
    let open_gate = || {
        fs::OpenOptions::new()
            .write(true)
            .open(board.folder().join("gate"))
            .unwrap()
            .write_all(b"\n")
            .unwrap()
    };
    open_gate();
    while in_progress().as_deref() != Some("new") {
        assert!(
            Instant::now() < deadline,
            "the new policy gives the newest first, in {:?}",
            in_progress()
        );
    }
    open_gate();
    while in_progress().as_deref() != Some("older-than-new") {
        assert!(Instant::now() < deadline, "the last one comes last");
    }
    open_gate();
    let lines = BufReader::new(run.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .collect::<Vec<_>>();
    assert!(run.wait().unwrap().success(), "{lines:?}");
}

/// Sets the hostile policy in `mode` and claims; checks how that ends and that nothing else happened.
fn assert_harmless(mode: &str, more: &[&str], code: i32, kind: &str) -> Answer {
    let board = TestBoard::new();
    board.add(&["held", "free"]);
    let (held, _) = board.claim("holder");
    let mode = format!("mode={mode}");
    set(&board, &policy("hostile"), &[&[mode.as_str(), "target=held"], more].concat()).exits(0);
    let before = (board.run(&["list"]).exits(0).stdout, board.run(&["history"]).exits(0).stdout);

    let began = Instant::now();
    let answer = board.run(&["claim", "--agent", "victim"]).exits(code);
    let took = began.elapsed();
    // The deadline of a hook is one second; the rest is starting and compiling on a busy machine.
    assert!(took < Duration::from_secs(30), "{mode} took {took:?}");
    let pointer = if code == 8 { "/error/kind" } else { "/error/code" };
    assert_eq!(answer.text(pointer), kind, "{answer:?}");
    assert_eq!(
        (board.run(&["list"]).exits(0).stdout, board.run(&["history"]).exits(0).stdout),
        before
    );
    board.run(&["policy", "set", "standard"]).exits(0);
    assert_eq!(board.claim("victim").0, "free", "the board is unlocked and works");
    assert_eq!(held, "held");
    board.assert_healthy();
    answer
}

#[test]
fn endless_loop_ends_at_its_deadline() {
    // Epochs were on but the ticker was not running, so the loop never ended.
    assert_harmless("loop", &[], 8, "deadline");
}

#[test]
fn memory_bomb_is_stopped_by_its_limit() {
    assert_harmless("memory", &[], 8, "memory");
}

#[test]
fn deep_recursion_traps() {
    assert_harmless("recursion", &[], 8, "trap");
    assert_harmless("deep-calls", &[], 8, "trap");
}

#[test]
fn panic_traps_and_says_what_the_author_wrote() {
    assert_harmless("panic", &[], 8, "trap");
}

#[test]
fn claimed_task_is_not_given_again() {
    let answer = assert_harmless("claim-claimed", &[], 7, "refused");
    assert!(answer.text("/error/message").contains("claimed by"), "{answer:?}");
}

#[test]
fn finished_task_is_not_revived() {
    let board = TestBoard::new();
    board.add(&["done", "free"]);
    let (id, token) = board.claim("holder");
    board.run(&["complete", &id, "--agent", "holder", "--token", &token]).exits(0);
    set(&board, &policy("hostile"), &["mode=set-finished", "target=done"]).exits(0);
    let before = board.task("done");
    let answer = board.run(&["claim", "--agent", "victim"]).exits(7);
    assert!(answer.text("/error/message").contains("finished task is never changed"), "{answer:?}");
    assert_eq!(board.task("done"), before);
}

#[test]
fn million_steps_are_cut_off_at_the_limit() {
    let answer = assert_harmless("million-steps", &[], 7, "refused");
    assert!(answer.text("/error/message").contains("bound on staged steps"), "{answer:?}");
}

#[test]
fn answer_without_its_claim_is_an_invalid_step() {
    assert_harmless("lie", &[], 8, "invalid_step");
}

#[test]
fn plain_refusal_is_no_failure() {
    assert_harmless("refuse", &[], 7, "refused");
}

#[test]
fn what_is_no_policy_is_refused_and_nothing_is_set() {
    let board = TestBoard::new();
    let before = board.run(&["policy", "show"]).exits(0).stdout;
    let newest = fs::read(policy("newest-first")).unwrap();
    let cases: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("garbage", b"this is no component".repeat(10_000)),
        ("core-module", b"\0asm\x01\0\0\0".to_vec()),
        ("cut-in-half", newest[..newest.len() / 2].to_vec()),
        ("text", b"(component)".to_vec()),
    ];
    for (name, bytes) in cases {
        let path = board.folder().join(name);
        fs::write(&path, bytes).unwrap();
        for command in ["check", "set"] {
            let answer = board.run(&["policy", command, path.to_str().unwrap()]).exits(8);
            assert_eq!(answer.text("/error/kind"), "invalid_component", "{name}: {answer:?}");
        }
    }
    assert_eq!(board.run(&["policy", "show"]).exits(0).stdout, before);
    board.run(&["policy", "check", policy("newest-first").to_str().unwrap()]).exits(0);
}

#[test]
fn settings_that_a_policy_does_not_declare_are_refused() {
    let board = TestBoard::new();
    for bad in ["parrent=independent", "parent=upside-down", "lease=soon", "max_attempts=many"] {
        let answer = board.run(&["policy", "set", "standard", "--setting", bad]).exits(2);
        let name = bad.split('=').next().unwrap();
        assert!(answer.text("/error/message").contains(name), "{answer:?}");
    }
    board
        .run(&[
            "policy",
            "set",
            "standard",
            "--setting",
            "lease=10m",
            "--setting",
            "parent=independent",
        ])
        .exits(0);
    let shown = board.run(&["policy", "show"]).exits(0).stdout;
    assert!(shown.contains("10m") && shown.contains("independent"), "{shown}");
}

#[test]
fn two_people_setting_at_once_are_told_apart_by_the_expected_digest() {
    let board = TestBoard::new();
    let newest = policy("newest-first");
    let standard = board.run(&["policy", "show"]).exits(0).text("/leading/digest");
    let arguments = ["policy", "set", newest.to_str().unwrap(), "--expect", &standard];
    board.run(&arguments).exits(0);
    let late = board.run(&["policy", "set", "standard", "--expect", &standard]).exits(10);
    assert!(late.text("/error/message").contains("expected"), "{late:?}");
}

#[test]
fn standard_policy_follows_its_settings() {
    let board = TestBoard::new();
    board.run(&["add", "work", "--id", "p"]).exits(0);
    board.run(&["add", "work", "--id", "c", "--parent", "p"]).exits(0);
    assert_eq!(board.run(&["claim", "c", "--agent", "a"]).exits(3).text("/reason"), "waiting");
    board.run(&["policy", "set", "standard", "--setting", "parent=children-first"]).exits(0);
    assert_eq!(board.run(&["claim", "p", "--agent", "a"]).exits(3).text("/reason"), "waiting");
    let (id, token) = board.claim("a");
    assert_eq!(id, "c");
    board.run(&["complete", "c", "--agent", "a", "--token", &token]).exits(0);
    let (id, token) = board.claim("a");
    assert_eq!(id, "p");
    board.run(&["add", "work", "--id", "c2", "--parent", "p"]).exits(0);
    let refused = board.run(&["complete", "p", "--agent", "a", "--token", &token]).exits(7);
    assert!(refused.text("/error/message").contains("c2"), "{refused:?}");

    board
        .run(&[
            "policy",
            "set",
            "standard",
            "--setting",
            "retries=1",
            "--setting",
            "cascade=cancel",
        ])
        .exits(0);
    board.run(&["add", "work", "--id", "x", "--priority", "9"]).exits(0);
    board.run(&["add", "work", "--id", "y", "--after", "x"]).exits(0);
    for expected in ["pending", "failed"] {
        let (id, token) = board.claim("b");
        assert_eq!(id, "x");
        board.run(&["fail", "x", "--agent", "b", "--token", &token, "--error", "no"]).exits(0);
        assert_eq!(board.task("x")["status"], expected);
    }
    let y = board.task("y");
    assert_eq!(y["status"], "cancelled");
    assert!(y["reason"].as_str().unwrap().contains('x'), "{y}");
}

// `policy list` named policies that nobody could go back to: their files were gone, and their digests were no names.
#[test]
fn policy_that_led_before_is_set_again_by_its_digest() {
    let board = TestBoard::new();
    let newest = set(&board, &policy("newest-first"), &[]).exits(0).text("/leading/digest");
    let shown = board.run_plain(&["policy", "set", "standard"]).exits(0).stdout;
    assert!(
        shown.contains(&format!("decides from now on, instead of {}", &newest[..16])),
        "{shown}"
    );
    let again = |digits: &str| board.run(&["policy", "set", digits]);
    assert_eq!(again(&newest[..8]).exits(0).text("/leading/digest"), newest);
    let shown = board.run_plain(&["policy", "set", &newest]).exits(0).stdout;
    assert!(shown.contains("it led already"), "{shown}");
    let compared = board.run(&["policy", "compare", &newest[..12], "standard", "--history"]);
    assert_eq!(compared.exits(0).text("/policies/0/leading/digest"), newest);
    let missing = again("01234567").exits(5).text("/error/message");
    assert!(missing.contains("`taskhost policy list`"), "{missing}");
    // A file of that name is what is meant.
    fs::copy(policy("shared-budget"), board.folder().join("01234567")).unwrap();
    assert_ne!(again("01234567").exits(0).text("/leading/digest"), newest);
}

// Both workers of a board ended at its policy's failure, and nothing named a way to go on.
#[test]
fn policy_that_fails_is_told_with_the_ways_back() {
    let board = TestBoard::new();
    board.add(&["bad"]);
    set(&board, &policy("hostile"), &["mode=panic"]).exits(0);
    let told = board.run_plain(&["run", "--agents", "1", "--", "true"]).exits(8).stderr;
    for words in ["policy set standard`", "config set fallback true`", "--record FILE"] {
        assert!(told.contains(words), "{told}");
    }
    let failed = set(&board, &policy("hostile"), &["mode=panic", "hook=readiness"]).exits(8);
    let message = failed.text("/error/message");
    assert!(message.contains("failed in `readiness` of `bad`: "), "{message}");
    assert_eq!(failed.text("/error/task"), "bad");
}
