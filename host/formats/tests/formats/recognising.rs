//! What a path holds is told by looking.

use std::str::FromStr as _;

use taskhost_formats::{Error, Format, Recognised, recognise};

use crate::common::file;

#[test]
fn json_files_are_told_by_their_top() {
    for (text, format) in [
        (r#"{"workflow_type": "x", "metadata": {}, "tasks": {}}"#, Format::TaskManager),
        (r#"{"todos": []}"#, Format::Todo2),
        (r#"{"tasks": []}"#, Format::TaskBoard),
        (" [ ]", Format::TaskBoard),
    ] {
        let (_directory, path) = file("f.json", text);
        assert_eq!(recognise(&path).unwrap(), Recognised::Foreign(format), "{text}");
    }
}

#[test]
fn a_boards_own_export_is_told_from_the_others() {
    let text = "{\"header\":{\"transfer\":1,\"board\":\"b\"}}\n{\"end\":{}}\n";
    let (_directory, path) = file("f.jsonl", text);
    assert_eq!(recognise(&path).unwrap(), Recognised::Transfer);
}

#[test]
fn directories_are_told_by_what_is_in_them() {
    let (todo2, _) = file(".todo2/state.todo2.json", "{}");
    assert_eq!(recognise(todo2.path()).unwrap(), Recognised::Foreign(Format::Todo2));
    let inside = todo2.path().join(".todo2");
    assert_eq!(recognise(&inside).unwrap(), Recognised::Foreign(Format::Todo2));
    let (pool, _) = file("available/a.json", "{}");
    assert_eq!(recognise(pool.path()).unwrap(), Recognised::Foreign(Format::A2a));
    let inside = pool.path().join("available");
    assert_eq!(recognise(&inside).unwrap(), Recognised::Foreign(Format::A2a));
}

#[test]
fn a_database_is_told_by_its_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tasks.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert_eq!(recognise(&path).unwrap(), Recognised::Foreign(Format::Sqlite));
}

#[test]
fn what_fits_nothing_names_the_formats() {
    let (directory, path) = file("f.json", r#"{"tasks": 1}"#);
    for path in [path.as_path(), directory.path()] {
        let error = recognise(path).expect_err("it is like nothing");
        let text = error.to_string();
        assert!(matches!(error, Error::Unrecognised(_)) && text.contains("--format"), "{text}");
        for format in Format::ALL {
            assert!(text.contains(format.as_str()), "{text}");
        }
    }
}

#[test]
fn formats_have_words() {
    for format in Format::ALL {
        assert_eq!(Format::from_str(format.as_str()).unwrap(), format);
    }
    let error = Format::from_str("csv").expect_err("no format is called so").to_string();
    assert!(error.contains("`csv`") && error.contains("`task-manager`"), "{error}");
}
