//! What `hazards` says of boards in files alone.

use std::fs;

use taskhost_tests::{Answer, TestBoard};

use crate::hazards::ended;

// Recovery that several processes began at once damaged what it should have mended. Here they find a torn end and no
// index, all at one moment; one of them mends, under the lock, and what it sets aside is there once.
#[test]
fn of_many_processes_that_find_a_torn_board_one_mends_it() {
    let board = TestBoard::new();
    board.add(&["a", "b"]);
    let journal = board.path().join("journal-1.jsonl");
    let whole = fs::read(&journal).unwrap();
    for round in 0..3 {
        let mut torn = fs::read(&journal).unwrap();
        torn.extend_from_slice(b"{\"seq\":99,\"half of a li");
        fs::write(&journal, torn).unwrap();
        fs::remove_dir_all(board.path().join("index")).unwrap();
        let many = (0..8).map(|n| {
            let id = format!("r{round}-{n}");
            board.start(&["--timeout", "60s", "add", "work", "--id", &id])
        });
        for answer in ended(many.collect()) {
            answer.exits(0);
        }
    }
    assert!(fs::read(&journal).unwrap().starts_with(&whole));
    let history = fs::read_dir(board.path().join("history")).unwrap();
    let dropped = history.filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("dropped-")
    });
    assert_eq!(dropped.count(), 3, "each torn end is kept once");
    assert_eq!(board.run(&["list", "--limit", "100"]).exits(0).number("/total"), 2 + 3 * 8);
    board.assert_healthy();
}

// A hint named a command that deletes, and an agent pasted it: 247 issues were gone (beads' changelog). So nothing that
// is printed by itself, on success or failure, is a command that destroys; the manual, which is asked for, may name one.
#[test]
fn no_answer_and_no_hint_names_a_command_that_destroys() {
    let board = TestBoard::missing();
    let mut said: Vec<(String, Answer)> = Vec::new();
    let mut say = |arguments: &[&str]| {
        said.push((arguments.join(" "), board.run_plain(arguments)));
        said.push((arguments.join(" "), board.run(arguments)));
    };
    say(&["list"]);
    for command in [
        &["init"][..],
        &["add", "work", "--id", "a"],
        &["add", "work", "--id", "b", "--after", "a"],
        &["add", "work", "--id", "c", "--parent", "b"],
        &["add", "work", "--id", "a", "--priority", "7"],
        &["add", "work", "--id", "x", "--after", "missing"],
        &["claim", "a", "--agent", "ada"],
        &["claim", "a", "--agent", "bob"],
        &["claim", "--agent", "bob"],
        &["complete", "a", "--agent", "bob", "--token", "9"],
        &["complete", "a", "--agent", "bob"],
        &["release", "a"],
        &["update", "missing", "--priority", "1"],
        &["update", "b", "--parent", "c"],
        &["archive", "a"],
        &["archive", "b"],
        &["cancel", "b"],
        &["retry", "a"],
        &["unblock", "a"],
        &["review", "a"],
        &["show", "missing"],
        &["explain", "b"],
        &["explain", "--agent", "bob"],
        &["status"],
        &["tree"],
        &["stats"],
        &["context", "get", "--task", "a", "missing"],
        &["meta", "get", "missing"],
        &["config", "get", "missing"],
        &["policy", "show"],
        &["policy", "set", "missing.wasm"],
        &["import", "missing"],
        &["compact"],
        &["doctor"],
        &["run", "--agents", "1", "--type", "none", "--", "false"],
        &["run", "--agents", "1", "--", "no-such-program"],
        &["nonsense"],
    ] {
        say(command);
    }
    // What is said of damage, too.
    let journal = board.path().join("journal-2.jsonl");
    let mut bytes = fs::read(&journal).unwrap_or_default();
    bytes.splice(0..0, *b"garbage in front\n");
    fs::write(&journal, bytes).unwrap();
    fs::remove_dir_all(board.path().join("index")).unwrap();
    for command in [&["list"][..], &["add", "work"], &["doctor"], &["doctor", "--repair"]] {
        say(command);
    }
    fs::remove_file(board.path().join("board.json")).unwrap();
    for command in [&["list"][..], &["init"], &["doctor"], &["doctor", "--repair"]] {
        say(command);
    }
    let destroys = [
        "taskhost cancel",
        "taskhost archive",
        "taskhost unset",
        "config unset",
        "meta unset",
        "context remove",
        "release --force",
        "--repair --lossy",
        "rm -",
        "rm ",
        "rmdir",
        "unlink ",
        "--cascade",
        "init --force",
    ];
    assert!(said.len() > 80);
    for (command, answer) in &said {
        for text in [&answer.stdout, &answer.stderr] {
            for destroying in destroys {
                assert!(!text.contains(destroying), "`{command}` says `{destroying}`: {text}");
            }
        }
    }
    assert!(said.iter().any(|(_, answer)| answer.code == 9), "damage was spoken of");
}
