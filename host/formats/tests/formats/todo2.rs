//! `todo2`: todos with assignees, in a file in a directory of the project.

use serde_json::{Value, json};
use taskhost_board::{AgentKind, Status};
use taskhost_formats::{Error, Format, read, shape, write};

use crate::common::{Board, NOW, adopted, arrival, file, options, read_text, remarks};

const FORMAT: Format = Format::Todo2;

fn state() -> Value {
    json!({
        "version": "1.2",
        "activities": [{"what": "opened"}],
        "todos": [
            {"id": "T-1", "content": "Plan", "status": "Done", "priority": "high", "tags": ["plan", "area"],
             "created_at": "2001-09-08T00:00:00Z", "completed_at": "2001-09-08T10:00:00.123456Z"},
            {"id": 2, "title": "Build", "status": "In Progress", "dependencies": ["T-1"], "priority": "critical",
             "assignee": {"name": "builder", "type": "host", "hostname": "box", "assigned_by": "night", "assigned_at": "x"},
             "lastModified": 999_990_000_000_i64},
            {"id": "T-3", "name": "Check", "status": "review", "parentId": 2, "assignee": null},
            {"id": "T-4", "content": "Ask", "status": "todo", "assignee": {"name": "ann", "type": "human"},
             "type": "question"},
            {"id": "T-5", "content": "Lost", "status": "in-progress", "priority": "medium"},
            {"id": "T-6", "content": "Odd", "status": "icebox", "assignee": {"name": "crew", "type": "team"}},
            {"id": "T-1", "content": "Again", "status": "cancelled", "dependencies": ["T-1", "gone"]}
        ]
    })
}

#[test]
fn words_people_and_links_are_mapped() {
    let foreign = read_text(FORMAT, &state().to_string());
    let status = |id: &str| arrival(&foreign, id).past.status;
    assert_eq!(status("T-1"), Status::Completed);
    assert_eq!(status("2"), Status::InProgress);
    assert_eq!(status("T-3"), Status::InReview);
    assert_eq!(status("T-5"), Status::Pending);
    assert_eq!(status("T-6"), Status::Blocked);

    let build = arrival(&foreign, "2");
    assert_eq!((build.new.task_type.as_str(), build.new.priority), ("todo", 2));
    assert_eq!(build.new.after[0].as_str(), "T-1");
    let assignee = build.new.assignee.as_ref().unwrap();
    assert_eq!((assignee.name.as_str(), assignee.kind), ("builder", AgentKind::Host));
    assert_eq!(assignee.by.as_ref().unwrap().as_str(), "night");
    let claim = build.past.claim.as_ref().unwrap();
    assert_eq!(
        (claim.agent.as_str(), claim.kind, claim.since),
        ("builder", AgentKind::Host, Some(NOW))
    );

    let plan = arrival(&foreign, "T-1");
    let labels: Vec<&str> = plan.new.labels.iter().map(|label| label.as_str()).collect();
    assert_eq!((labels, plan.new.priority), (vec!["area", "plan"], 1));
    assert_eq!(arrival(&foreign, "T-3").new.parent.as_ref().unwrap().as_str(), "2");
    let ask = arrival(&foreign, "T-4");
    assert_eq!((ask.new.task_type.as_str(), ask.past.status), ("question", Status::Pending));
    assert_eq!(ask.new.assignee.as_ref().unwrap().kind, AgentKind::Human);
    let data: Value = serde_json::from_str(ask.new.data.as_str()).unwrap();
    assert_eq!(data["content"], "Ask");
}

#[test]
fn what_cannot_be_mapped_is_remarked_on() {
    let said = remarks(&read_text(FORMAT, &state().to_string()));
    for part in [
        "`T-5`: `status`: in progress by nobody",
        "`T-6`: `status`: not known",
        "`T-6`: `assignee`: a type that",
        "`T-1`: `id`: another task has it",
        "`T-1`: `dependencies`: there is no task `gone`",
        "`2`: `lastModified`",
    ] {
        let expected = part != "`2`: `lastModified`";
        assert_eq!(said.iter().any(|remark| remark.contains(part)), expected, "{part}: {said:#?}");
    }
}

#[test]
fn a_project_comes_back_as_it_was() {
    let foreign = read_text(FORMAT, &state().to_string());
    let tasks = Board::new().adopt(&foreign.arrivals);
    let project = tempfile::tempdir().unwrap();
    assert_eq!(write(FORMAT, &tasks, &foreign.meta, project.path()).unwrap(), []);
    let path = project.path().join(".todo2/state.todo2.json");
    let written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(written, state());
    assert!(matches!(write(FORMAT, &tasks, &[], project.path()), Err(Error::Occupied(_))));
}

#[test]
fn the_project_its_directory_and_the_file_are_the_same() {
    let (project, path) = file(".todo2/state.todo2.json", &state().to_string());
    for path in [project.path(), &project.path().join(".todo2"), &path] {
        assert_eq!(read(FORMAT, path, &options()).unwrap().arrivals.len(), 7);
    }
}

#[test]
fn a_todo_that_was_claimed_and_freed_here_is_open_there() {
    let value = json!({"id": "a", "content": "c", "status": "in progress"});
    let mut task = adopted(FORMAT, &value);
    assert_eq!(shape(FORMAT, &task), value);
    task.closed = Some(taskhost_board::Closed {
        token: taskhost_board::Token(1),
        agent: taskhost_board::Name::new("w").unwrap(),
        verb: None,
    });
    assert_eq!(shape(FORMAT, &task)["status"], "Todo");
}

#[test]
fn a_boards_own_task_has_something_to_be_shown_by() {
    let mut task = adopted(FORMAT, &json!({"id": "a", "content": "c"}));
    task.data = taskhost_board::Json::parse(r#"{"n": 1, "status": "mine"}"#).unwrap();
    let shaped = shape(FORMAT, &task);
    assert_eq!(
        (&shaped["content"], &shaped["status"], &shaped["n"]),
        (&json!("a"), &json!("Todo"), &json!(1))
    );
    let project = tempfile::tempdir().unwrap();
    let said = write(FORMAT, &[task], &[], project.path()).unwrap();
    assert_eq!(said[0].field, "data.status");
}

#[test]
fn what_one_system_had_is_not_written_for_another() {
    let value = json!({"id": "a", "content": "c", "status": "In Progress", "created_at": "2001-09-08T00:00:00+02:00"});
    let task = adopted(FORMAT, &value);
    let shaped = shape(Format::TaskManager, &task);
    assert_eq!(shaped["status"], "pending");
    assert!(!shaped["created_at"].as_str().unwrap().contains('+'), "{shaped}");
    assert_eq!(shaped["data"], json!({"content": "c"}));
}

#[test]
fn whoever_holds_a_task_here_is_its_assignee_there() {
    // A task that was claimed on the board was written as in progress by nobody, or by whom it was reserved for: the
    // next one who looked at the file took it, and two worked on it.
    let board = Board::new();
    let read = |value: Value| read_text(FORMAT, &json!({ "todos": [value] }).to_string());
    let open = json!({"id": "a", "content": "c", "status": "Todo"});
    board.adopt(&read(open).arrivals);
    let mut task = board.claim("worker").unwrap();
    let shaped = shape(FORMAT, &task);
    assert_eq!(shaped["status"], "In Progress");
    assert_eq!(shaped["assignee"], json!({"name": "worker", "type": "agent"}));
    let (again, _) = taskhost_formats::read_one(FORMAT, &shaped, &options()).unwrap();
    assert_eq!(again.past.claim.unwrap().agent.as_str(), "worker");

    // Whom it was reserved for has no place then, and that is said.
    let other = adopted(FORMAT, &json!({"id": "b", "assignee": {"name": "ann", "type": "human"}}));
    task.assignee = other.assignee;
    assert_eq!(shape(FORMAT, &task)["assignee"]["name"], "worker");
    for format in [FORMAT, Format::TaskBoard] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.json");
        let said = write(format, std::slice::from_ref(&task), &[], &path).unwrap();
        let about = said.iter().find(|remark| remark.field == "assignee").unwrap();
        assert!(about.why.contains("`ann`") && about.why.contains("`worker`"), "{about}");
    }

    // Nor is anything else said of it once it is free again.
    (task.claim, task.assignee, task.status) = (None, None, Status::Pending);
    task.updated_at = task.created_at;
    assert_eq!(shape(FORMAT, &task)["assignee"], Value::Null);
}
