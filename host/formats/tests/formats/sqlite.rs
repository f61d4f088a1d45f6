//! `sqlite`: a table of tasks.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value as Cell;
use serde_json::{Value, json};
use taskhost_board::{Json, Status};
use taskhost_formats::{Error, Format, read, shape, write};
use tempfile::TempDir;

use crate::common::{Board, adopted, arrival, options, remarks};

const FORMAT: Format = Format::Sqlite;

const TABLE: &str = "
    CREATE TABLE tasks (
        id INTEGER PRIMARY KEY, title TEXT NOT NULL, agent_type TEXT, status TEXT, priority INTEGER,
        assigned_to TEXT, assigned_at TEXT, created_at TEXT, updated_at REAL, completed_at TEXT,
        dependencies TEXT, \"odd \"\" name\" BLOB, weight REAL);
    CREATE TABLE agents (id TEXT);
    INSERT INTO tasks VALUES
        (1, 'one', 'ui', 'completed', 2, 'w-1', '2001-09-08 00:00:00', '2001-09-07 00:00:00.500000',
         999900000.25, '2001-09-08 01:00:00', NULL, x'00ff10', 1.0),
        (2, 'two', 'ui', 'in_progress', 0, 'w-2', '2001-09-09 00:00:00', NULL, NULL, NULL, '[1]', 'text', 2.5),
        (3, 'three', NULL, 'pending', -1, 'w-3', NULL, NULL, NULL, NULL, '[1, 2]', NULL, NULL),
        (4, CAST(x'ff' AS TEXT), NULL, 'queued', NULL, NULL, NULL, NULL, NULL, NULL, 'nonsense', 7, 1e999);
";

fn database(sql: &str) -> (TempDir, PathBuf, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tasks.db");
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.execute_batch(sql).unwrap();
    (directory, path, connection)
}

fn rows(path: &Path) -> Vec<Vec<(String, Cell)>> {
    let connection = Connection::open(path).unwrap();
    let mut select = connection.prepare("SELECT * FROM tasks").unwrap();
    let names: Vec<String> = select.column_names().map(ToOwned::to_owned).collect();
    let rows = select.query_map([], |row| {
        names.iter().enumerate().map(|(at, name)| Ok((name.clone(), row.get(at)?))).collect()
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn rows_become_tasks_while_their_writer_is_still_there() {
    let (_directory, path, _connection) = database(TABLE);
    assert!(path.with_extension("db-wal").exists());
    let foreign = read(FORMAT, &path, &options()).unwrap();
    let done = arrival(&foreign, "1");
    assert_eq!(
        (done.past.status, done.new.task_type.as_str(), done.new.priority),
        (Status::Completed, "ui", 2)
    );
    let held = arrival(&foreign, "2");
    assert_eq!(held.past.claim.as_ref().unwrap().agent.as_str(), "w-2");
    let open = arrival(&foreign, "3");
    assert_eq!(open.new.assignee.as_ref().unwrap().name.as_str(), "w-3");
    let after: Vec<&str> = open.new.after.iter().map(|id| id.as_str()).collect();
    assert_eq!((after, open.new.task_type.as_str()), (vec!["1", "2"], "task"));
    let data: Value = serde_json::from_str(done.new.data.as_str()).unwrap();
    assert_eq!(data["odd \" name"], json!({"base64": "AP8Q"}));
    assert_eq!(data["title"], "one");
    let said = remarks(&foreign);
    assert!(said.iter().any(|remark| remark.starts_with("`agents`: another table")), "{said:?}");
    assert!(said.iter().any(|remark| remark.contains("there is no task `nonsense`")), "{said:?}");
}

#[test]
fn a_table_comes_back_with_its_columns_and_types() {
    let (directory, path, _connection) = database(TABLE);
    _connection
        .execute_batch("UPDATE tasks SET title = 'four', weight = NULL WHERE id = 4")
        .unwrap();
    let foreign = read(FORMAT, &path, &options()).unwrap();
    let tasks = Board::new().adopt(&foreign.arrivals);
    let out = directory.path().join("out.db");
    assert_eq!(write(FORMAT, &tasks, &foreign.meta, &out).unwrap(), []);
    assert_eq!(rows(&out), rows(&path));
    assert!(matches!(write(FORMAT, &tasks, &[], &out), Err(Error::Occupied(_))));
    assert_eq!(read(FORMAT, &out, &options()).unwrap().arrivals.len(), 4);
}

#[test]
fn texts_that_are_none_and_numbers_that_are_none_are_kept_as_what_they_can_be() {
    let (_directory, path, _connection) = database(TABLE);
    let foreign = read(FORMAT, &path, &options()).unwrap();
    let data: Value = serde_json::from_str(arrival(&foreign, "4").new.data.as_str()).unwrap();
    assert_eq!((&data["title"], &data["weight"]), (&json!({"base64": "/w=="}), &json!("inf")));
}

#[test]
fn tasks_added_on_the_board_fit_in_beside_those_that_were_there() {
    let (directory, path, _connection) = database(
        "CREATE TABLE tasks (id INTEGER PRIMARY KEY, status TEXT);
        INSERT INTO tasks VALUES (7, 'pending');",
    );
    let foreign = read(FORMAT, &path, &options()).unwrap();
    let mut tasks = Board::new().adopt(&foreign.arrivals);
    let mut own = adopted(FORMAT, &json!({"id": "own", "status": "completed"}));
    own.data = Json::parse(r#"{"Status": "odd", "list": [1], "flag": true}"#).unwrap();
    own.after = vec![tasks[0].id.clone()];
    tasks.push(own);
    let out = directory.path().join("out.db");
    write(FORMAT, &tasks, &foreign.meta, &out).unwrap();
    let own = rows(&out).remove(1);
    let cell = |name: &str| own.iter().find(|(own, _)| own == name).unwrap().1.clone();
    assert_eq!(cell("id"), Cell::Text("own".into()));
    assert_eq!(cell("status"), Cell::Text("completed".into()));
    assert_eq!(cell("list"), Cell::Text("[1]".into()));
    assert_eq!(cell("flag"), Cell::Integer(1));
    // It names the other one as that is known there.
    assert_eq!(cell("dependencies"), Cell::Text("[7]".into()));
}

#[test]
fn a_new_table_has_the_columns_that_are_known() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.db");
    let task = adopted(FORMAT, &json!({"id": "a", "status": "pending"}));
    let meta = [(taskhost_board::TaskId::new("k").unwrap(), Json::parse("1").unwrap())];
    let said = write(FORMAT, &[task], &meta, &out).unwrap();
    assert_eq!(said[0].field, "meta k");
    let row = rows(&out).remove(0);
    assert!(row.iter().any(|(name, cell)| name == "assigned_to" && *cell == Cell::Null), "{row:?}");
}

#[test]
fn a_database_without_tasks_is_refused() {
    let (_directory, path, _connection) = database("CREATE TABLE jobs (id)");
    assert!(matches!(read(FORMAT, &path, &options()), Err(Error::Shape { .. })));
    let (_directory, path, _connection) = database("CREATE TABLE tasks (name)");
    assert!(matches!(read(FORMAT, &path, &options()), Err(Error::Shape { .. })));
}

#[test]
fn a_damaged_database_is_refused() {
    let (_directory, path, connection) = database(TABLE);
    connection.pragma_update(None, "journal_mode", "DELETE").unwrap();
    drop(connection);
    let bytes = std::fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    std::fs::write(&path, &bytes[..half]).unwrap();
    let error = read(FORMAT, &path, &options()).expect_err("it is cut off");
    assert!(matches!(error, Error::Database { .. }), "{error}");
    assert!(error.to_string().contains("nothing was imported"), "{error}");
}

#[test]
fn a_row_changed_on_the_board_says_so() {
    let value = json!({"id": 5, "status": "running", "assigned_to": "w", "assigned_at": "2001-09-08 00:00:00"});
    let mut task = adopted(FORMAT, &value);
    assert_eq!(shape(FORMAT, &task), value);
    task.status = Status::Completed;
    task.claim = None;
    let shaped = shape(FORMAT, &task);
    let expected = json!({"id": 5, "status": "completed", "updated_at": shaped["updated_at"]});
    assert_eq!(shaped, expected);
}

#[test]
fn a_column_whose_name_is_no_text_is_refused_and_not_a_panic() {
    let (_directory, path, connection) =
        database("CREATE TABLE tasks (id TEXT, status TEXT, xyzzy TEXT)");
    connection.pragma_update(None, "journal_mode", "DELETE").unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|name| name == b"xyzzy").unwrap();
    bytes[at] = 0xff;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(read(FORMAT, &path, &options()), Err(Error::Database { .. })));
}

#[test]
fn a_column_that_is_computed_is_a_column() {
    let (_directory, path, _connection) = database(
        "CREATE TABLE tasks (id TEXT, n INTEGER AS (length(id)), status TEXT);
        INSERT INTO tasks VALUES ('abc', 'done');",
    );
    let foreign = read(FORMAT, &path, &options()).unwrap();
    let data: Value = serde_json::from_str(arrival(&foreign, "abc").new.data.as_str()).unwrap();
    assert_eq!((&data["n"], arrival(&foreign, "abc").past.status), (&json!(3), Status::Completed));
}

#[test]
fn columns_are_known_in_any_case_and_keep_their_spelling() {
    // SQLite's names are the same in any case, so nobody there notices how they are spelled. Here a table with an `ID` was
    // refused, and a `Status` was no status: what was done came as pending, and was done again.
    let (directory, path, _connection) = database(
        "CREATE TABLE Tasks (ID INTEGER PRIMARY KEY, Title TEXT, Status TEXT, Assigned_To TEXT, \"PRIORITY\" INTEGER);
        INSERT INTO Tasks VALUES (1, 'one', 'done', NULL, 2), (2, 'two', 'doing', 'w', NULL), (3, NULL, NULL, NULL, NULL);",
    );
    let foreign = read(FORMAT, &path, &options()).unwrap();
    let done = arrival(&foreign, "1");
    assert_eq!((done.past.status, done.new.priority), (Status::Completed, 2));
    assert_eq!(arrival(&foreign, "2").past.claim.as_ref().unwrap().agent.as_str(), "w");
    let mut tasks = Board::new().adopt(&foreign.arrivals);
    let out = directory.path().join("out.db");
    assert_eq!(write(FORMAT, &tasks, &foreign.meta, &out).unwrap(), []);
    assert_eq!(rows(&out), rows(&path));

    // What has changed, and what is new, stands in the same columns.
    tasks[2].priority = 7;
    tasks.push(adopted(FORMAT, &json!({"id": "own", "status": "failed"})));
    let out = directory.path().join("again.db");
    write(FORMAT, &tasks, &foreign.meta, &out).unwrap();
    let rows = rows(&out);
    let cell =
        |row: usize, name: &str| rows[row].iter().find(|(own, _)| own == name).unwrap().1.clone();
    assert_eq!((cell(2, "PRIORITY"), cell(3, "ID")), (Cell::Integer(7), Cell::Text("own".into())));
    assert_eq!(cell(3, "Status"), Cell::Text("failed".into()));
}

#[test]
fn numbers_that_are_too_large_are_texts_and_names_in_another_case_are_not_lost() {
    // Whole numbers beyond 64 bits lost their last digits, `1e400` became infinity, and of `Note` and `note` one was gone:
    // all without a word.
    let mut task = adopted(FORMAT, &json!({"id": "a", "status": "pending"}));
    let large = r#"{"whole": 18446744073709551617, "huge": 1e400, "tiny": -1e-400, "weight": 99999999999999999999, "Note": 1,
        "note": 2, "fine": 1.5, "zero": 0e5}"#;
    task.data = Json::parse(large).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.db");
    let columns = json!({"format": "sqlite", "columns": [["id", "TEXT"], ["weight", "INTEGER"]]});
    let key = taskhost_board::TaskId::new("imported").unwrap();
    let meta = [(key, Json::try_from(columns).unwrap())];
    let said = write(FORMAT, &[task], &meta, &out).unwrap();
    let row = rows(&out).remove(0);
    let cell = |name: &str| row.iter().find(|(own, _)| own == name).unwrap().1.clone();
    let text = |text: &str| Cell::Text(text.into());
    assert_eq!(cell("whole"), text("18446744073709551617"));
    assert_eq!(cell("weight"), text("99999999999999999999"));
    assert!(matches!(cell("huge"), Cell::Text(huge) if huge.contains("400")));
    assert!(matches!(cell("tiny"), Cell::Text(tiny) if tiny.contains("400")));
    assert_eq!((cell("fine"), cell("zero")), (Cell::Real(1.5), Cell::Real(0.0)));
    assert_eq!((cell("Note"), cell("_imported_data")), (Cell::Integer(1), text(r#"{"note":2}"#)));
    let mut fields: Vec<&str> = said.iter().map(|remark| remark.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["huge", "note", "tiny", "weight", "whole"]);
}
