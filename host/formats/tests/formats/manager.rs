//! `task-manager`: a state file becomes a board, and a board a state file.

use std::time::Duration;

use serde_json::{Value, json};
use taskhost_board::{Finish, Json, Millis, Proof, Status, TaskId};
use taskhost_formats::{Error, Format, read, shape, write};

use crate::common::{Board, NOW, adopted, arrival, file, options, read_text, remarks, soon};

const FORMAT: Format = Format::TaskManager;

fn state() -> Value {
    json!({
        "workflow_type": "survey",
        "metadata": {"initialized_at": "2001-09-09T01:00:00", "owner": "ops", "no key!": 1, "none": null, "imported": 2},
        "revision": 12,
        "tasks": {
            "z_first": {
                "type": "extract", "status": "completed", "parent_id": null, "locked_by": "w-1",
                "locked_at": "2001-09-08T01:00:00.000001", "created_at": "2001-09-08T00:00:00",
                "completed_at": "2001-09-08T02:00:00.654321", "data": {"source": "s"}, "result": {"rows": 3}
            },
            "a_second": {
                "type": "load", "status": "in_progress", "parent_id": "z_first", "locked_by": "w-2",
                "locked_at": "2001-09-09T01:00:00+00:00", "created_at": "2001-09-08T00:00:01", "completed_at": null,
                "data": {}, "retries": 2
            },
            "third": {
                "type": "load", "status": "failed", "parent_id": null, "locked_by": null, "locked_at": null,
                "created_at": "2001-09-08T00:00:02", "completed_at": "2001-09-08T02:00:00",
                "data": null, "result": {"error": "no disk"}
            },
            "has space": {
                "type": "load", "status": "pending", "parent_id": null, "locked_by": null, "locked_at": null,
                "created_at": "2001-09-08T00:00:03", "completed_at": null, "data": [1], "id": "has space"
            },
            "child": {
                "type": "load", "status": "pending", "parent_id": "has space", "locked_by": null, "locked_at": null,
                "created_at": "2001-09-08T00:00:04", "completed_at": null, "data": {"_imported": "mine"}, "id": 9
            }
        }
    })
}

/// The tasks in the order of the file, which `serde_json` doesn't keep here.
const ORDER: [&str; 5] = ["z_first", "a_second", "third", "has space", "child"];

fn state_text() -> String {
    let state = state();
    let tasks: Vec<String> =
        ORDER.iter().map(|id| format!("{:?}: {}", id, state["tasks"][*id])).collect();
    let mut top = state.as_object().unwrap().clone();
    top.remove("tasks");
    let top: Vec<String> = top.iter().map(|(key, value)| format!("{key:?}: {value}")).collect();
    format!("{{{}, \"tasks\": {{{}}}}}", top.join(", "), tasks.join(", "))
}

#[test]
fn tasks_keep_their_order_and_what_is_known_of_them() {
    let foreign = read_text(FORMAT, &state_text());
    let order: Vec<&str> =
        foreign.arrivals.iter().map(|arrival| arrival.new.id.as_ref().unwrap().as_str()).collect();
    assert_eq!(order[..3], ["z_first", "a_second", "third"]);
    assert!(order[3].starts_with("has-space-"), "{order:?}");

    let done = arrival(&foreign, "z_first");
    assert_eq!((done.past.status, done.new.task_type.as_str()), (Status::Completed, "extract"));
    assert_eq!(done.past.result, Some(Json::parse(r#"{"rows":3}"#).unwrap()));
    let held = arrival(&foreign, "a_second");
    let claim = held.past.claim.as_ref().unwrap();
    assert_eq!((claim.agent.as_str(), claim.since), ("w-2", Some(Millis(999_997_200_000))));
    assert_eq!(claim.lease_ms, 24 * 60 * 60 * 1000);
    assert_eq!(held.new.parent.as_ref().unwrap().as_str(), "z_first");
    let failed = arrival(&foreign, "third");
    assert_eq!((failed.past.error.as_deref(), failed.past.failures), (Some("no disk"), 1));
    let child = arrival(&foreign, "child");
    assert_eq!(child.new.parent.as_ref().unwrap().as_str(), order[3]);
}

#[test]
fn the_data_is_the_users_own() {
    let value = json!({"id": "a", "type": "t", "status": "pending", "parent_id": null, "locked_by": null,
        "locked_at": null, "created_at": "2001-09-08T00:00:00", "completed_at": null, "data": {"k": [1, 2.50]}});
    let task = adopted(FORMAT, &value);
    assert_eq!(task.data.as_str(), r#"{"k":[1,2.5]}"#);
    assert_eq!(shape(FORMAT, &task), value);
    let mut more = value;
    more["retries"] = 3.into();
    let task = adopted(FORMAT, &more);
    let data: Value = serde_json::from_str(task.data.as_str()).unwrap();
    let imported = json!({"fields": {"retries": 3}, "format": "task-manager"});
    assert_eq!(data, json!({"k": [1, 2.50], "_imported": imported}));
}

#[test]
fn what_belongs_to_no_task_becomes_metadata() {
    let foreign = read_text(FORMAT, &state_text());
    let meta = |key: &str| {
        let found = foreign.meta.iter().find(|(own, _)| own.as_str() == key);
        found.map(|(_, value)| serde_json::from_str::<Value>(value.as_str()).unwrap())
    };
    assert_eq!(meta("owner"), Some(json!("ops")));
    assert_eq!(
        meta("imported"),
        Some(json!({
            "format": "task-manager",
            "fields": {"workflow_type": "survey", "revision": 12},
            "metadata": {"no key!": 1, "none": null, "imported": 2}
        }))
    );
}

#[test]
fn a_state_file_comes_back_as_it_was_in_its_order() {
    let foreign = read_text(FORMAT, &state_text());
    let tasks = Board::new().adopt(&foreign.arrivals);
    let (_directory, path) = file("out.json", "");
    write(FORMAT, &tasks, &foreign.meta, &path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), state());
    let places: Vec<Option<usize>> =
        ORDER.iter().map(|id| text.find(&format!("    \"{id}\": {{"))).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
}

#[test]
fn what_happened_on_the_board_is_written_in_the_systems_words() {
    let board = Board::new();
    board.adopt(&read_text(FORMAT, &state_text()).arrivals);
    // The lease of a day that began a day before is over.
    board.store.advance(Duration::from_secs(24 * 60 * 60));
    let claimed = board.claim("w-9").unwrap();
    let proof = Proof {
        agent: claimed.claim.as_ref().unwrap().agent.clone(),
        token: claimed.claim.as_ref().map(|claim| claim.token),
    };
    let shaped = shape(FORMAT, &claimed);
    assert_eq!((&shaped["locked_by"], &shaped["status"]), (&json!("w-9"), &json!("in_progress")));
    let how = Finish::Fail(Some("no luck".into()));
    board.engine.finish(&claimed.id, &proof, &how, soon()).unwrap();
    let shaped = shape(FORMAT, &board.task(claimed.id.as_str()));
    assert_eq!((&shaped["locked_by"], &shaped["status"]), (&Value::Null, &json!("failed")));
    assert_eq!(shaped["result"], json!({"error": "no luck"}));
    assert!(shaped["completed_at"].is_string());
}

#[test]
fn a_claim_whose_day_is_over_is_somebody_elses_to_have() {
    let text = r#"{"tasks": {"a": {"type": "t", "status": "in_progress", "locked_by": "gone",
        "locked_at": "2001-09-01T00:00:00Z"}}}"#;
    let board = Board::new();
    board.adopt(&read_text(FORMAT, text).arrivals);
    board.store.advance(Duration::from_millis(1));
    assert_eq!(board.claim("w").unwrap().id.as_str(), "a");
}

#[test]
fn what_cannot_be_mapped_is_remarked_on_and_kept() {
    let text = json!({"tasks": {
        "a": {"type": "", "status": "sleeping", "parent_id": "b", "locked_by": null},
        "b": {"type": "t", "status": "pending", "parent_id": "a"},
        "c": {"type": "t", "status": "pending", "parent_id": "nobody"},
        "d": {"type": "t", "status": "in_progress", "locked_at": "2001-09-09T00:00:00"},
        "e": {"type": "t", "status": "in_progress"},
        "f": {"type": "t", "status": "pending", "parent_id": "f", "created_at": "yesterday"}
    }});
    let foreign = read_text(FORMAT, &text.to_string());
    let said = remarks(&foreign);
    for part in [
        "`a`: `type`: no valid name",
        "`a`: `status`: not known",
        "`parent_id`: `a` is, or waits for",
        "`c`: `parent_id`: there is no task `nobody`",
        "so `unknown` holds it",
        "`e`: `status`: in progress by nobody",
        "`f`: `parent_id`: `f` is",
        "`f`: `created_at`: no time",
    ] {
        assert!(said.iter().any(|remark| remark.contains(part)), "{part}: {said:#?}");
    }
    assert_eq!(said.len(), 8, "{said:#?}");
    assert_eq!(arrival(&foreign, "a").past.status, Status::Blocked);
    assert_eq!(arrival(&foreign, "d").past.status, Status::InProgress);
    assert_eq!(arrival(&foreign, "e").past.status, Status::Pending);
    let tasks = Board::new().adopt(&foreign.arrivals);
    for task in &tasks {
        let mut shaped = shape(FORMAT, task);
        shaped.as_object_mut().unwrap().remove("id");
        assert_eq!(shaped, text["tasks"][task.id.as_str()]);
    }
}

#[test]
fn a_boards_own_task_has_all_fields_of_a_task() {
    let mut task = adopted(FORMAT, &json!({"id": "a", "type": "t"}));
    task.data = Json::default();
    task.created_at = NOW;
    let shaped = shape(FORMAT, &task);
    let keys: Vec<&String> = shaped.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "completed_at",
            "created_at",
            "data",
            "id",
            "locked_at",
            "locked_by",
            "parent_id",
            "status",
            "type"
        ]
    );
    assert_eq!(shaped["data"], json!({}));
    task.priority = 3;
    task.status = Status::Blocked;
    let (_directory, path) = file("out.json", "");
    let said = write(FORMAT, &[task], &[], &path).unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
}

#[test]
fn nothing_is_written_over() {
    let (_directory, path) = file("out.json", "precious");
    assert!(matches!(write(FORMAT, &[], &[], &path), Err(Error::Occupied(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let fresh = path.with_file_name("deep/er/out.json");
    let meta = [(TaskId::new("k").unwrap(), Json::parse("1").unwrap())];
    write(FORMAT, &[], &meta, &fresh).unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(&fresh).unwrap()).unwrap();
    assert_eq!(written, json!({"workflow_type": "generic", "metadata": {"k": 1}, "tasks": {}}));
    assert!(read(FORMAT, &fresh, &options()).unwrap().arrivals.is_empty());
}

#[test]
fn a_file_comes_back_with_no_more_than_it_had() {
    // A task under the empty key came back under another one, and each file with a `workflow_type` and `metadata`.
    let task = json!({"type": "t", "status": "pending", "parent_id": null, "locked_by": null, "locked_at": null,
        "created_at": "2001-09-08T00:00:00", "completed_at": null, "data": {}});
    for state in [
        json!({"tasks": {"": task}}),
        json!({"tasks": {"": task, "a": task}, "metadata": {}}),
        json!({"tasks": {"a": task}, "metadata": {"": 1}}),
        json!({"tasks": {"a": task}, "metadata": []}),
        json!({"tasks": {}, "workflow_type": null, "metadata": null}),
    ] {
        let foreign = read_text(FORMAT, &state.to_string());
        let board = Board::new();
        let tasks = board.adopt(&foreign.arrivals);
        let (_directory, path) = file("out.json", "");
        write(FORMAT, &tasks, &foreign.meta, &path).unwrap();
        let written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(written, state);

        // What the board has of it is written all the same.
        let mut meta = foreign.meta;
        meta.push((TaskId::new("owner").unwrap(), Json::parse("1").unwrap()));
        let (_directory, path) = file("out.json", "");
        write(FORMAT, &tasks, &meta, &path).unwrap();
        let written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(written["metadata"]["owner"], 1);

        // A board's own file has what the system's own files have.
        let (_directory, path) = file("out.json", "");
        write(FORMAT, &tasks, &[], &path).unwrap();
        let written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            (&written["workflow_type"], &written["metadata"]),
            (&json!("generic"), &json!({}))
        );
    }
}
