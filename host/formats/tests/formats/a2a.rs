//! `a2a`: a pool of files, which are moved from directory to directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use taskhost_board::{Millis, Status};
use taskhost_formats::{Error, Format, read, shape, write};
use tempfile::TempDir;

use crate::common::{Board, NOW, adopted, arrival, options, remarks};

const FORMAT: Format = Format::A2a;

fn pool(files: &[(&str, Value)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, value) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string()).unwrap();
    }
    directory
}

fn usual() -> TempDir {
    let pool = pool(&[
        (
            "available/t-1.json",
            json!({"task_id": "t-1", "task_type": "ui", "required_capabilities": ["js", "css"],
            "priority": 4, "description": "d", "created_at": "2001-09-08T00:00:02.000001", "dependencies": ["t-2"]}),
        ),
        (
            "claimed/t-2.json",
            json!({"task_id": "t-2", "agent_type": "backend", "claimed_at": "2001-09-09T00:00:00",
            "claimed_by": "agent-7", "created_at": "2001-09-08T00:00:01"}),
        ),
        (
            "completed/t-3.json",
            json!({"task_id": "t-3", "status": "failed", "error": "no", "agent_id": "agent-8",
            "result": {"n": 1}, "completed_at": "2001-09-08T00:00:00"}),
        ),
        ("completed/t 4.json", json!({"status": "completed", "requirements": {"a": [1]}})),
    ]);
    fs::write(pool.path().join("available/t-1.lock"), "").unwrap();
    pool
}

fn contents(root: &Path) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for directory in fs::read_dir(root).unwrap() {
        for file in fs::read_dir(directory.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
            }
        }
    }
    found
}

#[test]
fn where_a_file_lies_says_where_its_task_stands() {
    let pool = usual();
    let foreign = read(FORMAT, pool.path(), &options()).unwrap();
    let open = arrival(&foreign, "t-1");
    assert_eq!(
        (open.past.status, open.new.task_type.as_str(), open.new.priority),
        (Status::Pending, "ui", 4)
    );
    let needs: Vec<&str> = open.new.needs.iter().map(|need| need.as_str()).collect();
    assert_eq!((needs, open.new.after[0].as_str()), (vec!["css", "js"], "t-2"));
    let held = arrival(&foreign, "t-2");
    assert_eq!((held.past.status, held.new.task_type.as_str()), (Status::InProgress, "backend"));
    assert_eq!(held.past.claim.as_ref().unwrap().agent.as_str(), "agent-7");
    let failed = arrival(&foreign, "t-3");
    assert_eq!((failed.past.status, failed.past.error.as_deref()), (Status::Failed, Some("no")));
    assert_eq!(remarks(&foreign).len(), 1, "{:?}", remarks(&foreign));
    // In the order of creation, as far as that is known.
    let first = foreign.arrivals[0].new.id.as_ref().unwrap();
    assert_eq!(first.as_str(), "t-2");
}

#[test]
fn one_of_the_directories_stands_for_all() {
    let pool = usual();
    let foreign = read(FORMAT, &pool.path().join("available"), &options()).unwrap();
    assert_eq!(foreign.arrivals.len(), 4);
}

#[test]
fn a_pool_comes_back_as_it_was() {
    let pool = usual();
    let foreign = read(FORMAT, pool.path(), &options()).unwrap();
    let tasks = Board::new().adopt(&foreign.arrivals);
    let out = tempfile::tempdir().unwrap();
    assert_eq!(write(FORMAT, &tasks, &foreign.meta, out.path()).unwrap(), []);
    assert_eq!(contents(out.path()), contents(pool.path()));
    let again = write(FORMAT, &tasks, &[], out.path());
    assert!(matches!(again, Err(Error::Occupied(_))));
}

#[test]
fn a_task_whose_mover_died_is_one_task_that_stands_where_it_came_furthest() {
    let pool = pool(&[
        ("available/t.json", json!({"task_id": "t"})),
        (
            "claimed/t.json",
            json!({"task_id": "t", "claimed_by": "w", "claimed_at": "2001-09-09T00:00:00"}),
        ),
    ]);
    let foreign = read(FORMAT, pool.path(), &options()).unwrap();
    assert_eq!(foreign.arrivals.len(), 1);
    assert_eq!(arrival(&foreign, "t").past.status, Status::InProgress);
    assert!(remarks(&foreign)[0].contains("came further"), "{:?}", remarks(&foreign));
    let data: Value = serde_json::from_str(arrival(&foreign, "t").new.data.as_str()).unwrap();
    assert_eq!(
        data["_imported"]["copies"],
        json!([{"in": "available/t.json", "task": {"task_id": "t"}}])
    );
}

#[test]
fn what_is_no_task_is_remarked_on_and_a_damaged_file_refuses_all() {
    let pool = pool(&[
        ("available/a.json", json!({})),
        ("available/a.tmp", json!({})),
        ("archive/b.json", json!({})),
    ]);
    let foreign = read(FORMAT, pool.path(), &options()).unwrap();
    let said = remarks(&foreign);
    assert!(said.iter().any(|remark| remark.starts_with("`archive`")), "{said:?}");
    assert!(said.iter().any(|remark| remark.starts_with("`available/a.tmp`")), "{said:?}");
    assert_eq!(arrival(&foreign, "a").past.status, Status::Pending);
    fs::write(pool.path().join("available/c.json"), "{\"task_id\": ").unwrap();
    let error = read(FORMAT, pool.path(), &options()).expect_err("it is damaged");
    assert!(matches!(error, Error::Damaged { line: 1, .. }), "{error}");
}

#[test]
fn a_claim_of_somebody_unknown_keeps_others_away_for_as_long_as_any() {
    let pool = pool(&[("claimed/t.json", json!({"task_id": "t", "claimed_at": 999_999_000}))]);
    let foreign = read(FORMAT, pool.path(), &options()).unwrap();
    let claim = arrival(&foreign, "t").past.claim.clone().unwrap();
    assert_eq!((claim.agent.as_str(), claim.since), ("unknown", Some(Millis(999_999_000_000))));
}

#[test]
fn one_task_alone_stands_where_its_traces_say() {
    for (value, status) in [
        (json!({"task_id": "t"}), Status::Pending),
        (json!({"task_id": "t", "claimed_by": "w"}), Status::InProgress),
        (
            json!({"task_id": "t", "claimed_by": "w", "completed_at": "2001-01-01T00:00:00"}),
            Status::Completed,
        ),
    ] {
        let task = adopted(FORMAT, &value);
        assert_eq!(task.status, status, "{value}");
        assert_eq!(shape(FORMAT, &task), value);
    }
}

#[test]
fn what_is_parked_is_put_where_nobody_takes_it() {
    let task = adopted(FORMAT, &json!({"task_id": "t", "status": "blocked"}));
    let out = tempfile::tempdir().unwrap();
    assert_eq!(write(FORMAT, &[task], &[], out.path()).unwrap().len(), 1);
    assert!(out.path().join("blocked/t.json").is_file() && out.path().join("available").is_dir());
    let foreign = read(FORMAT, out.path(), &options()).unwrap();
    assert_eq!(arrival(&foreign, "t").past.status, Status::Blocked);
}

#[test]
fn a_file_comes_back_to_its_directory_and_by_its_name() {
    // Pools have directories that the format doesn't list, such as `failed`, and files there say nothing of their status:
    // they came back in `completed`, without a word, so what had failed was done.
    let files = [
        ("failed/a.json", json!({"task_id": "a", "error": "no"})),
        ("cancelled/b.json", json!({"task_id": "b"})),
        (
            "in_progress/c.json",
            json!({"task_id": "c", "claimed_by": "w", "claimed_at": "2001-09-09T00:00:00"}),
        ),
        ("pending/task-17.json", json!({"task_id": "d"})),
        ("done/e.json", json!({"task_id": "e"})),
        ("available/f.json", json!({"task_id": "f"})),
    ];
    let pool = pool(&files);
    let foreign = read(FORMAT, pool.path(), &options()).unwrap();
    let mut tasks = Board::new().adopt(&foreign.arrivals);
    let out = tempfile::tempdir().unwrap();
    assert_eq!(write(FORMAT, &tasks, &foreign.meta, out.path()).unwrap(), []);
    assert_eq!(contents(out.path()), contents(pool.path()));

    // What has moved since is where such tasks are, by the name that it had.
    for task in tasks.iter_mut().filter(|task| ["a", "d"].contains(&task.id.as_str())) {
        (task.status, task.completed_at) = (Status::Cancelled, Some(NOW));
    }
    let out = tempfile::tempdir().unwrap();
    write(FORMAT, &tasks, &foreign.meta, out.path()).unwrap();
    assert_eq!(contents(out.path())["completed/a.json"]["status"], "cancelled");
    assert_eq!(contents(out.path())["completed/task-17.json"]["status"], "cancelled");
    let again = read(FORMAT, out.path(), &options()).unwrap();
    assert_eq!(arrival(&again, "d").past.status, Status::Cancelled);
    assert_eq!(arrival(&again, "e").past.status, Status::Completed);
}

#[test]
fn what_is_remembered_of_a_file_steers_it_nowhere_else() {
    // Data is anybody's to write, and what it says of a file must not put one outside, over another one, or where its task
    // is taken for what it isn't.
    let out = tempfile::tempdir().unwrap();
    let place = out.path().join("pool");
    let files = [
        "../../x.json",
        "/etc/x.json",
        "completed/x.json",
        "available/../x.json",
        "available/.x.json",
        "available/x",
        "available/x.json",
        "available/X.json",
        "available/a.json",
        "x.json",
        "",
        "available/x\\y.json",
        "../available/x.json",
    ];
    let mut tasks = vec![adopted(FORMAT, &json!({"task_id": "a"}))];
    for (n, file) in files.iter().enumerate() {
        let mut task = adopted(FORMAT, &json!({"task_id": format!("t{n}")}));
        let memo = json!({"format": "a2a", "file": {"was": file, "is": ["pending", "available"]}, "status": {"is": ["pending", "available"]}});
        task.data = taskhost_board::Json::try_from(json!({"_imported": memo})).unwrap();
        tasks.push(task);
    }
    write(FORMAT, &tasks, &[], &place).unwrap();
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
    let written = contents(&place);
    assert_eq!(written.len(), tasks.len(), "{written:?}");
    assert!(written.keys().all(|name| name.starts_with("available/")), "{written:?}");
    assert_eq!(written["available/a.json"]["task_id"], "a");
    assert_eq!(written["available/x.json"]["task_id"], "t2");
}

#[test]
fn two_tasks_of_one_id_in_one_directory_are_two() {
    // Whoever copied a file to write the next task forgot its id: the second task was kept in the first one's data, where
    // nobody found it.
    let files = [
        ("available/a.json", json!({"task_id": "t", "title": "one"})),
        ("available/b.json", json!({"task_id": "t", "title": "two"})),
        ("available/c.json", json!({"task_id": "t", "title": "one"})),
        (
            "claimed/u.json",
            json!({"task_id": "u", "claimed_by": "w", "claimed_at": "2001-09-09T00:00:00"}),
        ),
        ("available/u.json", json!({"task_id": "u"})),
    ];
    let pool = pool(&files);
    let foreign = read(FORMAT, pool.path(), &options()).unwrap();
    assert_eq!(foreign.arrivals.len(), 3);
    let said = remarks(&foreign);
    assert!(said.iter().any(|remark| remark.contains("another task has it")), "{said:?}");
    assert!(
        said.iter().any(|remark| remark.ends_with("the same task as in `available/a.json`")),
        "{said:?}"
    );
    let tasks = Board::new().adopt(&foreign.arrivals);
    let out = tempfile::tempdir().unwrap();
    write(FORMAT, &tasks, &foreign.meta, out.path()).unwrap();
    let written = contents(out.path());
    assert_eq!(
        (&written["available/a.json"], &written["available/b.json"]),
        (&files[0].1, &files[1].1)
    );
}
