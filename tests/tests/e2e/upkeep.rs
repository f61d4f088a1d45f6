//! A board is looked after: upgraded, made short and measured, and nothing that it holds is lost by that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskhost_tests::{Answer, TestBoard, workspace};

/// All files below `folder`, by their names from there, without what is derived.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, name: &str, all: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = format!("{name}{}", entry.file_name().display());
            if entry.file_type().unwrap().is_dir() {
                if name != "index" {
                    walk(&entry.path(), &format!("{name}/"), all);
                }
            } else {
                all.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(folder, "", &mut all);
    all
}

fn fixture() -> BTreeMap<String, Vec<u8>> {
    files(&workspace().join("tests/fixtures/format-1"))
}

/// A board that the first version has left, as git keeps it: without lock file, index and empty directories.
fn old_board() -> TestBoard {
    let board = TestBoard::missing();
    for (name, content) in fixture() {
        let file = board.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    board
}

/// Everything that happened, as `history` tells it.
pub fn events(board: &TestBoard) -> Vec<Value> {
    let history = board.run(&["history", "--limit", "10000"]).exits(0).json();
    history["events"].as_array().unwrap().clone()
}

/// The tasks of which such an event is told, each as often as it is told.
fn told(board: &TestBoard, event: &str) -> Vec<String> {
    let events = events(board).into_iter().filter(|told| told["event"] == event);
    events.map(|told| told["task"].as_str().unwrap().to_owned()).collect()
}

pub fn list(board: &TestBoard) -> Vec<Value> {
    let list = board.run(&["list", "--limit", "10000"]).exits(0).json();
    list["tasks"].as_array().unwrap().clone()
}

/// A process that claims and completes until nothing is left.
fn drain(board: &TestBoard, name: &str) -> Child {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_worker"));
    worker.arg("drain").arg(board.path()).arg(name);
    worker.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The tasks that workers were told to have completed.
fn acknowledged(workers: Vec<Child>) -> Vec<String> {
    let said = workers.into_iter().map(|worker| Answer::after(worker).exits(0).stdout);
    let said: String = said.collect();
    said.lines().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

// ---- A board of an older version ----

#[test]
fn board_of_an_older_version_is_read_without_being_changed() {
    let board = old_board();
    let views: [&[&str]; 11] = [
        &["list"],
        &["show", "plan"],
        &["tree"],
        &["status"],
        &["history"],
        &["explain", "app"],
        &["policy", "show"],
        &["config", "list"],
        &["export"],
        &["stats"],
        &["doctor"],
    ];
    for view in views {
        let answer = board.run(view).exits(0);
        assert_eq!(answer.stderr, "", "{view:?}");
    }
    assert_eq!((list(&board).len(), events(&board).len()), (9, 19));
    assert!(board.run(&["show", "plan"]).exits(0).stdout.contains("1.50"));
    let mut now = files(&board.path());
    // Git doesn't keep it, and whoever looks at a board takes its lock.
    now.remove("board.lock");
    assert_eq!(now, fixture());
}

#[test]
fn first_change_upgrades_a_board_with_a_notice_and_loses_nothing() {
    let board = old_board();
    let (tasks, happened) = (list(&board), events(&board));
    // The holders' tokens are of the old version, and still good.
    let first = board.run(&["complete", "c4", "--agent", "ada", "--token", "5"]).exits(0);
    assert!(first.stderr.contains("upgraded from format 1 to"), "{first:?}");
    let second = board.run(&["complete", "c2", "--agent", "eve", "--token", "3"]).exits(0);
    assert_eq!(second.stderr, "", "it is upgraded once");
    board.run(&["complete", "c1", "--agent", "eve", "--token", "1"]).exits(4);
    let now = list(&board);
    assert_eq!(now.len(), tasks.len());
    for (before, after) in tasks.iter().zip(&now) {
        match after["id"].as_str().unwrap() {
            "c2" | "c4" => assert_eq!(after["status"], "completed"),
            _ => assert_eq!(before, after),
        }
    }
    assert_eq!(events(&board)[..happened.len()], happened);
    assert!(board.run(&["show", "plan"]).exits(0).stdout.contains("1.50"));
    let lease = board.run(&["policy", "show"]).exits(0).stdout;
    assert!(lease.contains("20m"), "{lease}");
    // What the old version wrote is kept to the letter.
    for name in ["history/journal-1.jsonl", "journal-2.jsonl"] {
        let kept = format!("history/{}", name.rsplit('/').next().unwrap());
        assert!(files(&board.path())[&kept] == fixture()[name]);
    }
    // The old keys still stand for their requests, and are kept for as long as the board is told to.
    board.run(&["config", "set", "keys_kept", "36500d"]).exits(0);
    let data = r#"{"n":1.50,"who":"ada"}"#;
    let plan = ["--priority", "3", "--label", "big", "--data", data, "--key", "k1"];
    for (request, more) in [
        (["add", "chore", "--id", "c4"], &["--key", "k4"][..]),
        (["add", "epic", "--id", "plan"], &plan),
    ] {
        let again = board.run(&[&request[..], more].concat()).exits(0);
        assert_eq!(
            (again.text("/task/id").as_str(), again.json()["repeated"] == true),
            (request[3], true)
        );
    }
    assert_eq!(list(&board).len(), tasks.len());
    let (_, token) = board.claim("new");
    assert!(token.parse::<u64>().unwrap() > 5, "{token}");
    board.assert_healthy();
}

#[test]
fn of_eight_processes_that_make_the_first_change_at_once_one_upgrades_and_all_go_on() {
    let board = old_board();
    let mut changes = vec![
        board.start(&["--timeout", "60s", "complete", "c4", "--agent", "ada", "--token", "5"]),
        board.start(&["--timeout", "60s", "complete", "c2", "--agent", "eve", "--token", "3"]),
    ];
    for n in 0..6 {
        let id = format!("n{n}");
        changes.push(board.start(&["--timeout", "60s", "add", "work", "--id", &id]));
    }
    let ends: Vec<Answer> =
        changes.into_iter().map(|change| Answer::after(change).exits(0)).collect();
    let notices = ends.iter().filter(|end| end.stderr.contains("upgraded from format 1")).count();
    assert_eq!(notices, 1, "{ends:?}");
    let now = list(&board);
    assert_eq!(now.len(), 9 + 6);
    for task in ["c2", "c4"] {
        assert_eq!(board.task(task)["status"], "completed");
    }
    assert_eq!(events(&board).len(), 19 + 8);
    board.assert_healthy();
}

// ---- Short journals ----

/// The names of the retired journals.
fn retired(board: &TestBoard) -> BTreeSet<String> {
    let names = files(&board.path()).into_keys();
    names.filter(|name| name.starts_with("history/journal-")).collect()
}

#[test]
fn journal_is_made_short_by_itself_and_nothing_is_lost() {
    const EACH: usize = 20;
    let board = TestBoard::new();
    board.run(&["config", "set", "compact_size", "64KiB"]).exits(0);
    let data = json!({ "text": "x".repeat(4000) }).to_string();
    std::thread::scope(|scope| {
        for agent in ["a", "b", "c"] {
            let (board, data) = (&board, &data);
            scope.spawn(move || {
                for n in 0..EACH {
                    let id = format!("{agent}{n}");
                    let add = ["add", "work", "--id", &id, "--data", data, "--timeout", "60s"];
                    board.run(&add).exits(0);
                }
            });
        }
    });
    // It is done by a process apart, which nobody waits for; every command begins one if it is due.
    let deadline = Instant::now() + Duration::from_secs(60);
    while retired(&board).is_empty() {
        assert!(Instant::now() < deadline, "nobody has made the journal short");
        board.run(&["status"]).exits(0);
    }
    let acknowledged = acknowledged((0..3).map(|n| drain(&board, &format!("w{n}"))).collect());
    let all: Vec<String> = ["a", "b", "c"]
        .iter()
        .flat_map(|agent| (0..EACH).map(move |n| format!("{agent}{n}")))
        .collect();
    for event in ["added", "claimed", "completed"] {
        assert_eq!(sorted(told(&board, event)), sorted(all.clone()), "{event}");
    }
    assert_eq!(sorted(acknowledged), sorted(all.clone()));
    let tasks = list(&board);
    assert!(tasks.len() == all.len() && tasks.iter().all(|task| task["status"] == "completed"));
    board.assert_healthy();
}

#[test]
fn journal_is_never_made_short_by_itself_if_the_board_says_so() {
    let board = TestBoard::new();
    board.run(&["config", "set", "compact_size", "never"]).exits(0);
    let data = json!({ "text": "x".repeat(40_000) }).to_string();
    for n in 0..4 {
        board.run(&["add", "work", "--id", &format!("t{n}"), "--data", &data]).exits(0);
    }
    assert_eq!(board.run(&["compact", "--if-due"]).exits(0).json()["compacted"], false);
    assert!(retired(&board).is_empty());
    let compacted = board.run(&["compact"]).exits(0);
    assert_eq!((compacted.json()["compacted"].clone(), retired(&board).len()), (json!(true), 1));
    assert!(compacted.number("/journal_bytes") < 64 * 1024, "{compacted:?}");
}

#[test]
fn compaction_while_others_work_loses_nothing() {
    const TASKS: usize = 1500;
    let board = TestBoard::new();
    board.add_many(TASKS, |n, line| line["data"] = json!({ "n": n }));
    let mut workers: Vec<Child> = (0..3).map(|n| drain(&board, &format!("w{n}"))).collect();
    let mut rounds = 0;
    while workers.iter_mut().any(|worker| worker.try_wait().unwrap().is_none()) {
        // Two at once take turns, too.
        for compaction in [0, 1].map(|_| board.start(&["compact", "--timeout", "60s"])) {
            Answer::after(compaction).exits(0);
        }
        rounds += 1;
    }
    assert!(rounds > 1, "the workers were done before anything was compacted");
    let all: Vec<String> = list(&board)
        .iter()
        .map(|task| {
            assert_eq!(task["status"], "completed");
            task["id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(all.len(), TASKS);
    assert_eq!(sorted(acknowledged(workers)), sorted(all.clone()));
    for event in ["added", "claimed", "completed"] {
        assert_eq!(sorted(told(&board, event)), sorted(all.clone()), "{event}");
    }
    board.assert_healthy();
}

// ---- History that isn't kept ----

/// Says that the history begins with this entry, has no hole, and moves with the board.
#[track_caller]
fn assert_begins_with(board: &TestBoard, first: u64) {
    let sequences = |board: &TestBoard| {
        let all = events(board).into_iter().map(|event| event["sequence"].as_u64().unwrap());
        all.collect::<BTreeSet<u64>>()
    };
    let kept = sequences(board);
    let last = *kept.last().unwrap();
    assert_eq!(kept, (first..=last).collect());
    let begins = |board: &TestBoard| {
        let report = board.run(&["doctor"]).exits(0).stdout;
        assert!(report.contains(&format!("it begins with entry {first}:")), "{report}");
    };
    begins(board);
    let written = board.command(&["export"]).output().unwrap().stdout;
    let moved = TestBoard::missing();
    let file = moved.folder().join("board.jsonl");
    fs::write(&file, &written).unwrap();
    moved.run(&["import", file.to_str().unwrap()]).exits(0);
    begins(&moved);
    assert_eq!(sequences(&moved), kept);
    assert_eq!(list(&moved), list(board));
    assert!(moved.command(&["export"]).output().unwrap().stdout == written);
}

#[test]
fn history_beyond_its_size_goes_oldest_first() {
    let board = TestBoard::new();
    let data = json!({ "text": "x".repeat(10_000) }).to_string();
    for n in 1..=4 {
        for part in ["a", "b"] {
            board.run(&["add", "work", "--id", &format!("{part}{n}"), "--data", &data]).exits(0);
        }
        board.run(&["compact"]).exits(0);
    }
    let before = files(&board.path());
    let bytes = |n: u32| before[&format!("history/journal-{n}.jsonl")].len();
    // Room for two, and for the short one in which the setting itself is.
    let room = format!("{}B", bytes(3) + bytes(4) + 5000);
    board.run(&["config", "set", "history_size", &room]).exits(0);
    board.run(&["compact"]).exits(0);
    let kept: Vec<String> = retired(&board).into_iter().collect();
    assert_eq!(kept, [3, 4, 5].map(|n| format!("history/journal-{n}.jsonl")));
    let after = files(&board.path());
    for n in [3, 4] {
        let name = format!("history/journal-{n}.jsonl");
        assert!(after[&name] == before[&name]);
    }
    assert_eq!(told(&board, "added"), ["a3", "b3", "a4", "b4"]);
    // Only what happened is forgotten, not what came of it.
    assert_eq!(list(&board).len(), 8);
    board.run(&["show", "a1"]).exits(0);
    assert_begins_with(&board, 5);
    board.claim("w");
}

#[test]
fn history_beyond_its_age_goes_and_what_is_younger_stays() {
    // What the first version has written was long ago.
    let board = old_board();
    board.run(&["complete", "c4", "--agent", "ada", "--token", "5"]).exits(0);
    board.run(&["compact"]).exits(0);
    assert_eq!(retired(&board).len(), 3);
    board.run(&["config", "set", "history_age", "1h"]).exits(0);
    board.run(&["compact"]).exits(0);
    let kept: Vec<String> = retired(&board).into_iter().collect();
    assert_eq!(kept, ["history/journal-3.jsonl", "history/journal-4.jsonl"]);
    assert_begins_with(&board, 20);
    assert_eq!(list(&board).len(), 9);
    board.claim("w");
}

#[test]
fn history_that_goes_while_it_is_read_is_read_from_where_it_begins_then() {
    const ROUNDS: usize = 12;
    let board = TestBoard::new();
    board.run(&["config", "set", "history_size", "4KiB"]).exits(0);
    let data = json!({ "text": "x".repeat(3000) }).to_string();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..ROUNDS {
                board.run(&["add", "work", "--id", &format!("t{n}"), "--data", &data]).exits(0);
                board.run(&["compact"]).exits(0);
            }
        });
        while !writer.is_finished() {
            board.assert_healthy();
            events(&board);
            let written = board.command(&["export"]).output().unwrap();
            assert!(written.status.success(), "{written:?}");
            let moved = TestBoard::missing();
            let file = moved.folder().join("board.jsonl");
            fs::write(&file, &written.stdout).unwrap();
            moved.run(&["import", file.to_str().unwrap()]).exits(0);
            moved.assert_healthy();
        }
    });
    assert_eq!(list(&board).len(), ROUNDS);
    let left = retired(&board);
    assert!(left.len() < ROUNDS / 2, "{left:?}");
    board.assert_healthy();
}

// ---- Figures ----

#[test]
fn figures_of_many_processes_add_up() {
    const EACH: u64 = 8;
    let board = TestBoard::new();
    std::thread::scope(|scope| {
        for agent in 0..4 {
            let board = &board;
            scope.spawn(move || {
                for n in 0..EACH {
                    let id = format!("a{agent}-{n}");
                    board.run(&["add", "work", "--id", &id, "--timeout", "60s"]).exits(0);
                }
            });
        }
    });
    let done = acknowledged((0..3).map(|n| drain(&board, &format!("w{n}"))).collect()).len() as u64;
    assert_eq!(done, 4 * EACH);
    let stats = board.run(&["stats"]).exits(0);
    assert!(stats.number("/counts/transactions") >= 3 * done, "{stats:?}");
    assert_eq!(stats.number("/counts/claims"), done);
    assert_eq!(stats.number("/counts/timed_out"), 0);
    // Each worker was told once that nothing is left.
    assert_eq!(stats.number("/counts/nothing"), 3);
    let json = stats.json();
    let processes = json["processes"].as_array().unwrap();
    assert_eq!(processes.len() as u64, 1 + done + 3 + 1, "init, add, the workers, and this one");
    for (name, all) in json["counts"].as_object().unwrap() {
        let each = processes.iter().map(|process| process["counts"][name].as_u64().unwrap());
        assert_eq!(all.as_u64().unwrap(), each.sum::<u64>(), "{name}");
    }
    let times = json["times"].as_object().unwrap();
    for (name, time) in times {
        let each = processes.iter().filter_map(|process| process["times"][name]["count"].as_u64());
        assert_eq!(time["count"].as_u64().unwrap(), each.sum::<u64>(), "{name}");
        let bounds = ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"];
        assert!(bounds.map(|bound| time[bound].as_u64().unwrap()).is_sorted(), "{name}: {time}");
    }
    let count = |name: &str| times[name]["count"].as_u64().unwrap();
    assert!(count("lock_wait") >= 3 * done && count("sync") > 0 && count("assignment") >= done);
    let alive = processes.iter().filter(|process| process["alive"] == true).count();
    assert_eq!(alive, 1, "only the one that tells");
    let disk = json["disk"].as_object().unwrap();
    let parts = disk.iter().filter(|(name, _)| *name != "total_bytes");
    let sum: u64 = parts.map(|(_, bytes)| bytes.as_u64().unwrap()).sum();
    assert!(sum > 0 && disk["journal_bytes"].as_u64().unwrap() > 0, "{disk:?}");
    assert!(disk["total_bytes"].as_u64().unwrap() >= sum, "{disk:?}");
}

// ---- Repair ----
