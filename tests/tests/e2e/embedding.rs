//! The agent runtimes that embedders are shown: each works off a board beside one that is killed, so that every task is
//! completed once; lets go of what isn't wanted any more; and hands back what it holds when it is told to stop.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use taskhost_tests::{TestBoard, node, signal, taskhost, workspace};

/// A runtime, by what it takes to start it for an agent of this name.
type Start = fn(&TestBoard, &str) -> Command;

fn in_rust(board: &TestBoard, name: &str) -> Command {
    let runtime = taskhost().with_file_name("examples").join("agent_runtime");
    assert!(runtime.is_file(), "there is no `{}`: run `cargo build --examples`", runtime.display());
    let mut command = Command::new(runtime);
    command.arg(board.address().as_os_str()).args([name, "3"]);
    command
}

fn in_javascript(board: &TestBoard, name: &str) -> Command {
    let mut command = node();
    command
        .arg(workspace().join("host/cli/examples/agent.mjs"))
        .arg(board.address().as_os_str())
        .arg(name);
    let path = std::env::var("PATH").unwrap_or_default();
    let beside: PathBuf = taskhost().parent().unwrap_or(Path::new("/")).into();
    command.env("PATH", format!("{}:{path}", beside.display()));
    command
}

fn start(runtime: Start, board: &TestBoard, name: &str) -> Child {
    let mut command = runtime(board, name);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TASKHOST_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Waits until the board is as it is to be.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether an agent whose name begins so holds this task, or any.
fn holds(board: &TestBoard, name: &str, id: Option<&str>) -> bool {
    let list = board.run(&["list", "--status", "in_progress"]).exits(0).json();
    list["tasks"].as_array().unwrap().iter().any(|task| {
        let holder = task["claim"]["agent"].as_str().unwrap_or_default();
        holder.starts_with(name) && id.is_none_or(|id| task["id"] == id)
    })
}

fn events(board: &TestBoard, event: &str) -> Vec<Value> {
    let said = board.run(&["history", "--event", event, "--limit", "1000"]).exits(0).json();
    said["events"].as_array().unwrap().clone()
}

fn every_task_is_completed_once_although_one_is_killed(runtime: Start) {
    let board = TestBoard::new();
    board.add_many(24, |_, line| line["data"] = json!({ "steps": 3 }));
    let long = ["add", "work", "--id", "long", "--priority", "9", "--data", "{\"steps\": 60}"];
    board.run(&long).exits(0);
    let mut killed = start(runtime, &board, "doomed");
    until("the first runtime claims the long task", || holds(&board, "doomed", Some("long")));
    let other = start(runtime, &board, "other");
    killed.kill().unwrap();
    killed.wait().unwrap();
    ended(other);
    let counts = board.run(&["status"]).exits(0).json();
    assert_eq!(counts["counts"]["completed"], 25, "{counts}");
    let mut completed: Vec<String> =
        events(&board, "completed").iter().map(|event| event["task"].to_string()).collect();
    let count = completed.len();
    completed.sort();
    completed.dedup();
    assert_eq!((count, completed.len()), (25, 25), "{completed:?}");
    let long = board.task("long");
    assert_eq!((&long["attempts"], &long["result"]["steps"]), (&2.into(), &60.into()), "{long}");
    board.assert_healthy();
}

fn what_is_cancelled_stops_and_failures_are_told(runtime: Start) {
    let board = TestBoard::new();
    board.run(&["add", "work", "--id", "endless", "--data", "{\"steps\": 100000}"]).exits(0);
    let working = start(runtime, &board, "ada");
    until("it is claimed", || holds(&board, "ada", Some("endless")));
    board.run(&["add", "work", "--id", "bad", "--data", "{\"fails\": true}"]).exits(0);
    board.run(&["cancel", "endless", "--reason", "not wanted"]).exits(0);
    let said = ended(working);
    assert!(said.contains("`endless` was lost"), "{said}");
    assert_eq!(board.task("endless")["status"], "cancelled");
    let bad = board.task("bad");
    assert_eq!((&bad["status"], &bad["error"]), (&"failed".into(), &"it was to fail".into()));
}

fn what_is_held_is_handed_back_on_sigterm(runtime: Start) {
    let board = TestBoard::new();
    board.run(&["add", "work", "--id", "endless", "--data", "{\"steps\": 100000}"]).exits(0);
    let working = start(runtime, &board, "ada");
    until("it is claimed", || holds(&board, "ada", Some("endless")));
    signal(&working, Signal::TERM);
    ended(working);
    let task = board.task("endless");
    assert_eq!((&task["status"], &task["claim"]), (&"pending".into(), &Value::Null), "{task}");
    // A thread that waited for work may have been given it for a moment, and has handed it back too.
    assert!(!events(&board, "released").is_empty());
}

#[test]
fn rust_every_task_is_completed_once_although_one_is_killed() {
    every_task_is_completed_once_although_one_is_killed(in_rust);
}

#[test]
fn rust_what_is_cancelled_stops_and_failures_are_told() {
    what_is_cancelled_stops_and_failures_are_told(in_rust);
}

#[test]
fn rust_what_is_held_is_handed_back_on_sigterm() {
    what_is_held_is_handed_back_on_sigterm(in_rust);
}

#[test]
fn node_every_task_is_completed_once_although_one_is_killed() {
    every_task_is_completed_once_although_one_is_killed(in_javascript);
}

#[test]
fn node_what_is_cancelled_stops_and_failures_are_told() {
    what_is_cancelled_stops_and_failures_are_told(in_javascript);
}

#[test]
fn node_what_is_held_is_handed_back_on_sigterm() {
    what_is_held_is_handed_back_on_sigterm(in_javascript);
}
