//! What another policy would have made of a board's history: on histories of real processes.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use taskhost_tests::{Kept, TestBoard, policy};

/// A board on which three agents worked off tasks of two types, one of which failed, and which then went on a little. On a
/// board in PostgreSQL it was one agent: claims that are made side by side are each decided without what the other has
/// taken, so in a row they may come out otherwise.
pub(crate) fn worked_off() -> TestBoard {
    let board = TestBoard::new();
    board.add_many(24, |n, line| {
        line["type"] = ["build", "test"][n % 2].into();
        line["priority"] = (n % 3).into();
        if n % 5 == 4 {
            line["after"] = serde_json::json!([format!("t{:05}", n - 4)]);
        }
    });
    let agents = match Kept::here() {
        Kept::InFiles => "3",
        Kept::InPostgres => "1",
    };
    board.run(&["run", "--agents", agents, "--", "sh", "-c", "test {id} != t00010"]).exits(12);
    board.add(&["open-1", "open-2"]);
    board.claim("dora");
    board
}

fn columns(answer: &Value) -> BTreeMap<String, Value> {
    let columns = answer["columns"].as_array().unwrap();
    columns.iter().map(|one| (one["name"].as_str().unwrap().into(), one.clone())).collect()
}

#[test]
fn history_of_processes_replayed_through_its_own_policy_comes_out_as_it_was() {
    let board = worked_off();
    let answer = board.run(&["policy", "replay", "current", "--history"]).exits(0).json();
    let claims = board.run(&["history", "--event", "claimed"]).exits(0).number("/total");
    assert_eq!(answer["differences"]["total"], claims, "{answer}");
    assert_eq!(answer["differences"]["same"], claims, "{answer}");
    let columns = columns(&answer);
    let (recorded, replayed) = (&columns["recorded"], &columns["replayed"]);
    assert_eq!(recorded["ready_to_claim"], replayed["ready_to_claim"]);
    assert_eq!(recorded["agents"][0]["claims"], replayed["agents"][0]["claims"]);
    assert_eq!(recorded["tasks"]["failed"], 1);
    assert_eq!(recorded["tasks"]["in_progress"], 1);
    // What dora held when the history ends, she completes in the replay.
    assert_eq!(replayed["tasks"]["in_progress"], 0);
    board.assert_healthy();
}

#[test]
fn two_policies_are_compared_with_their_reasons_and_every_task_is_accounted_for() {
    let board = worked_off();
    let newest = policy("newest-first");
    let newest = newest.to_str().unwrap();
    let before = board.run_plain(&["export"]).exits(0).stdout;
    let answer = board
        .run(&["policy", "compare", "standard", newest, "--history", "--limit", "2"])
        .exits(0)
        .json();
    assert_eq!(answer["policies"][0]["name"], "standard");
    assert_eq!(answer["policies"][1]["name"], "newest-first");
    let first = &answer["differences"]["first"];
    assert_eq!(first.as_array().unwrap().len(), 2, "{answer}");
    // The standard policy gives the most urgent, and of those the oldest.
    assert_eq!(first[0]["a"]["task"], "t00002");
    assert_eq!(first[0]["b"]["task"], "t00023");
    assert!(first[0]["a"]["why"].as_str().unwrap().contains("first by rank and priority"));
    assert!(first[0]["b"]["why"].as_str().unwrap().contains("the newest of"));
    for column in columns(&answer).values() {
        let tasks = column["tasks"].as_object().unwrap();
        let statuses = ["pending", "in_progress", "in_review", "blocked", "completed", "failed"];
        let all = statuses.iter().chain(&["cancelled"]).map(|name| tasks[*name].as_u64().unwrap());
        assert_eq!(all.sum::<u64>(), 26, "{column}");
        assert_eq!((&tasks["arrived"], &tasks["not_added"]), (&26.into(), &0.into()));
    }
    let after = board.run_plain(&["export"]).exits(0).stdout;
    assert!(after == before, "the board stays as it is");
}

#[test]
fn the_same_history_gives_the_same_bytes_in_every_form() {
    let board = worked_off();
    let newest = policy("newest-first");
    let tell = |name: &str| {
        let (svg, html) = (format!("{name}.svg"), format!("{name}.html"));
        let compare = ["policy", "compare", "current", newest.to_str().unwrap(), "--history"];
        let text = board.run_plain(&[&compare[..], &["--svg", &svg, "--html", &html]].concat());
        let json = board.run(&compare).exits(0).stdout;
        let read = |name: &str| fs::read_to_string(board.folder().join(name)).unwrap();
        (text.exits(0).stdout, json, read(&svg), read(&html))
    };
    let (text, json, svg, html) = tell("first");
    assert!(text.contains("ready until claimed: 95% within"), "{text}");
    assert!(json.contains("\"p95_ms\""), "{json}");
    assert!(svg.contains("How long tasks were ready before somebody got them"), "{svg}");
    assert!(html.starts_with("<!doctype html>") && html.contains("<svg "), "{html}");
    assert_eq!(tell("second"), (text, json, svg, html));
}

#[test]
fn setting_of_one_of_the_two_is_its_own() {
    let board = worked_off();
    let answer = board
        .run(&[
            "policy",
            "compare",
            "standard",
            "standard",
            "--setting-b",
            "retries=2",
            "--history",
        ])
        .exits(0)
        .json();
    let columns = columns(&answer);
    assert_eq!(columns["a"]["claims"], columns["recorded"]["claims"]);
    assert_eq!(columns["a"]["tasks"]["failed"], 1);
    // The one that failed is tried again, and whoever does that has less time for others.
    assert_ne!(answer["differences"]["different"], 0, "{answer}");
    assert_eq!(answer["policies"][1]["leading"]["settings"]["retries"], "2");
    assert_eq!(answer["policies"][0]["leading"]["settings"], Value::Null);
    let unknown = ["policy", "replay", "standard", "--history", "--setting", "no=1"];
    board.run(&unknown).exits(2);
}

#[test]
fn board_without_history_and_board_that_was_imported_can_be_replayed() {
    let board = TestBoard::new();
    let nothing = board.run_plain(&["policy", "replay", "current", "--history"]).exits(0);
    assert!(nothing.stdout.contains("no history is kept"), "{nothing:?}");

    let board = worked_off();
    board.run(&["compact"]).exits(0);
    let told = |board: &TestBoard| {
        board.run(&["policy", "replay", "current", "--history"]).exits(0).json()
    };
    let before = told(&board);
    let file = board.folder().join("board.jsonl");
    board.run(&["export", file.to_str().unwrap()]).exits(0);
    let other = TestBoard::missing();
    other.run(&["import", file.to_str().unwrap()]).exits(0);
    assert_eq!(told(&other), before);

    // Its older journals aren't kept any more.
    board.run(&["config", "set", "history_size", "1"]).exits(0);
    board.run(&["compact"]).exits(0);
    board.claim("ada");
    let rest = told(&board);
    assert!(rest["history"]["begins_with"].as_u64().unwrap() > 1, "{rest}");
    assert_eq!(rest["history"]["tasks_before"], 26, "{rest}");
    assert_eq!(rest["differences"]["same"], 1, "{rest}");
}

/// In the middle of a first run nothing was completed yet: work then took no time at all, and one agent got everything.
#[test]
fn history_in_which_nothing_is_done_yet_is_guessed_from_what_goes_on() {
    let board = TestBoard::new();
    board.add_many(12, |_, _| {});
    for agent in ["ada", "bob", "cy"] {
        board.claim(agent);
    }
    let newest = policy("newest-first");
    let arguments = ["policy", "compare", "standard", newest.to_str().unwrap(), "--history"];
    let answer = board.run(&arguments).exits(0).json();
    assert_eq!(answer["history"]["lengths_are_guessed"], true, "{answer}");
    for column in answer["columns"].as_array().unwrap() {
        assert_eq!(column["agents"].as_array().unwrap().len(), 3, "{column}");
    }
    let plain = board.run_plain(&arguments).exits(0).stdout;
    assert!(plain.contains("is guessed from what isn't done yet"), "{plain}");
}

// Tasks that had come finished from another system were new ones in a replay, and were done once more.
#[test]
fn what_came_finished_or_held_from_elsewhere_is_not_done_again() {
    let board = TestBoard::new();
    let file = board.folder().join("board.json");
    let tasks = r#"[{"id": "old", "status": "completed"}, {"id": "held", "status": "in_progress", "assignee": "ada"},
                    {"id": "new", "status": "pending"}]"#;
    fs::write(&file, tasks).unwrap();
    board.run(&["import", file.to_str().unwrap()]).exits(0);
    let (id, token) = board.claim("bob");
    assert_eq!(id, "new");
    board.run(&["complete", "new", "--agent", "bob", "--token", &token]).exits(0);
    let answer = board.run(&["policy", "replay", "current", "--history"]).exits(0).json();
    assert_eq!(answer["differences"]["same"], 1, "{answer}");
    // The history ends before the lease of `held` does, which the replay goes on to see; `old` stays as it came.
    let different = answer["differences"]["first"].as_array().unwrap();
    assert_eq!(different.len(), 1, "{answer}");
    assert_eq!(different[0]["b"]["task"], "held", "{answer}");
    let columns = columns(&answer);
    let (recorded, replayed) = (&columns["recorded"]["tasks"], &columns["replayed"]["tasks"]);
    assert_eq!((&recorded["completed"], &recorded["in_progress"]), (&2.into(), &1.into()));
    assert_eq!((&replayed["completed"], &replayed["pending"]), (&3.into(), &0.into()));
}
