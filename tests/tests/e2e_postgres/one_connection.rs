//! Handles that may have a single connection.

use serde_json::json;
use taskhost_tests::{Answer, TestBoard, policy};

#[test]
fn one_connection_is_enough_for_everything() {
    // Whoever had a connection for a transaction or a view, and needed another one beside it to fetch a policy, to read or
    // replace a policy's file, to read the history or to see who has locked something, waited for the one that it had itself,
    // until its time was over. As many threads as there are connections did so to each other. And files couldn't be shared
    // from a board's beginning on: the name was taken for a directory, and no place for them was made.
    let board = TestBoard::missing().saying("&pool=1");
    // Nothing is there yet of what was fetched and compiled by others.
    let cache = board.folder().join("cache");
    let run = |arguments: &[&str]| {
        let mut command = board.command(&[&["--json"], arguments].concat());
        Answer::of(command.env("XDG_CACHE_HOME", &cache).output().unwrap()).exits(0)
    };
    let (component, books) = (policy("shared-budget"), format!("books-{}", std::process::id()));
    run(&["init", "--shared-files", &books]);
    run(&["config", "set", "policy_deadline", "20s"]);
    let component = component.to_string_lossy();
    run(&["policy", "set", &component, "--setting", "budget=9"]);
    board.add_many(4, |_, task| task["data"] = json!({ "cost": 3 }));
    // A policy that nobody has here is fetched, compiled, and reads and replaces its file before a claim is committed.
    std::fs::remove_dir_all(&cache).unwrap();
    let claimed = run(&["claim", "--agent", "ada"]);
    let (id, token) = (claimed.text("/task/id"), claimed.number("/task/claim/token").to_string());

    std::fs::remove_dir_all(&cache).unwrap();
    run(&["explain", "t00001", "--agent", "bob"]);
    run(&["explain", &id]);
    run(&["explain", "--agent", "bob"]);
    run(&["cancel", "t00003", "--dry-run"]);
    run(&["complete", &id, "--agent", "ada", "--token", &token]);
    // A switch reads what happened while it asked.
    run(&["policy", "set", "standard"]);
    run(&["policy", "compare", "standard", &component, "--history", "--setting-b", "budget=9"]);
    for reading in ["list", "status", "stats", "history", "tree", "doctor"] {
        run(&[reading]);
    }
    board.run_plain(&["lock", "task", "t00002", "--", "true"]).exits(0);
    run(&["run", "--agents", "4", "--", "true"]);
    let export = board.folder().join("export.jsonl");
    run(&["export", &export.to_string_lossy()]);
}
