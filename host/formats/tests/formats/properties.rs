//! Whatever a task of a system is, it comes back as it was; whatever bytes a file has, reading it ends.

use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use taskhost_board::Status;
use taskhost_formats::{Format, read, read_one, recognise, shape, write};

use crate::common::{adopted, options};

/// Every name that a table knows, and some that none does.
const NAMES: &[&str] = &[
    "id",
    "task_id",
    "type",
    "task_type",
    "agent_type",
    "status",
    "parent_id",
    "parentId",
    "parent",
    "dependencies",
    "depends_on",
    "tags",
    "labels",
    "priority",
    "capabilities",
    "locked_by",
    "locked_at",
    "claimed_by",
    "claimed_at",
    "agent_id",
    "assigned_to",
    "assigned_at",
    "assignee",
    "created_at",
    "createdAt",
    "updated_at",
    "last_modified",
    "completed_at",
    "result",
    "result_data",
    "error",
    "data",
    "content",
    "title",
    "_imported",
    "fields",
    "copies",
    "format",
    "is",
    "was",
    "as",
    "x",
];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0.0..3e12_f64).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[a-c]".prop_map(Value::from),
        (0_i64..2_000_000_000).prop_map(|at| json!(at)),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                "[a-d_]{1,3}|_imported|name|type|error|base64",
                inner,
                0..4
            )
            .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn time() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0_u32..1_000_000, any::<bool>(), 0_u32..60).prop_map(|(fraction, has, second)| {
            let fraction = if has { format!(".{fraction:06}") } else { String::new() };
            json!(format!("2024-03-04T05:06:{second:02}{fraction}"))
        }),
        Just(json!("2024-03-04T05:06:07.5+02:00")),
        Just(json!("2024-03-04 05:06:07")),
        Just(json!("2024-03-04T05:06:07.891Z")),
        (0_i64..2_000_000_000_000).prop_map(|ms| json!(ms as f64 / 1_000.0)),
        scalar(),
    ]
}

fn likely(name: &str) -> BoxedStrategy<Value> {
    let status = prop::sample::select(vec![
        "pending",
        "in_progress",
        "Todo",
        "In Progress",
        "done",
        "completed",
        "failed",
        "review",
        "odd",
        "claimed",
        "cancelled",
        "blocked",
        "",
    ]);
    match name {
        "status" => prop_oneof![6 => status.prop_map(Value::from), 1 => scalar()].boxed(),
        _ if name.ends_with("_at") || name.ends_with("At") || name == "last_modified" => {
            time().boxed()
        }
        "tags" | "labels" | "capabilities" | "dependencies" | "depends_on" => prop_oneof![
            prop::collection::vec(scalar(), 0..4).prop_map(Value::from),
            Just(json!("[\"a\", \"b\"]")),
            Just(json!("a, b")),
            any_value(),
        ]
        .boxed(),
        "assignee" => prop_oneof![
            ("[a-z]{0,3}", "agent|host|human|odd")
                .prop_map(|(name, kind)| json!({"name": name, "type": kind})),
            any_value(),
        ]
        .boxed(),
        "priority" => prop_oneof![
            "low|medium|HIGH|critical".prop_map(Value::from),
            (-3..9).prop_map(Value::from),
            scalar()
        ]
        .boxed(),
        "result" => prop_oneof![Just(json!({"error": "no"})), any_value()].boxed(),
        _ => any_value().boxed(),
    }
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_set(prop::sample::select(NAMES), 0..14).prop_flat_map(|names| {
        let values: Vec<_> =
            names.into_iter().map(|name| (Just(name.to_owned()), likely(name))).collect();
        values.prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
    })
}

fn format() -> impl Strategy<Value = Format> {
    prop::sample::select(Format::ALL.to_vec())
}

/// A small database's bytes.
fn database() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tasks.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let sql = "PRAGMA page_size = 512; CREATE TABLE tasks (id TEXT PRIMARY KEY, status TEXT, priority INTEGER, x BLOB);
            INSERT INTO tasks VALUES ('a', 'todo', 1, x'00'), ('b', 'done', NULL, 1.5), ('c', 'claimed', 'high', 'é');";
        connection.execute_batch(sql).unwrap();
        drop(connection);
        std::fs::read(&path).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_task_that_nothing_happened_to_comes_back_as_it_was(format in format(), object in object()) {
        let task = adopted(format, &object);
        prop_assert_eq!(shape(format, &task), object);
    }

    #[test]
    fn what_happened_on_the_board_wins_over_what_is_remembered(format in format(), object in object()) {
        let mut task = adopted(format, &object);
        let before = task.status;
        task.status = Status::Completed;
        task.claim = None;
        task.completed_at = Some(taskhost_board::Millis(1_700_000_000_000));
        task.priority = 77;
        let shaped = shape(format, &task);
        let (again, _) = read_one(format, &shaped, &options()).unwrap();
        if before != Status::Completed {
            prop_assert_eq!(again.past.status, Status::Completed);
        }
        prop_assert_eq!(again.past.completed_at, task.completed_at);
        if format != Format::TaskManager {
            prop_assert_eq!(again.new.priority, 77);
        }
    }

    // What stood in a task's data or in a field of its own system became a fact in another one, or took one's place.
    #[test]
    fn what_is_so_on_the_board_is_so_in_every_system(from in format(), to in format(), object in object()) {
        let task = adopted(from, &object);
        let (again, _) = read_one(to, &shape(to, &task), &options()).unwrap();
        prop_assert_eq!(again.new.id.as_ref(), Some(&task.id));
        prop_assert_eq!(again.past.status, task.status);
        prop_assert_eq!(again.past.claim.map(|claim| claim.agent), task.claim.as_ref().map(|claim| claim.agent.clone()));
        prop_assert_eq!(again.new.parent, task.parent);
        prop_assert_eq!(again.past.completed_at.is_some(), task.completed_at.is_some());
        if to != Format::TaskManager {
            prop_assert_eq!((again.new.after, again.new.priority), (task.after, task.priority));
            prop_assert_eq!((again.new.labels, again.past.error), (task.labels, task.error));
        }
        if to != Format::TaskManager && to != Format::Todo2 {
            prop_assert_eq!(again.new.needs, task.needs);
        }
        if to == Format::Todo2 && task.claim.is_none() {
            prop_assert_eq!(again.new.assignee, task.assignee);
        }
    }

    #[test]
    fn a_file_comes_back_as_it_was(tasks in prop::collection::vec(object(), 0..8), rest in any_value()) {
        let directory = tempfile::tempdir().unwrap();
        let (path, out) = (directory.path().join("in.json"), directory.path().join("out.json"));
        let by_id = tasks.iter().enumerate().map(|(n, task)| (["a", "b", "c d", "1"].get(n).map_or(format!("t{n}"), ToString::to_string), task.clone()));
        let by_id: Map<String, Value> = by_id.collect();
        for (format, content) in [
            (Format::TaskBoard, json!(tasks)),
            (Format::TaskBoard, json!({"tasks": tasks, "rest": rest})),
            (Format::Todo2, json!({"todos": tasks, "rest": rest})),
            (Format::TaskManager, json!({"tasks": by_id, "workflow_type": rest, "metadata": {"k": rest, "-": 1}})),
        ] {
            std::fs::write(&path, content.to_string()).unwrap();
            let foreign = read(format, &path, &options()).unwrap();
            let tasks = crate::common::Board::new().adopt(&foreign.arrivals);
            write(format, &tasks, &foreign.meta, &out).unwrap();
            let written: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
            prop_assert_eq!(written, content);
            std::fs::remove_file(&out).unwrap();
        }
    }

    #[test]
    fn random_bytes_are_read_or_refused(format in format(), bytes in prop::collection::vec(any::<u8>(), 0..200), magic in any::<bool>()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.json");
        let beginning: &[u8] = if magic { b"SQLite format 3\0" } else { b"" };
        std::fs::write(&path, [beginning, &bytes].concat()).unwrap();
        let _ = recognise(&path);
        let _ = read(format, &path, &options());
    }

    #[test]
    fn edited_databases_are_read_or_refused(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), kept in 0.0..4.0_f64) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tasks.db");
        let mut bytes = database().to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate((bytes.len() as f64 * kept.min(1.0)) as usize);
        std::fs::write(&path, bytes).unwrap();
        if let Ok(foreign) = read(Format::Sqlite, &path, &options()) {
            crate::common::Board::new().adopt(&foreign.arrivals);
        }
    }

    #[test]
    fn random_json_is_read_or_refused(format in format(), value in any_value(), tasks in prop::collection::vec(object(), 0..6)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.json");
        let by_id: Map<String, Value> = tasks.iter().enumerate().map(|(n, task)| (format!("t{n}"), task.clone())).collect();
        for content in [value, json!(tasks), json!({"tasks": tasks}), json!({"todos": tasks}), json!({"tasks": by_id})] {
            std::fs::write(&path, content.to_string()).unwrap();
            let _ = recognise(&path);
            if let Ok(foreign) = read(format, &path, &options()) {
                // Whatever it was, a board takes it.
                crate::common::Board::new().adopt(&foreign.arrivals);
            }
        }
    }
}
