//! The files of other systems come onto a board by one command, and go back by another.

use std::fs;

use serde_json::{Value, json};
use taskhost_tests::{Answer, TestBoard};

/// A workflow's state file, as `task-manager` has it: one task done, one held, one waiting for it, and some things that
/// a board has no place for.
fn state() -> Value {
    json!({
        "workflow_type": "survey",
        "metadata": {"initialized_at": "2026-01-01T10:00:00", "owner": {"team": "maps"}},
        "tasks": {
            "fetch_1": {
                "type": "fetch", "status": "completed", "parent_id": null, "locked_by": null, "locked_at": null,
                "created_at": "2026-01-01T10:00:00.123456", "completed_at": "2026-01-01T10:05:00",
                "data": {"url": "https://example.org", "ratio": 1.50}, "retries": 2,
            },
            "parse_1": {
                "type": "parse", "status": "in_progress", "parent_id": "fetch_1", "locked_by": "ada",
                "locked_at": "2026-01-01T11:00:00", "created_at": "2026-01-01T10:00:01", "completed_at": null,
                "data": {},
            },
            "draw_1": {
                "type": "draw", "status": "pending", "parent_id": "parse_1", "locked_by": null, "locked_at": null,
                "created_at": "2026-01-01T10:00:02", "completed_at": null, "data": {},
            },
            "draw 2": {
                "type": "draw", "status": "pending", "parent_id": "nosuch", "locked_by": null, "locked_at": null,
                "created_at": "2026-01-01T10:00:03", "completed_at": null, "data": {},
            },
        },
    })
}

/// Checks what it printed, by JSON pointers.
#[track_caller]
fn has(answer: &Answer, expected: &[(&str, Value)]) {
    let json = answer.json();
    for (pointer, value) in expected {
        assert_eq!(json.pointer(pointer), Some(value), "{pointer} of {json}");
    }
}

fn written(board: &TestBoard, name: &str, content: &str) -> String {
    let path = board.folder().join(name);
    fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn state_file_comes_to_a_new_board_and_work_goes_on_where_it_was() {
    let board = TestBoard::missing();
    let file = written(&board, "state.json", &state().to_string());
    let said = board.run(&["import", &file]).exits(0);
    has(
        &said,
        &[
            ("/format", "task-manager".into()),
            ("/created", true.into()),
            ("/added", 4.into()),
            ("/present", 0.into()),
        ],
    );
    let remarks = said.json()["remarks"].to_string();
    assert!(remarks.contains("nosuch"), "{remarks}");
    // The lease that the claim had there ran out long ago, so the first who asks gets its task.
    let claimed = board.run(&["claim", "--agent", "bob", "--type", "parse"]).exits(0);
    has(&claimed, &[("/task/id", "parse_1".into()), ("/task/attempts", 2.into())]);
    board.run(&["complete", "parse_1", "--agent", "bob"]).exits(0);
    board.run(&["claim", "draw_1", "--agent", "bob"]).exits(0);
    board.run(&["meta", "get", "owner"]).exits(0);
}

#[test]
fn importing_twice_changes_nothing() {
    let board = TestBoard::missing();
    let file = written(&board, "state.json", &state().to_string());
    board.run(&["import", &file]).exits(0);
    board.run(&["claim", "--agent", "bob", "--type", "parse"]).exits(0);
    board.run(&["complete", "parse_1", "--agent", "bob"]).exits(0);
    board.run(&["meta", "set", "owner", "2"]).exits(0);
    let before = board.run(&["export"]).stdout;
    let again = board.run(&["import", &file]).exits(0);
    has(&again, &[("/added", 0.into()), ("/present", 4.into())]);
    assert_eq!(board.run(&["export"]).stdout, before);
}

#[test]
fn what_was_imported_goes_back_as_it_was_with_what_has_changed() {
    let board = TestBoard::missing();
    let file = written(&board, "state.json", &state().to_string());
    board.run(&["import", &file]).exits(0);
    let back = board.folder().join("back.json").display().to_string();
    board.run(&["export", "--format", "task-manager", &back]).exits(0);
    let read =
        |path: &str| -> Value { serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap() };
    assert_eq!(read(&back), state());
    // Nothing is written over.
    let refused = board.run(&["export", "--format", "task-manager", &back]).exits(10);
    has(&refused, &[("/error/code", "exists".into())]);

    board.run(&["claim", "parse_1", "--agent", "bob"]).exits(0);
    let later = board.folder().join("later.json").display().to_string();
    board.run(&["export", "--format", "task-manager", &later]).exits(0);
    let (mut expected, later) = (state(), read(&later));
    let locked_at = later["tasks"]["parse_1"]["locked_at"].clone();
    assert!(locked_at.is_string() && locked_at != expected["tasks"]["parse_1"]["locked_at"]);
    expected["tasks"]["parse_1"]["locked_by"] = "bob".into();
    expected["tasks"]["parse_1"]["locked_at"] = locked_at;
    assert_eq!(later, expected);
}

// What had been done here and archived was pending again once its file was opened anew, and was done a second time.
#[test]
fn what_was_archived_is_not_brought_back() {
    let board = TestBoard::missing();
    let file = written(&board, "state.json", &state().to_string());
    board.run(&["import", &file]).exits(0);
    for task in ["parse_1", "draw_1"] {
        board.run(&["claim", task, "--agent", "bob"]).exits(0);
        board.run(&["complete", task, "--agent", "bob"]).exits(0);
    }
    board.run(&["archive", "fetch_1"]).exits(0);
    board.run(&["compact"]).exits(0);
    let before = board.run(&["export"]).stdout;
    let mut more = state();
    more["tasks"]["late"] = more["tasks"]["draw_1"].clone();
    let file = written(&board, "more.json", &more.to_string());
    let said = board.run(&["import", &file]).exits(0);
    has(&said, &[("/added", 1.into()), ("/present", 4.into())]);
    assert!(said.json()["remarks"].to_string().contains("`parse_1` was archived here"));
    board.run(&["show", "fetch_1"]).exits(5);
    assert_eq!(
        (&board.task("late")["status"], &board.task("late")["parent"]),
        (&"pending".into(), &Value::Null)
    );
    board.run(&["cancel", "late"]).exits(0);
    board.run(&["archive", "late"]).exits(0);
    board.run(&["import", &file]).exits(0);
    let tasks =
        |export: &str| export.lines().filter(|line| line.contains("\"record\":{\"task\"")).count();
    assert_eq!(tasks(&board.run(&["export"]).stdout), tasks(&before));
}

// Somebody went back to the old system, did some of the work there and came again: it was given out here once more, and
// nothing had been said.
#[test]
fn what_was_done_there_meanwhile_and_not_here_is_told() {
    let board = TestBoard::missing();
    let file = written(&board, "state.json", &state().to_string());
    board.run(&["import", &file]).exits(0);
    let mut done = state();
    done["tasks"]["draw_1"]["status"] = "completed".into();
    let file = written(&board, "done.json", &done.to_string());
    let said = board.run(&["import", &file]).exits(0);
    let remarks = said.json()["remarks"].to_string();
    assert!(remarks.contains("completed there, and pending here"), "{remarks}");
    assert_eq!(board.task("draw_1")["status"], "pending");
}

// The 2,401st task of a file was too large: 2,000 were on the board by then, and nobody was told so.
#[test]
fn file_with_a_task_that_is_too_large_is_refused_before_anything_is_done() {
    let board = TestBoard::missing();
    let mut large = state();
    for n in 0..1_500 {
        large["tasks"][format!("more{n}")] = large["tasks"]["draw_1"].clone();
    }
    large["tasks"]["zz"] = large["tasks"]["draw_1"].clone();
    large["tasks"]["zz"]["data"]["text"] = "x".repeat(1_100_000).into();
    let file = written(&board, "large.json", &large.to_string());
    let refused = board.run(&["import", &file]).exits(2);
    assert!(refused.text("/error/message").contains("zz"));
    board.run(&["list"]).exits(5);
}

// A file with long comments, or with many values, could never be imported: what belongs to no task had to be small.
#[test]
fn what_is_too_large_for_the_metadata_is_kept_all_the_same() {
    let board = TestBoard::missing();
    let mut large = state();
    large["comments"] = "x".repeat(100_000).into();
    for n in 0..1_200 {
        large["metadata"][format!("key{n}")] = n.into();
    }
    let file = written(&board, "large.json", &large.to_string());
    board.run(&["import", &file]).exits(0);
    board.run(&["import", &file]).exits(0);
    let back = board.folder().join("back.json").display().to_string();
    board.run(&["export", "--format", "task-manager", &back]).exits(0);
    let back: Value = serde_json::from_str(&fs::read_to_string(back).unwrap()).unwrap();
    assert_eq!(back, large);
}

#[test]
fn who_holds_a_task_on_a_fenced_board_is_told_the_token() {
    let board = TestBoard::new();
    let mut held = state();
    // Far in the future, so that the lease isn't over yet.
    held["tasks"]["parse_1"]["locked_at"] = "2199-01-01T11:00:00".into();
    let file = written(&board, "state.json", &held.to_string());
    let said = board.run(&["import", &file]).exits(0);
    has(&said, &[("/created", false.into()), ("/claims/0/agent", "ada".into())]);
    let token = said.number("/claims/0/token").to_string();
    board.run(&["complete", "parse_1", "--agent", "ada"]).exits(2);
    board.run(&["complete", "parse_1", "--agent", "ada", "--token", &token]).exits(0);
}

// A state file that was cut short by a crash was taken for an empty one, and written over.
#[test]
fn damaged_file_is_refused_with_its_place_and_leaves_no_board() {
    let board = TestBoard::missing();
    let whole = serde_json::to_string_pretty(&state()).unwrap();
    for length in [1, whole.len() / 3, whole.len() / 2, whole.len() - 2] {
        let file = written(&board, "cut.json", &whole[..length]);
        let refused = board.run(&["import", &file]).exits(2);
        let line = whole[..length].lines().count();
        has(&refused, &[("/error/code", "invalid_import".into()), ("/error/line", line.into())]);
        refused.number("/error/column");
    }
    board.run(&["list"]).exits(5);
}

#[test]
fn formats_are_told_apart_and_what_is_none_is_told() {
    let board = TestBoard::missing();
    let todo2 =
        r#"{"todos": [{"id": "T-1", "content": "x", "assignee": {"name": "a", "type": "human"}}]}"#;
    let tasks = r#"[{"id": 7, "status": "done", "updated_at": 1691971200.25, "owner": "x"}]"#;
    for (name, content, format) in [("t.json", todo2, "todo2"), ("b.json", tasks, "task-board")] {
        let file = written(&board, name, content);
        let said = board.run(&["import", &file]).exits(0);
        has(&said, &[("/format", format.into()), ("/added", 1.into())]);
    }
    assert_eq!(board.task("T-1")["assignee"]["kind"], "human");
    assert_eq!(board.task("7")["status"], "completed");
    let file = written(&board, "x.json", r#"{"something": "else"}"#);
    let refused = board.run(&["import", &file]).exits(2);
    assert!(refused.text("/error/message").contains("--format"));
    board.run(&["import", "--format", "todos", &file]).exits(2);
    let refused = board.run(&["import", "nowhere.json"]).exits(2);
    has(&refused, &[("/error/code", "no_such_file".into())]);
    board.run(&["export", "--format", "todo2"]).exits(2);
}

#[test]
fn directory_of_task_files_and_a_database_go_there_and_back() {
    let board = TestBoard::missing();
    let folder = board.folder().join("tasks");
    for (state, task) in [("available", "one"), ("claimed", "two")] {
        fs::create_dir_all(folder.join(state)).unwrap();
        let content = json!({"task_id": task, "description": "d", "required_capabilities": ["js"]});
        fs::write(folder.join(format!("{state}/{task}.json")), content.to_string()).unwrap();
        fs::write(folder.join(format!("{state}/{task}.lock")), "").unwrap();
    }
    let path = folder.display().to_string();
    let said = board.run(&["import", &path]).exits(0);
    has(&said, &[("/format", "a2a".into()), ("/added", 2.into())]);
    let database = board.folder().join("tasks.db").display().to_string();
    board.run(&["export", "--format", "sqlite", &database]).exits(0);
    let other = TestBoard::missing();
    let said = other.run(&["import", &database]).exits(0);
    has(&said, &[("/format", "sqlite".into()), ("/added", 2.into())]);
    assert_eq!(other.task("one")["needs"][0], "js");
}

#[test]
fn nothing_that_a_file_says_steers_the_terminal_or_leads_elsewhere() {
    let board = TestBoard::missing();
    let mut odd = state();
    let task = odd["tasks"]["draw 2"].take();
    odd["tasks"].as_object_mut().unwrap().remove("draw 2");
    odd["tasks"]["../../x\u{1b}[31m"] = task;
    odd["tasks"]["../../x\u{1b}[31m"]["status"] = "\u{1b}]0;title\u{7}".into();
    let file = written(&board, "odd.json", &odd.to_string());
    let said = board.run_plain(&["import", &file]).exits(0);
    assert!(said.stdout.contains("not valid on a board"), "{}", said.stdout);
    assert!(!said.stdout.contains(['\u{1b}', '\u{7}']), "{:?}", said.stdout);
    let tasks = board.run(&["list"]).exits(0).json()["tasks"].clone();
    let ids: Vec<&str> =
        tasks.as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 4 && !ids.iter().any(|id| id.contains(['/', '\u{1b}'])), "{ids:?}");
}
