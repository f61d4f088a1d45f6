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

fn below(path: &Path) -> BTreeSet<PathBuf> {
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

// Tasks may be called what the board's own files are called: their names never meet.
#[test]
fn task_may_have_the_name_of_any_file_of_the_board() {
    let board = TestBoard::new();
    let ids = [
        "board.json",
        "board.lock",
        "board",
        "shared",
        "stats",
        "index",
        "locks",
        "journal-1.jsonl",
        "tasks-1.jsonl",
        "task",
        "agent",
        "policy_quota",
        "board-inside",
        "switch",
        "context_0",
        "t",
        "t.lock",
        "t.holder",
        "t.lock.holder",
        "task.json",
        "stdout",
        "T",
        "1",
        "CON",
        "nul",
        "a:b",
    ];
    board.add(&ids);
    for id in ids {
        board.run(&["context", "set", "--task", id, id, id]).exits(0);
        let session = format!("--session={id}");
        let inside = ["lock", "task", id, "--", "true"];
        board.run(&inside).exits(0);
        let claimed = board.run(&["claim", id, "--agent", "a", &session]).exits(0);
        assert_eq!(claimed.text("/task/id"), id);
        board
            .run(&[
                "release",
                id,
                "--agent",
                "a",
                "--token",
                &claimed.number("/task/claim/token").to_string(),
            ])
            .exits(0);
    }
    board.run(&["run", "--agents", "2", "--", "sh", "-c", "echo $TASKHOST_TASK"]).exits(0);
    for id in ids {
        let said = board.run_plain(&["context", "get", "--task", id, "output/1/stdout"]).exits(0);
        assert_eq!(said.stdout, format!("{id}\n"));
        assert_eq!(board.run_plain(&["context", "get", "--task", id, id]).exits(0).stdout, id);
    }
    board.run(&["compact"]).exits(0);
    board.assert_healthy();
}

// An agent's name may hold anything that can be shown, so it is encoded where it becomes a directory's name.
#[test]
fn agents_name_is_no_path() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let outside = |path: &PathBuf| !path.starts_with(board.path());
    let before: Vec<PathBuf> = below(board.folder()).into_iter().filter(outside).collect();
    for name in ["../../../x", "/tmp/x", ".", "..", "a/b", "~", "-x", "$(id)", "．．／x"] {
        let agent = format!("--agent={name}");
        board.run(&["context", "set", &agent, "k", name]).exits(0);
        assert_eq!(board.run_plain(&["context", "get", &agent, "k"]).exits(0).stdout, name);
        let claimed = board.run(&["claim", &agent]).exits(0);
        assert_eq!(claimed.text("/task/claim/agent"), name);
        let token = claimed.number("/task/claim/token").to_string();
        board.run(&["release", "t", &agent, "--token", &token]).exits(0);
    }
    let after: Vec<PathBuf> = below(board.folder()).into_iter().filter(outside).collect();
    assert_eq!(after, before);
    for path in below(&board.path().join("context")) {
        let depth = path.strip_prefix(board.path()).unwrap().components().count();
        assert!(depth <= 4 && !path.file_name().unwrap().to_string_lossy().starts_with(".."));
    }
    board.assert_healthy();
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
