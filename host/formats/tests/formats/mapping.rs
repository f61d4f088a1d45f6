//! What all formats have in common: ids, circles, words, and lists of tasks.

use serde_json::{Value, json};
use taskhost_board::{Millis, Status};
use taskhost_formats::{Error, Format, IMPORTED, ReadOptions, read_one, shape, write};

use crate::common::{Board, NOW, adopted, arrival, file, options, read_text, remarks};

const FORMAT: Format = Format::TaskBoard;

#[test]
fn a_list_of_tasks_keeps_its_order_and_its_numbers() {
    let list = json!([
        {"id": 12, "status": "in_progress", "assigned_to": "w", "claimed_at": 999_999_999.5, "updated_at": 999_999_999.75},
        {"id": "b", "status": "todo", "updated_at": 999_000_000, "title": "B", "depends_on": [12]},
        {"id": 12345678901234567890123_f64, "status": "done", "updated_at": null}
    ]);
    let foreign = read_text(FORMAT, &list.to_string());
    assert_eq!(
        arrival(&foreign, "12").past.claim.as_ref().unwrap().since,
        Some(Millis(999_999_999_500))
    );
    assert_eq!(arrival(&foreign, "b").past.updated_at, Some(Millis(999_000_000_000)));
    assert!(foreign.meta.is_empty());
    let tasks = Board::new().adopt(&foreign.arrivals);
    let (_directory, path) = file("out.json", "");
    write(FORMAT, &tasks, &foreign.meta, &path).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap(), list);
}

#[test]
fn an_object_with_a_list_comes_back_as_one() {
    let object = json!({"version": 3, "tasks": [{"id": "a", "status": "open"}]});
    let foreign = read_text(FORMAT, &object.to_string());
    let tasks = Board::new().adopt(&foreign.arrivals);
    let (_directory, path) = file("out.json", "");
    assert_eq!(write(FORMAT, &tasks, &foreign.meta, &path).unwrap(), []);
    assert_eq!(serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap(), object);
}

#[test]
fn the_same_file_gives_the_same_ids_each_time() {
    let list = json!([
        {"id": "a b", "x": 1}, {"id": "a b", "x": 2}, {"id": "a-b"}, {"title": "none"}, {"title": "none"}, {"id": ""},
        {"id": {"no": "id"}}, {"id": "ä"}
    ]);
    let ids = || -> Vec<String> {
        let foreign = read_text(FORMAT, &list.to_string());
        foreign
            .arrivals
            .iter()
            .map(|arrival| arrival.new.id.as_ref().unwrap().to_string())
            .collect()
    };
    let first = ids();
    assert_eq!(first, ids());
    assert_eq!(first[2], "a-b");
    let mut distinct = first.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), list.as_array().unwrap().len(), "{first:?}");
    let tasks = Board::new().adopt(&read_text(FORMAT, &list.to_string()).arrivals);
    let back: Vec<Value> = tasks.iter().map(|task| shape(FORMAT, task)).collect();
    assert_eq!(json!(back), list);
}

/// One of two equal ids is valid and stays; a name that is like it is told apart.
#[test]
fn a_valid_id_stays_whatever_another_one_is_changed_to() {
    let changed = taskhost_formats::board_id("a b");
    let list = json!([{"id": "a b"}, {"id": changed, "parent": "a b"}]);
    let foreign = read_text(FORMAT, &list.to_string());
    let kept = arrival(&foreign, changed.as_str());
    assert_eq!(kept.new.parent, foreign.arrivals[0].new.id);
    assert_ne!(kept.new.id, foreign.arrivals[0].new.id);
}

#[test]
fn circles_of_any_length_are_opened_at_one_place() {
    let count = 20_000;
    let tasks: Vec<Value> = (0..count)
        .map(|n| json!({"id": format!("t{n}"), "depends_on": [format!("t{}", (n + 1) % count)]}))
        .collect();
    let foreign = read_text(FORMAT, &json!(tasks).to_string());
    assert_eq!(foreign.remarks.len(), 1, "{:?}", foreign.remarks);
    let links = foreign.arrivals.iter().map(|arrival| arrival.new.after.len());
    assert_eq!(links.sum::<usize>(), count - 1);
}

#[test]
fn circles_through_parents_and_dependencies_are_opened_too() {
    let list = json!([
        {"id": "a", "parent": "b"}, {"id": "b", "depends_on": ["c", "c", "b"]}, {"id": "c", "parent": "a"},
        {"id": "d", "depends_on": ["a", "c"]}
    ]);
    let foreign = read_text(FORMAT, &list.to_string());
    assert_eq!(foreign.remarks.len(), 2, "{:?}", foreign.remarks);
    assert_eq!(arrival(&foreign, "d").new.after.len(), 2);
    let tasks = Board::new().adopt(&foreign.arrivals);
    let back: Vec<Value> = tasks.iter().map(|task| shape(FORMAT, task)).collect();
    assert_eq!(json!(back), list);
}

#[test]
fn a_status_that_is_not_known_is_nobodys_to_take() {
    let task = adopted(FORMAT, &json!({"id": "a", "status": "hibernating"}));
    assert_eq!(task.status, Status::Blocked);
    assert!(task.reason.as_ref().unwrap().contains("`hibernating`"));
    let mut freed = task.clone();
    freed.status = Status::Pending;
    assert_eq!(shape(FORMAT, &task)["status"], "hibernating");
    assert_eq!(shape(FORMAT, &freed)["status"], "pending");
}

#[test]
fn what_was_edited_on_the_board_is_written() {
    let value =
        json!({"id": "a", "status": "open", "priority": "high", "labels": ["y", "x"], "note": "n"});
    let mut task = adopted(FORMAT, &value);
    assert_eq!(shape(FORMAT, &task), value);
    task.priority = -4;
    task.labels.pop();
    let shaped = shape(FORMAT, &task);
    assert_eq!((&shaped["priority"], &shaped["labels"]), (&json!(-4), &json!(["x"])));
    assert_eq!((&shaped["status"], &shaped["note"]), (&json!("open"), &json!("n")));
    // Whoever replaces the data takes away what was remembered.
    task.data = taskhost_board::Json::parse(r#"{"note": "m"}"#).unwrap();
    let shaped = shape(FORMAT, &task);
    assert_eq!((&shaped["note"], &shaped["status"]), (&json!("m"), &json!("pending")));
}

#[test]
fn more_words_than_a_board_keeps_are_left_out_and_come_back() {
    let labels: Vec<String> = (0..100).map(|n| format!("l{n}")).collect();
    let value = json!({"id": "a", "tags": labels, "error": "e".repeat(100_000), "priority": 9_999_999_999_i64});
    let (arrival, remarks) = read_one(FORMAT, &value, &options()).unwrap();
    assert_eq!((arrival.new.labels.len(), remarks.len()), (64, 3), "{remarks:?}");
    assert_eq!(shape(FORMAT, &adopted(FORMAT, &value)), value);
}

#[test]
fn one_task_is_an_object() {
    for format in Format::ALL {
        let refused = read_one(format, &json!([]), &options());
        assert!(matches!(refused, Err(Error::NotATask(_))));
        assert!(read_one(format, &json!({}), &options()).is_ok());
    }
}

#[test]
fn a_lease_is_what_is_asked_for_within_what_a_board_gives() {
    let value = json!({"id": "a", "type": "t", "status": "in_progress", "locked_by": "w"});
    for (asked, given) in [(5, 5), (0, 1), (u64::MAX, 30 * 24 * 60 * 60 * 1000)] {
        let options = ReadOptions { lease_ms: asked, now: NOW };
        let (arrival, _) = read_one(Format::TaskManager, &value, &options).unwrap();
        let claim = arrival.past.claim.unwrap();
        assert_eq!((claim.lease_ms, claim.since), (given, Some(NOW)));
    }
}

#[test]
fn what_is_remembered_stands_under_one_key() {
    let foreign = read_text(FORMAT, &json!([{"id": 1, "x": 2, "_imported": 3}]).to_string());
    let data: Value = serde_json::from_str(foreign.arrivals[0].new.data.as_str()).unwrap();
    let keys: Vec<&String> = data.as_object().unwrap().keys().collect();
    assert_eq!(keys, [IMPORTED, "x"]);
    assert_eq!(data[IMPORTED]["id"], json!({"was": 1, "is": "1"}));
    assert_eq!(data[IMPORTED]["fields"], json!({IMPORTED: 3}));
    assert!(remarks(&foreign).is_empty(), "{:?}", foreign.remarks);
}

#[test]
fn batches_can_be_adopted_one_after_the_other() {
    let list: Vec<Value> = (0..10)
        .map(|n| json!({"id": format!("t{n}"), "parent": if n < 9 { json!(format!("t{}", n + 1)) } else { Value::Null }}))
        .collect();
    let foreign = read_text(FORMAT, &json!(list).to_string());
    let board = Board::new();
    let batches = foreign.into_batches(3);
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 1]);
    for batch in batches {
        board.adopt(&batch);
    }
    assert_eq!(board.task("t0").parent.unwrap().as_str(), "t1");
}

#[test]
fn a_name_without_a_value_hides_no_other_name() {
    // Writers fill the names that they use and leave others null. The first name that was there counted, so a task that
    // `bob` had was nobody's, and one with an id had none.
    let value = json!({"id": null, "task_id": "a7", "status": "in_progress", "assigned_to": null, "claimed_by": "bob",
        "tags": "", "labels": ["x"], "created_at": "", "createdAt": 999_000_000});
    let task = adopted(FORMAT, &value);
    assert_eq!(task.id.as_str(), "a7");
    assert_eq!(task.claim.as_ref().unwrap().agent.as_str(), "bob");
    assert_eq!((task.labels[0].as_str(), task.created_at), ("x", Millis(999_000_000_000)));
    assert_eq!(shape(FORMAT, &task), value);
    let ended = adopted(
        Format::A2a,
        &json!({"task_id": null, "id": "b", "completed_at": null, "completedAt": "2001-09-08T00:00:00Z"}),
    );
    assert_eq!((ended.id.as_str(), ended.status), ("b", Status::Completed));
    assert_eq!(ended.completed_at, Some(Millis(999_907_200_000)));

    // Others name it as it is known there.
    let list = json!([{"id": null, "task_id": "a 7"}, {"id": "b", "parent": "a 7"}]);
    let tasks = Board::new().adopt(&read_text(FORMAT, &list.to_string()).arrivals);
    let (_directory, path) = file("out.json", "");
    write(FORMAT, &tasks, &[], &path).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap(), list);
}

#[test]
fn very_many_tasks_of_one_id_are_told_apart_at_once() {
    // Each counted from the beginning how many there were of its id: a file with some ten thousand of one id, or of none,
    // took minutes to read.
    let same: Vec<Value> = (0..30_000).map(|_| json!({"id": "a", "title": "t"})).collect();
    let none: Vec<Value> = (0..30_000).map(|_| json!({"title": "t"})).collect();
    for list in [same, none] {
        let begun = std::time::Instant::now();
        let foreign = read_text(FORMAT, &json!(list).to_string());
        let ids: std::collections::BTreeSet<_> =
            foreign.arrivals.iter().map(|arrival| arrival.new.id.clone()).collect();
        assert_eq!(ids.len(), list.len());
        // Fifty times what it takes, and a tenth of what it took.
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }
}

#[test]
fn a_list_comes_back_in_its_order_though_children_stand_before_their_parents() {
    // A board has what is named before what names it, and so a list with the newest task on top came back upside down.
    let list = json!([
        {"id": "new", "parent": "old"}, {"id": "alone"}, {"id": "mid", "depends_on": ["last"]}, {"id": "old"}, {"id": "between"},
        {"id": "last"}
    ]);
    let board = Board::new();
    for batch in read_text(FORMAT, &list.to_string()).into_batches(2) {
        board.adopt(&batch);
    }
    let own = read_text(FORMAT, r#"[{"id": "own", "status": "done"}]"#);
    let mut tasks = board.adopt(&own.arrivals);
    tasks.extend(
        list.as_array().unwrap().iter().map(|task| board.task(task["id"].as_str().unwrap())),
    );
    tasks.sort_by_key(|task| task.born);
    assert_eq!(tasks[0].id.as_str(), "alone");
    let ids = |tasks: &[taskhost_board::Task]| -> Vec<String> {
        let (_directory, path) = file("out.json", "");
        write(FORMAT, tasks, &[], &path).unwrap();
        let written: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        written.iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&tasks), ["new", "alone", "mid", "old", "between", "last", "own"]);
    // Those that are left keep their order.
    tasks.retain(|task| task.id.as_str() != "old");
    let left = ids(&tasks);
    let at = |id: &str| left.iter().position(|own| own == id).unwrap();
    assert!(at("new") < at("mid") && at("mid") < at("last") && at("own") == 5, "{left:?}");
}

#[test]
fn what_one_system_has_no_place_for_is_no_fact_in_another() {
    // A `priority` that `task-manager` doesn't know, or one in a task's data, was dropped in an export to a system that knows
    // one, or became the task's own; and a `parent` or `claimed_by` made it somebody's child or claim.
    let value = json!({"id": "a", "type": "t", "status": "pending", "created_at": "2001-09-08T00:00:00", "priority": 5, "note": "top",
        "data": {"priority": "mine", "parent": "b", "claimed_by": "w", "completedAt": 1, "note": "in"}});
    let task = adopted(Format::TaskManager, &value);
    for format in [Format::Todo2, Format::A2a, Format::TaskBoard, Format::Sqlite] {
        let shaped = shape(format, &task);
        let (again, _) = read_one(format, &shaped, &options()).unwrap();
        assert_eq!(
            (again.past.status, again.new.priority, &again.new.parent),
            (Status::Pending, 0, &None),
            "{format}"
        );
        assert_eq!((&again.past.completed_at, &again.new.assignee), (&None, &None), "{format}");
        let aside = shaped["_imported_data"].as_object().unwrap();
        assert_eq!(
            (&aside["priority"], &aside["priority_"], &aside["parent"]),
            (&json!(5), &json!("mine"), &json!("b")),
            "{format}"
        );
        assert_eq!((&shaped["note"], &aside["note"]), (&json!("in"), &json!("top")), "{format}");

        let directory = tempfile::tempdir().unwrap();
        let said =
            write(format, std::slice::from_ref(&task), &[], &directory.path().join("f.json"))
                .unwrap();
        let about = |field: &str| {
            said.iter().find(|remark| remark.field == field).map(|remark| remark.why.clone())
        };
        let why = format!(
            "`{format}` reads it as the task's priority, so it stands under `_imported_data`"
        );
        assert_eq!(about("data.priority"), Some(why.clone()), "{said:?}");
        assert_eq!(about("priority"), Some(why), "{said:?}");
        assert!(about("data.parent").is_some() && about("note").is_some(), "{said:?}");
    }
    assert_eq!(shape(Format::TaskManager, &task)["data"]["priority"], "mine");

    // In its own system, another name of a field that is empty now says nothing either.
    let mut task = adopted(
        FORMAT,
        &json!({"id": "a", "status": "doing", "assigned_to": "ann", "claimed_by": "bob"}),
    );
    (task.status, task.claim) = (Status::Pending, None);
    let shaped = shape(FORMAT, &task);
    assert_eq!(
        (&shaped["claimed_by"], &shaped["_imported_data"]),
        (&Value::Null, &json!({"claimed_by": "bob"}))
    );
}
