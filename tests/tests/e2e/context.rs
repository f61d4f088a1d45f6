//! Large values beside the board: what agents leave for each other and for later attempts.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use serde_json::json;
use taskhost_tests::{Answer, TestBoard};

#[test]
fn values_are_set_got_appended_to_listed_and_removed() {
    let board = TestBoard::new();
    board.add(&["t"]);
    for whose in [["--task", "t"], ["--agent", "ann lee"]] {
        let run = |command: &str, more: &[&str]| {
            board.run(&[&["context", command], &whose[..], more].concat())
        };
        let missing = run("get", &["notes"]).exits(5);
        assert_eq!(missing.text("/error/code"), "no_such_value");
        let set = run("set", &["notes", "größe"]).exits(0).json();
        assert_eq!(set, json!({ "schema": 1, "key": "notes", "bytes": 7 }));
        assert_eq!(run("append", &["notes", "!"]).exits(0).number("/bytes"), 8);
        assert_eq!(run("append", &["fresh", "a"]).exits(0).number("/bytes"), 1);
        let got = run("get", &["notes"]).exits(0).json();
        assert_eq!(got, json!({ "schema": 1, "key": "notes", "bytes": 8, "text": "größe!" }));
        let list = run("list", &[]).exits(0);
        assert_eq!((list.text("/values/0/key"), list.number("/total")), ("fresh".into(), 2));
        assert_eq!(list.number("/values/1/bytes"), 8);
        assert!(list.text("/values/1/changed_at").ends_with('Z'));
        assert_eq!(run("remove", &["notes"]).exits(0).json()["removed"], true);
        assert_eq!(run("remove", &["notes"]).exits(0).json()["removed"], false);
        assert_eq!(run("list", &[]).exits(0).number("/total"), 1);
    }
    // One's values aren't the other's.
    board.run(&["context", "remove", "--task", "t", "fresh"]).exits(0);
    board.run(&["context", "get", "--agent", "ann lee", "fresh"]).exits(0);
    board.assert_healthy();
}

#[test]
fn bytes_come_back_as_they_were_given() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let bytes: Vec<u8> = (0..=255).cycle().take(3 << 20).collect();
    let file = board.folder().join("core");
    fs::write(&file, &bytes).unwrap();
    let at = format!("@{}", file.display());
    board.run(&["context", "set", "--task", "t", "core", &at]).exits(0);
    let get = board.command(&["context", "get", "--task", "t", "core"]).output().unwrap();
    assert!(get.status.success() && get.stdout == bytes);

    let set = ["context", "set", "--task", "t", "piped", "-"];
    let mut set = board.command(&set).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    set.stdin.take().unwrap().write_all(&[0xff, 0x00]).unwrap();
    assert!(set.wait().unwrap().success());
    let piped = board.run(&["context", "get", "--task", "t", "piped"]).exits(0);
    assert_eq!(piped.json(), json!({ "schema": 1, "key": "piped", "bytes": 2, "base64": "/wA=" }));
}

#[test]
fn mistakes_are_told_apart() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let mistakes: [(&[&str], i32); 8] = [
        (&["context", "get", "--task", "nobody", "k"], 5),
        (&["context", "set", "--task", "nobody", "k", "v"], 5),
        (&["context", "list", "--task", "nobody"], 5),
        (&["context", "set", "k", "v"], 2),
        (&["context", "set", "--task", "t", "--agent", "a", "k", "v"], 2),
        (&["context", "set", "--task", "t", "../k", "v"], 2),
        (&["context", "set", "--task", "t", "output/1/stdout", "v"], 2),
        (&["context", "set", "--task", "t", "k", "@no-such-file"], 2),
    ];
    for (mistake, code) in mistakes {
        board.run(mistake).exits(code);
    }
    let huge = board.folder().join("huge");
    fs::File::create(&huge).unwrap().set_len((64 << 20) + 1).unwrap();
    let at = format!("@{}", huge.display());
    let refused = board.run(&["context", "set", "--task", "t", "k", &at]).exits(2);
    assert!(refused.text("/error/message").contains("64MiB"), "{refused:?}");
}

#[test]
fn of_what_many_append_at_once_nothing_is_lost() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let appends: Vec<_> = (0..16)
        .map(|n| {
            let line = format!("line {n}\n");
            board.start(&["context", "append", "--task", "t", "log", &line, "--timeout", "60s"])
        })
        .collect();
    for append in appends {
        Answer::after(append).exits(0);
    }
    let log = board.run_plain(&["context", "get", "--task", "t", "log"]).exits(0).stdout;
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    let mut expected: Vec<String> = (0..16).map(|n| format!("line {n}")).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

#[test]
fn what_run_left_is_listed_and_read_but_nothing_that_its_command_points_to() {
    let board = TestBoard::new();
    board.add(&["t"]);
    board.run(&["run", "--agents", "1", "--", "sh", "-c", "echo hello; echo oops >&2"]).exits(0);
    let of_attempt = board.outputs().join("output/t/1");
    fs::write(board.folder().join("secret"), "secret").unwrap();
    symlink(board.folder().join("secret"), of_attempt.join("link")).unwrap();
    symlink(board.folder(), board.outputs().join("output/t/2")).unwrap();
    let list = board.run(&["context", "list", "--task", "t"]).exits(0).json();
    let keys: Vec<&str> =
        list["values"].as_array().unwrap().iter().map(|v| v["key"].as_str().unwrap()).collect();
    assert!(keys.contains(&"output/1/stdout") && keys.contains(&"output/1/stderr"), "{keys:?}");
    assert!(!keys.iter().any(|key| key.contains("link") || key.contains("secret")), "{keys:?}");
    let get = |key: &str| board.run_plain(&["context", "get", "--task", "t", key]);
    assert_eq!(get("output/1/stdout").exits(0).stdout, "hello\n");
    let json = board.run(&["context", "get", "--task", "t", "output/1/stderr"]).exits(0);
    assert_eq!(json.text("/text"), "oops\n");
    for key in ["output/1/link", "output/2/secret", "output/7/stdout"] {
        get(key).exits(5);
    }
    for key in ["output/../../board.json", "output/1/../../../board.json", "output//stdout"] {
        get(key).exits(2);
    }
    board.run(&["context", "get", "--agent", "t", "output/1/stdout"]).exits(5);
}
