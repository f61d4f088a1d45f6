//! Names that others chose: none leads out of the board's directory, is taken for one of its own files, or for an option
//! of a command.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use taskhost_tests::TestBoard;

/// What isn't an id, for one reason or another.
fn no_ids() -> Vec<String> {
    let texts = [
        "",
        ".",
        "..",
        "../x",
        "../../x",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "-x",
        "--help",
        "_x",
        ":x",
        " x",
        "x ",
        "x y",
        "x\ny",
        "x\tz",
        "\u{1b}[2J",
        "x\u{202e}y",
        "ä",
        "а",
        "x\u{2215}y",
        "．．",
        "$(id)",
        "`id`",
        "x;id",
        "x*",
        "~",
        "{id}",
        "%2e%2e",
        "x\u{0}y",
    ];
    texts.into_iter().map(String::from).chain(["x".repeat(129)]).collect()
}

pub(crate) fn below(path: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert(path);
    }
    found
}

// An id becomes a part of the names of locks and directories: `../x` made them wherever its author liked.
#[test]
fn what_could_be_a_path_or_an_option_is_no_id_wherever_it_is_given() {
    let board = TestBoard::new();
    board.add(&["t"]);
    // So that every file that a command needs is there.
    board.run(&["context", "set", "--task", "t", "k", "v"]).exits(0);
    board.run(&["lock", "task", "t", "--", "true"]).exits(0);
    let before = (below(board.folder()), board.run(&["history"]).exits(0).stdout);
    for bad in no_ids() {
        // What can't be an argument can be in a line.
        let line = json!({ "type": "work", "id": bad }).to_string();
        let lines = [
            line,
            json!({ "type": "work", "parent": bad }).to_string(),
            json!({ "type": "work", "after": [bad] }).to_string(),
        ];
        for line in lines {
            let mut add = board.command(&["--json", "add", "--from", "-"]);
            add.stdin(std::process::Stdio::piped());
            add.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            let mut add = add.spawn().unwrap();
            use std::io::Write as _;
            add.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
            taskhost_tests::Answer::after(add).exits(2);
        }
        if bad.contains('\0') {
            continue;
        }
        let bad = format!("={bad}");
        let (id, parent) = (format!("--id{bad}"), format!("--parent{bad}"));
        let (session, task) = (format!("--session{bad}"), format!("--task{bad}"));
        let bad = &bad[1..];
        let commands: [&[&str]; 9] = [
            &["add", "work", &id],
            &["add", "work", &parent],
            &["claim", "--agent", "a", &session],
            &["show", "--", bad],
            &["claim", "--agent", "a", "--", bad],
            &["context", "get", &task, "k"],
            &["context", "set", "--task", "t", "--", bad, "v"],
            &["meta", "set", "--", bad, "1"],
            &["explain", "--", bad],
        ];
        for command in commands {
            let answer = board.run(command);
            // `claim` without an id is a command too.
            assert_eq!(answer.code, 2, "{command:?}: {answer:?}");
        }
    }
    let after = (below(board.folder()), board.run(&["history"]).exits(0).stdout);
    assert_eq!(after, before);
}

// A task's type and data are its author's: `make {type}` was one task away from `make --eval=…`, and a fetcher's
// `curl {data.url}` from `curl --config=…`.
#[test]
fn value_of_a_task_never_becomes_an_option_of_the_command_it_is_given_to() {
    let board = TestBoard::new();
    board.run(&["add", "--id", "typed", "--", "--version"]).exits(0);
    let typed = ["run", "--agents", "1", "--max-failures", "5", "--"];
    let run = board.run(&[&typed[..], &["env", "{type}"]].concat()).exits(12);
    assert!(!run.stderr.contains("coreutils"), "{run:?}");
    let why = board.task("typed")["error"].as_str().unwrap().to_owned();
    assert!(why.contains("type begins with `-`") && why.contains("`--`"), "{why}");
    let board = TestBoard::new();
    board.run(&["add", "work", "--id", "data", "--data", r#"{"x": "--version"}"#]).exits(0);
    board.run(&[&typed[..], &["env", "{data.x}"]].concat()).exits(12);
    board.run(&["retry", "data"]).exits(0);
    board.run(&[&typed[..], &["printf", "%s\\n", "--", "{data.x}"]].concat()).exits(0);
    // What begins with a value of a task and isn't one: neither the shell nor we look into it.
    let board = TestBoard::new();
    let data = json!({ "x": "$(touch made); `touch made` {id} {data.x}" });
    board.run(&["add", "work", "--id", "t", "--data", &data.to_string()]).exits(0);
    board.run(&[&typed[..], &["sh", "-c", "printf %s \"$1\"", "sh", "{data.x}"]].concat()).exits(0);
    let said = board.run_plain(&["context", "get", "--task", "t", "output/1/stdout"]).exits(0);
    assert_eq!(said.stdout, data["x"].as_str().unwrap());
    assert!(!board.folder().join("made").exists());
}
