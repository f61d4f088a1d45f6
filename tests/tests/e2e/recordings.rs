//! A decision that failed or was refused is recorded, and can be made again without the board.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use taskhost_tests::{Answer, Kept, TestBoard, policy};

/// A board with a task, decided by the hostile policy with these settings.
fn hostile(settings: &[&str]) -> TestBoard {
    let board = TestBoard::new();
    board.add(&["t", "u"]);
    set(&board, &policy("hostile"), settings);
    board
}

fn set(board: &TestBoard, component: &Path, settings: &[&str]) {
    let component = component.to_string_lossy();
    let mut arguments = vec!["policy", "set", &component];
    settings.iter().for_each(|setting| arguments.extend(["--setting", setting]));
    board.run(&arguments).exits(0);
}

/// Where a recording goes.
fn file(board: &TestBoard) -> PathBuf {
    board.folder().join("failed.json")
}

fn record(board: &TestBoard, command: &[&str]) -> Answer {
    board.run(&[&["--record", "failed.json"], command].concat())
}

fn replay(board: &TestBoard, more: &[&str]) -> Answer {
    board.run(&[&["policy", "replay", "failed.json"], more].concat())
}

/// Checks that the command ends with `code`, that the board isn't needed then, and that the same comes again.
#[track_caller]
fn comes_again(board: &TestBoard, command: &[&str], code: i32) -> Value {
    record(board, command).exits(code);
    board.remove();
    let told = replay(board, &[]).exits(code).json();
    assert_eq!(told["same"], true, "{told}");
    assert_eq!(told["came"], told["recorded"]["ending"], "{told}");
    assert_eq!(told["log"], told["recorded"]["log"], "{told}");
    told
}

#[test]
fn each_kind_of_failure_comes_again_without_the_board() {
    for (mode, kind) in [
        ("panic", "trap"),
        ("deep-calls", "trap"),
        ("loop", "deadline"),
        ("memory", "memory"),
        ("lie", "invalid_step"),
    ] {
        let board = hostile(&[&format!("mode={mode}")]);
        let told = comes_again(&board, &["claim", "--agent", "ann", "--label", "x"], 8);
        assert_eq!(told["came"]["kind"], kind, "{told}");
        assert_eq!(told["recorded"]["asked"]["agent"], "ann");
        assert_eq!(told["recorded"]["asked"]["labels"], json!(["x"]));
        if mode == "panic" {
            assert!(told["log"][0].as_str().unwrap().starts_with("panicked at"), "{told}");
        }
    }
}

#[test]
fn refusal_comes_again_with_every_answer_that_it_quotes() {
    for (mode, quoted) in [
        ("refuse", "told to"),
        ("claim-claimed", "claimed by"),
        ("million-steps", "bound on staged steps"),
        ("many-locks", "after 16 locks"),
        ("read-env-files", "Forbidden"),
    ] {
        let board = TestBoard::new();
        board.add(&["held", "free"]);
        board.claim("holder");
        set(&board, &policy("hostile"), &[&format!("mode={mode}"), "target=held"]);
        let told = comes_again(&board, &["claim", "--agent", "victim"], 7);
        assert!(told["came"]["reason"].as_str().unwrap().contains(quoted), "{told}");
    }
}

#[test]
fn hooks_of_other_commands_are_recorded_too() {
    let board = hostile(&["hook=lifecycle", "mode=refuse"]);
    let told = comes_again(&board, &["add", "work", "--id", "new"], 7);
    assert_eq!(told["recorded"]["asked"]["event"], "created", "{told}");
    assert_eq!(told["recorded"]["staged"], 1, "the task that it added: {told}");

    let board = TestBoard::new();
    board.add(&["t"]);
    let (id, token) = board.claim("ann");
    set(&board, &policy("hostile"), &["hook=lifecycle", "mode=stage-then-panic"]);
    let command = ["complete", &id, "--agent", "ann", "--token", &token];
    assert_eq!(comes_again(&board, &command, 8)["recorded"]["asked"]["event"], "completed");

    // A dry run that says why somebody is given nothing ends well, and the refusal is kept all the same.
    let board = hostile(&["mode=refuse"]);
    record(&board, &["explain", "t", "--agent", "ann"]).exits(0);
    let told = replay(&board, &[]).exits(7).json();
    assert_eq!((&told["same"], &told["recorded"]["dry"]), (&json!(true), &json!(true)));

    let board = hostile(&["mode=panic"]);
    assert_ne!(record(&board, &["run", "--agents", "2", "--", "true"]).code, 0);
    assert_eq!(replay(&board, &[]).exits(8).text("/came/kind"), "trap");
}

#[test]
fn another_build_or_setting_shows_whether_it_is_mended() {
    let board = hostile(&["mode=panic", "target=t"]);
    record(&board, &["claim", "--agent", "ann"]).exits(8);
    board.remove();
    replay(&board, &[]).exits(8);
    let mended = policy("newest-first");
    let told = replay(&board, &["--policy", mended.to_str().unwrap()]).exits(0).json();
    assert_eq!(told["came"], json!({ "outcome": "answered", "answer": "staged" }));
    assert_eq!(told["policy"]["left_out"], json!(["mode", "target"]));
    assert_eq!(
        (&told["staged"][0]["event"], &told["staged"][0]["task"]),
        (&json!("claimed"), &json!("u"))
    );
    let told = replay(&board, &["--setting", "mode=none"]).exits(0).json();
    assert_eq!(told["staged"][0]["task"], "t", "the standard policy gives the oldest");
    replay(&board, &["--policy", "standard"]).exits(0);
    let hint = board.run(&["policy", "replay", "standard"]).exits(2).text("/error/message");
    assert!(hint.contains("add `--history`"), "{hint}");
    let told = replay(&board, &["--setting", "mode=memory"]).exits(8).json();
    assert_eq!((&told["same"], &told["came"]["kind"]), (&json!(false), &json!("memory")));
    replay(&board, &["--setting", "moode=none"]).exits(2);
    // A board has a second for a hook; a decision made again could have any time at all.
    let refusal = replay(&board, &["--setting", "host.deadline=2s"]).exits(2);
    assert!(refusal.text("/error/message").contains("`policy_deadline=1000ms`"), "{refusal:?}");
}

#[test]
fn what_people_read_tells_the_hook_the_log_and_what_came() {
    let board = hostile(&["mode=panic"]);
    record(&board, &["claim", "--agent", "ann"]).exits(8);
    let said = board.run_plain(&["policy", "replay", "failed.json"]).exits(8).stdout;
    for part in [
        "assignment for ann",
        "mode=panic",
        "failed (trap)",
        "log       panicked at",
        "it came out as recorded",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn nothing_is_written_when_nothing_failed() {
    let board = hostile(&["mode=none"]);
    record(&board, &["claim", "--agent", "ann"]).exits(0);
    record(&board, &["claim", "nobody-has-this", "--agent", "ann"]).exits(5);
    let board_itself = usize::from(Kept::here() == Kept::InFiles);
    let found = fs::read_dir(board.folder()).unwrap().count();
    assert_eq!(found, board_itself, "only the board");
}

#[test]
fn recording_is_its_owners_and_overwrites_nothing() {
    let board = hostile(&["mode=refuse"]);
    record(&board, &["claim", "--agent", "ann"]).exits(7);
    let mode = fs::metadata(file(&board)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = fs::read(file(&board)).unwrap();
    // Found out before anything is done.
    record(&board, &["add", "work", "--id", "new"]).exits(2);
    board.run(&["show", "new"]).exits(5);
    assert_eq!(fs::read(file(&board)).unwrap(), first);
    board.run(&["claim", "--agent", "ann", "--record", "missing/failed.json"]).exits(2);
}

// Where the environment of a fleet names the file, each refusal after the first one said that the file is there and another
// one is to be named, though the help says that only the first is kept; and all of them took notes for nothing.
#[test]
fn commands_after_the_first_that_kept_something_go_on_quietly() {
    let board = hostile(&["mode=refuse"]);
    let claim = || {
        let mut command = board.command(&["claim", "--agent", "bob"]);
        Answer::of(command.env("TASKHOST_RECORD", "failed.json").output().unwrap()).exits(7)
    };
    claim();
    let first = fs::read(file(&board)).unwrap();
    let answer = claim();
    assert!(!answer.stderr.contains("failed.json"), "{answer:?}");
    assert_eq!(fs::read(file(&board)).unwrap(), first);
}

#[test]
fn what_is_no_recording_is_told_in_a_sentence() {
    let board = hostile(&["mode=refuse"]);
    record(&board, &["claim", "--agent", "ann"]).exits(7);
    let whole = fs::read_to_string(file(&board)).unwrap();
    let cases = [
        (String::new(), "isn't a recording"),
        ("{}".into(), "isn't a recording"),
        (whole[..whole.len() / 2].into(), "a damaged one"),
        (whole.replacen("\"notes\"", "\"nodes\"", 1), "a damaged one"),
        (whole.replacen("\"recording\":1", "\"recording\":9", 1), "a newer taskhost"),
    ];
    for (text, part) in cases {
        fs::write(file(&board), text).unwrap();
        let answer = replay(&board, &[]).exits(2);
        let said = answer.text("/error/message");
        assert!(said.contains(part) && !said.contains('\n'), "{said}");
    }
    fs::remove_file(file(&board)).unwrap();
    replay(&board, &[]).exits(2);
}

/// The component with this many bytes more in it that mean nothing.
fn padded(component: &[u8], bytes: usize) -> Vec<u8> {
    let name = b"\x03pad";
    let mut size = name.len() + bytes;
    let mut padded = [component, &[0]].concat();
    while size >= 0x80 {
        padded.push((size as u8 & 0x7f) | 0x80);
        size >>= 7;
    }
    padded.push(size as u8);
    padded.extend_from_slice(name);
    padded.resize(padded.len() + bytes, 0);
    padded
}

#[test]
fn large_policy_is_taken_from_the_board_or_the_command_line() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let large = board.folder().join("large.wasm");
    fs::write(&large, padded(&fs::read(policy("hostile")).unwrap(), 1 << 20)).unwrap();
    set(&board, &large, &["mode=refuse"]);
    record(&board, &["claim", "--agent", "ann"]).exits(7);
    assert!(fs::metadata(file(&board)).unwrap().len() < 1 << 20);
    replay(&board, &[]).exits(7);
    board.remove();
    let answer = replay(&board, &[]).exits(5);
    assert!(answer.text("/error/message").contains("`--policy`"), "{answer:?}");
    replay(&board, &["--policy", large.to_str().unwrap()]).exits(7);
}
