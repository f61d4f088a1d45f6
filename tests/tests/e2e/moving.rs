//! A board moves whole: what `export` writes, `import` makes the same board of, or no board at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use taskhost::domain::transfer::Seal;
use taskhost_tests::{Answer, TestBoard, policy};

/// A board with something of everything, and the token by which `ada` holds the task `held`.
pub(crate) fn rich() -> (TestBoard, String) {
    let board = TestBoard::with(&["--setting", "cascade=block"]);
    let run = |arguments: &[&str]| board.run(arguments).exits(0);
    let data = r#"{"n":1.50,"big":12345678901234567890123,"e":1E+2,"who":"größe"}"#;
    run(&["add", "goal", "--id", "goal", "--priority", "9", "--label", "big", "--data", data]);
    run(&["add", "part", "--id", "part", "--parent", "goal", "--needs", "gpu", "--label", "late"]);
    run(&["add", "work", "--id", "waiting", "--after", "part", "--assignee", "bob"]);
    run(&["add", "work", "--id", "timed", "--not-before", "2099-01-01T00:00:00Z"]);
    board.add(&["gone", "failed", "review", "blocked", "cancelled", "handed-back", "held"]);
    run(&["add", "work", "--id", "keyed", "--key", "k-add"]);
    finish(&board, "goal", &["complete", "--result", r#"{"size":0.10}"#]);
    finish(&board, "gone", &["complete"]);
    finish(&board, "failed", &["fail", "--error", "no disk left"]);
    finish(&board, "handed-back", &["release"]);
    run(&["archive", "gone"]);
    run(&["block", "blocked", "--reason", "which licence?"]);
    run(&["cancel", "cancelled"]);
    // A policy that answers something else than what was asked has its work looked at by people.
    let hostile = policy("hostile");
    let lie = ["--setting", "hook=lifecycle", "--setting", "mode=lie"];
    run(&[&["policy", "set", hostile.to_str().unwrap()], &lie[..]].concat());
    finish(&board, "review", &["complete"]);
    run(&["policy", "set", policy("newest-first").to_str().unwrap()]);
    let held = ["claim", "held", "--agent", "ada", "--lease", "9h", "--key", "k-claim"];
    let token = run(&held).number("/task/claim/token").to_string();
    run(&["config", "set", "fallback", "true"]);
    run(&["config", "set", "keys_kept", "30d"]);
    run(&["meta", "set", "ratio", r#"{"is":2.500}"#]);
    run(&["meta", "set", "branch", "--text", "release-7"]);
    run(&["context", "set", "--agent", "ann lee", "learned", "the linker needs 8 GiB"]);
    let binary = board.folder().join("binary");
    fs::write(&binary, binary_value()).unwrap();
    run(&["context", "set", "--task", "held", "core", &format!("@{}", binary.display())]);
    // Neither all of it in one journal nor all of it retired.
    run(&["compact"]);
    run(&["add", "work", "--id", "newest"]);
    (board, token)
}

fn binary_value() -> Vec<u8> {
    (0..=255).cycle().take(100_000).collect()
}

/// Claims the task and ends the claim by this command.
fn finish(board: &TestBoard, id: &str, by: &[&str]) {
    let claimed = board.run(&["claim", id, "--agent", "ada"]).exits(0);
    let token = claimed.number("/task/claim/token").to_string();
    board.run(&[by, &[id, "--agent", "ada", "--token", &token]].concat()).exits(0);
}

pub(crate) fn export(board: &TestBoard) -> Vec<u8> {
    let output = board.command(&["export"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Tries to make a board of these bytes at the place of `board`.
pub(crate) fn import(board: &TestBoard, bytes: &[u8]) -> Answer {
    let file = board.folder().join("board.jsonl");
    fs::write(&file, bytes).unwrap();
    board.run(&["import", file.to_str().unwrap()])
}

fn imported(bytes: &[u8]) -> TestBoard {
    let board = TestBoard::missing();
    import(&board, bytes).exits(0);
    board
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Says that these bytes are refused, gives the line that is named, and says that nothing is in the way afterwards.
#[track_caller]
fn refused(bytes: &[u8], whole: &[u8]) -> (u64, String) {
    let board = TestBoard::missing();
    let answer = import(&board, bytes).exits(2);
    let (line, message) = (answer.number("/error/line"), answer.text("/error/message"));
    assert_eq!(answer.text("/error/code"), "invalid_import");
    assert!(message.contains(&format!("line {line}")), "{message}");
    assert!(taskhost::Board::open(board.address()).is_err());
    board.run(&["list"]).exits(5);
    import(&board, whole).exits(0);
    assert!(export(&board) == whole, "what was refused has left a trace");
    (line, message)
}

#[test]
fn exported_and_imported_board_is_the_same_to_the_byte() {
    let (board, _) = rich();
    let written = export(&board);
    let moved = imported(&written);
    assert!(export(&moved) == written);
    let views: [&[&str]; 7] = [
        &["list"],
        &["history", "--limit", "10000"],
        &["tree"],
        &["config", "list"],
        &["meta", "list"],
        &["explain", "waiting"],
        &["context", "get", "--agent", "ann lee", "learned"],
    ];
    for view in views {
        let (here, there) = (board.run(view), moved.run(view));
        assert_eq!((here.code, &here.stdout), (there.code, &there.stdout), "{view:?}");
    }
    // What asking them took was measured on each board by itself.
    let policies = |board: &TestBoard| {
        let shown = board.run(&["policy", "show"]).exits(0).json();
        (shown["leading"].clone(), shown["standard"].clone())
    };
    assert_eq!(policies(&board), policies(&moved));
    let core = moved.command(&["context", "get", "--task", "held", "core"]).output().unwrap();
    assert!(core.stdout == binary_value());
    // The digits are those that were given, not those that a computer's numbers would make of them.
    let goal = moved.run(&["show", "goal"]).exits(0).stdout;
    for digits in ["1.50", "12345678901234567890123", "0.10"] {
        assert!(goal.contains(digits), "{goal}");
    }
    assert!(moved.run(&["meta", "get", "ratio"]).exits(0).stdout.contains("2.500"));
    for status in
        ["pending", "in_progress", "in_review", "blocked", "completed", "failed", "cancelled"]
    {
        let here = moved.run(&["list", "--status", status]).exits(0).number("/total");
        assert!(here > 0, "the board has no task that is {status}, so this shows nothing about it");
    }
    moved.run(&["show", "gone"]).exits(5);
    assert_eq!(moved.run(&["history", "gone", "--event", "archived"]).exits(0).number("/total"), 1);
    moved.assert_healthy();
}

#[test]
fn on_an_imported_board_claims_keys_tokens_and_the_policy_go_on() {
    let (board, token) = rich();
    let moved = imported(&export(&board));
    let again = ["claim", "held", "--agent", "ada", "--lease", "9h", "--key", "k-claim"];
    assert_eq!(moved.run(&again).exits(0).number("/task/claim/token").to_string(), token);
    let stale = (token.parse::<u64>().unwrap() - 1).to_string();
    moved.run(&["complete", "held", "--agent", "ada", "--token", &stale]).exits(4);
    moved.run(&["complete", "held", "--agent", "ada", "--token", &token]).exits(0);
    let total = moved.run(&["list"]).exits(0).number("/total");
    let add = ["add", "work", "--id", "keyed", "--key", "k-add"];
    assert_eq!(moved.run(&add).exits(0).text("/task/id"), "keyed");
    assert_eq!(moved.run(&["list"]).exits(0).number("/total"), total);
    moved.run(&["add", "work", "--id", "other", "--key", "k-add"]).exits(10);
    // The newest first, as the board's own policy wants it, with a token that nobody ever had.
    let mut last: u64 = token.parse().unwrap();
    for expected in ["newest", "keyed"] {
        let (id, token) = moved.claim("eve");
        let token: u64 = token.parse().unwrap();
        assert!(id == expected && token > last, "{id}, {token} after {last}");
        moved.run(&["complete", &id, "--agent", "eve", "--token", &token.to_string()]).exits(0);
        last = token;
    }
    moved.assert_healthy();
    // And what happens there doesn't happen here.
    assert_eq!(board.task("held")["status"], "in_progress");
}

#[test]
fn export_goes_through_a_pipe_and_a_file_alike() {
    let (board, _) = rich();
    let file = board.folder().join("copy.jsonl");
    board.run(&["export", file.to_str().unwrap()]).exits(0);
    let written = fs::read(&file).unwrap();
    let moved = TestBoard::missing();
    let mut from = board.command(&["export", "-"]).stdout(Stdio::piped()).spawn().unwrap();
    let pipe = from.stdout.take().unwrap();
    let answer =
        Answer::of(moved.command(&["--json", "import", "-"]).stdin(pipe).output().unwrap());
    assert!(from.wait().unwrap().success());
    assert_eq!(answer.exits(0).number("/tasks"), board.run(&["list"]).exits(0).number("/total"));
    assert!(export(&moved) == written);
}

#[test]
fn export_never_overwrites_a_file() {
    let board = TestBoard::new();
    let file = board.folder().join("precious");
    fs::write(&file, "keep me").unwrap();
    let refused = board.run(&["export", file.to_str().unwrap()]).exits(10);
    assert!(refused.text("/error/message").contains("exists already"), "{refused:?}");
    assert_eq!(fs::read(&file).unwrap(), b"keep me");
}

#[test]
fn export_says_with_json_how_many_lines_are_in_the_file() {
    let board = TestBoard::new();
    let file = board.folder().join("copy.jsonl");
    let answer = board.run(&["export", file.to_str().unwrap()]).exits(0);
    assert_eq!(answer.number("/lines"), lines(&fs::read(&file).unwrap()).len() as u64);
    assert_eq!(answer.text("/file"), file.to_str().unwrap());
}

#[test]
fn export_ends_quietly_once_nobody_reads_it() {
    let (board, _) = rich();
    let mut command = board.command(&["export"]);
    let mut export = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    // What was read ahead is lost with the reader, as it is with `head`.
    BufReader::with_capacity(1, export.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"header\":"), "{first}");
    let end = Answer::after(export).exits(0);
    assert_eq!(end.stderr, "");
}

#[test]
fn of_several_imports_at_one_place_one_makes_the_board() {
    let (board, _) = rich();
    let whole = export(&board);
    let place = TestBoard::missing();
    let file = place.folder().join("board.jsonl");
    fs::write(&file, &whole).unwrap();
    let import = ["import", file.to_str().unwrap(), "--timeout", "60s"];
    let imports: Vec<_> = (0..4).map(|_| place.start(&import)).collect();
    let mut codes: Vec<i32> = imports.into_iter().map(|end| Answer::after(end).code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 10, 10, 10]);
    assert!(export(&place) == whole);
    place.assert_healthy();
}

#[test]
fn export_that_was_cut_off_anywhere_is_refused_with_the_line() {
    let (board, _) = rich();
    let whole = export(&board);
    let lines = lines(&whole);
    let mut at = 0;
    for (number, line) in lines.iter().enumerate() {
        let expected = number as u64 + 1;
        // Between two lines, which a check of each line by itself would miss, and in the middle of one.
        for cut in [at, at + line.len() / 2] {
            // Each place in a big board's export would take a while; every third line has all kinds.
            if number % 3 == 0 || number + 1 == lines.len() {
                assert_eq!(refused(&whole[..cut], &whole).0, expected);
            }
        }
        at += line.len();
    }
    // Without its last line end it isn't whole either.
    assert_eq!(refused(&whole[..whole.len() - 1], &whole).0, lines.len() as u64);
    // Two boards in one stream aren't one.
    let (_, why) = refused(&[&whole[..], b"{}\n"].concat(), &whole);
    assert!(why.contains("follows the end"), "{why}");
}

#[test]
fn export_of_which_a_byte_was_changed_is_refused() {
    let (board, _) = rich();
    let whole = export(&board);
    let lines = lines(&whole);
    for kind in ["header", "component", "entry", "record", "context", "end"] {
        let start = format!("{{\"{kind}\":");
        let changed = lines.iter().position(|line| line.starts_with(start.as_bytes())).unwrap();
        let before: usize = lines[..changed].iter().map(|line| line.len()).sum();
        // A digit or a letter becomes its neighbour: it may well still be a line that one could read.
        let mut bytes = whole.clone();
        let middle = before + lines[changed].len() / 2;
        let place = (middle..).find(|at| bytes[*at].is_ascii_alphanumeric()).unwrap();
        bytes[place] ^= 1;
        let (named, why) = refused(&bytes, &whole);
        let (changed, last) = (changed as u64 + 1, lines.len() as u64);
        assert!(
            named == changed || named == last && why.contains("some line above was changed"),
            "line {changed} was changed: {why}"
        );
    }
}

#[test]
fn export_without_a_policy_that_it_needs_is_refused_although_its_checksum_is_right() {
    let (board, _) = rich();
    let whole = export(&board);
    let lines = lines(&whole);
    let components: Vec<usize> =
        (0..lines.len()).filter(|at| lines[*at].starts_with(b"{\"component\"")).collect();
    assert_eq!(components.len(), 2, "the board's own policy, and the standard one behind it");
    for missing in components {
        let mut seal = Seal::default();
        let mut forged = Vec::new();
        for (at, line) in lines[..lines.len() - 1].iter().enumerate() {
            if at != missing {
                seal.add(line);
                forged.extend_from_slice(line);
            }
        }
        forged.extend(seal.end().encode().unwrap());
        let component: Value = serde_json::from_slice(lines[missing]).unwrap();
        let digest = component["component"]["digest"].as_str().unwrap();
        let (line, why) = refused(&forged, &whole);
        assert!(why.contains(digest) && why.contains("missing"), "{why}");
        assert_eq!(line, lines.len() as u64 - 1, "it is missing at the end");
    }
}

/// What each task of an export is, by its history and by its records: at one instant, they say the same.
fn told_twice(written: &[u8]) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let (mut happened, mut held) = (BTreeMap::new(), BTreeMap::new());
    let mut sequence = 0;
    let mut expected = Value::Null;
    for line in lines(written) {
        let line: Value = serde_json::from_slice(line).unwrap();
        if let Some(header) = line.get("header") {
            expected = header["sequence"].clone();
        }
        if let Some(task) = line.pointer("/record/task") {
            held.insert(task["id"].to_string(), task["status"].to_string());
        }
        let Some(entry) = line.get("entry") else { continue };
        sequence += 1;
        assert_eq!(entry["sequence"], sequence, "the history is one piece");
        for change in entry["entry"]["changes"].as_array().unwrap() {
            for (what, change) in change.as_object().unwrap() {
                let status = match what.as_str() {
                    "added" | "finished" => change["status"].clone(),
                    "claimed" => json!("in_progress"),
                    _ => continue,
                };
                happened.insert(change["id"].to_string(), status.to_string());
            }
        }
    }
    assert_eq!(expected, sequence, "the history goes up to the instant that the header names");
    (happened, held)
}

#[test]
fn export_is_one_instant_of_a_board_on_which_others_go_on_working() {
    const TASKS: usize = 1500;
    let board = TestBoard::new();
    board.add_many(TASKS, |n, line| line["data"] = json!({ "n": n }));
    let mut workers: Vec<_> = (0..4)
        .map(|n| {
            let mut worker = Command::new(env!("CARGO_BIN_EXE_worker"));
            worker.arg("drain").arg(board.address().as_os_str()).arg(format!("w{n}"));
            worker.stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let outs: Vec<_> = workers
        .iter_mut()
        .map(|worker| {
            let mut out = BufReader::new(worker.stdout.take().unwrap());
            let mut first = String::new();
            out.read_line(&mut first).unwrap();
            (first, out)
        })
        .collect();
    // Each has completed something by now, and goes on. It is exported until nothing is open.
    let mut instants = Vec::new();
    loop {
        let written = export(&board);
        let (happened, held) = told_twice(&written);
        assert_eq!(happened, held);
        assert_eq!(held.len(), TASKS);
        let completed = held.values().filter(|status| status.contains("completed")).count();
        for (first, _) in &outs {
            let id = json!(first.split(' ').nth(1).unwrap()).to_string();
            assert!(held[&id].contains("completed"), "{first} was acknowledged before the export");
        }
        instants.push((completed, written));
        if completed == TASKS {
            break;
        }
    }
    for worker in &mut workers {
        assert!(worker.wait().unwrap().success());
    }
    assert!(instants[0].0 < TASKS, "the workers were done before anything was exported");
    assert!(instants.is_sorted_by_key(|(completed, _)| *completed));
    // Any of them is a board on which one can go on.
    let (completed, first) = &instants[0];
    let moved = imported(first);
    assert!(&export(&moved) == first);
    moved.assert_healthy();
    let left = moved.run(&["list", "--status", "pending"]).exits(0).number("/total");
    let held = moved.run(&["list", "--status", "in_progress"]).exits(0).number("/total");
    assert_eq!(usize::try_from(left + held).unwrap(), TASKS - completed);
    if left > 0 {
        moved.claim("eve");
    }
}
