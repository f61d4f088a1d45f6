//! Four clients, two of each library, work off one board, and some of them die midway.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::{Value, json};
use taskhost_tests::TestBoard;

use crate::client::{Library, kill_server, server_of};
use crate::server::Server;

/// A board where parents come after their children, and nothing comes back by its lease.
fn board(groups: usize) -> TestBoard {
    let board = TestBoard::with(&["--setting", "parent=children-first", "--setting", "lease=1h"]);
    let mut lines = String::new();
    let mut add = |task: Value| lines += &format!("{task}\n");
    for group in 0..groups {
        let part = |n: usize| format!("g{group:02}-{n}");
        add(json!({ "id": format!("g{group:02}"), "type": "epic" }));
        for n in 0..4 {
            // The second and third wait for the first, the fourth for both; some first ones for an earlier group.
            let after: Vec<String> = match n {
                0 if group >= 4 => vec![format!("g{:02}", group - 4)],
                0 => vec![],
                3 => vec![part(1), part(2)],
                _ => vec![part(0)],
            };
            let parent = format!("g{group:02}");
            add(json!({ "id": part(n), "type": "code", "parent": parent, "after": after }));
        }
    }
    let file = board.folder().join("plan.jsonl");
    fs::write(&file, lines).unwrap();
    board.run(&["add", "--from", &file.to_string_lossy()]).exits(0);
    board
}

/// A client that works until the board is empty.
struct Worker {
    child: Child,
}

impl Worker {
    /// One that stops at its claims of these numbers, with the task in its hands.
    fn start(library: Library, board: &TestBoard, name: &str, stops_at: &str) -> Self {
        let mut script = library.script("worker");
        script.arg(Server::on(board, &[]).for_client(name)).arg(done(board)).arg(stops_at);
        Self { child: script.spawn().unwrap() }
    }

    /// Waits until it has stopped, with a task in its hands, and says which.
    fn holding(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line.strip_prefix("holding ").unwrap().trim().to_owned()
    }

    /// Lets it go on after it had stopped.
    fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it go on, if it had stopped, and gives its exit code.
    fn end(mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code()
    }
}

/// Where each worker leaves a file for each task that it has done.
fn done(board: &TestBoard) -> PathBuf {
    let folder = board.folder().join("done");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// All that happened, oldest first.
fn history(board: &TestBoard) -> Vec<Value> {
    let history = board.run(&["history", "--limit", "100000"]).exits(0).json();
    assert_eq!(history["total"], history["events"].as_array().unwrap().len());
    history["events"].as_array().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Checks that every task was done once and after all that it waits for, by what the workers left and by the history; and
/// gives what was recovered, with the cause.
fn check(board: &TestBoard, tasks: usize) -> BTreeMap<String, String> {
    let listed = board.run(&["list", "--limit", "1000"]).exits(0).json();
    assert_eq!(listed["total"], tasks);
    let listed = listed["tasks"].as_array().unwrap();
    // Each file was made by who found none: twice would have been an error of a worker's.
    let left = files(&done(board));
    assert_eq!(left, listed.iter().map(|task| text(&task["id"])).collect());
    let mut completed = BTreeMap::new();
    let mut recovered = BTreeMap::new();
    for (at, event) in history(board).iter().enumerate() {
        match event["event"].as_str().unwrap() {
            "completed" => {
                let before = completed.insert(text(&event["task"]), at);
                assert_eq!(before, None, "completed twice: {event}");
            }
            "recovered" => {
                let cause = text(&event["details"]["cause"]);
                recovered.insert(text(&event["task"]), cause);
            }
            _ => {}
        }
    }
    for task in listed {
        let id = text(&task["id"]);
        assert_eq!(task["status"], "completed", "{task}");
        for other in task["after"].as_array().unwrap() {
            assert!(completed[&text(other)] < completed[&id], "{id} before {other}");
        }
        if let Some(parent) = task["parent"].as_str() {
            assert!(completed[&id] < completed[parent], "{parent} before {id}");
        }
    }
    board.assert_healthy();
    recovered
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Starts these clients and has them begin together, each with its first task.
fn begin<const N: usize>(
    board: &TestBoard,
    clients: [(Library, &str); N],
    stops_at: &str,
) -> [Worker; N] {
    clients.map(|(library, name)| Worker::start(library, board, name, stops_at))
}

#[test]
fn two_hundred_tasks_are_each_done_once_though_two_of_four_clients_are_killed() {
    let board = board(40);
    let mut dying =
        begin(&board, [(Library::Python, "py-1"), (Library::TypeScript, "ts-1")], "1,3");
    let mut living = begin(&board, [(Library::Python, "py-2"), (Library::TypeScript, "ts-2")], "1");
    for worker in dying.iter_mut().chain(&mut living) {
        worker.holding();
    }
    for worker in dying.iter_mut().chain(&mut living) {
        worker.go_on();
    }
    let held = dying.each_mut().map(Worker::holding);
    // The clients, not their servers, which have to notice by themselves.
    for worker in dying {
        worker.kill();
    }
    for worker in living {
        assert_eq!(worker.end(), Some(0));
    }
    let recovered = check(&board, 200);
    assert_eq!(recovered, held.into_iter().map(|id| (id, "holder_dead".to_owned())).collect());
}

#[test]
fn what_a_killed_server_held_comes_back_at_once_and_its_client_hears_of_it() {
    let board = board(8);
    let mut dying = begin(&board, [(Library::Python, "py-1"), (Library::TypeScript, "ts-1")], "3");
    let [mut living] = begin(&board, [(Library::TypeScript, "ts-2")], "1");
    living.holding();
    let held = dying.each_mut().map(Worker::holding);
    living.go_on();
    for worker in &dying {
        kill_server(server_of(&worker.child));
    }
    assert_eq!(living.end(), Some(0), "it goes on meanwhile");
    // What they held isn't theirs any more, and they have done nothing about it.
    for worker in dying {
        assert_eq!(worker.end(), Some(3), "its server is gone");
    }
    let recovered = check(&board, 40);
    assert_eq!(recovered, held.into_iter().map(|id| (id, "holder_dead".to_owned())).collect());
}
