//! A damaged file is refused with the place, and never read in part.

use serde_json::{Value, json};
use taskhost_formats::{Error, Format, read, recognise};

use crate::common::{file, options};

fn documents() -> Vec<(Format, String)> {
    let task = json!({"id": "a", "type": "t", "status": "pending", "data": {"n": 1.5, "s": "é\n"}});
    let values: [(Format, Value); 3] = [
        (Format::TaskManager, json!({"workflow_type": "w", "tasks": {"a": task}})),
        (Format::Todo2, json!({"todos": [task]})),
        (Format::TaskBoard, json!([task])),
    ];
    values.map(|(format, value)| (format, serde_json::to_string_pretty(&value).unwrap())).into()
}

fn damage(format: Format, bytes: &[u8]) -> (usize, usize, String) {
    let (_directory, path) = file("f.json", "");
    std::fs::write(&path, bytes).unwrap();
    let error = read(format, &path, &options()).expect_err("it is damaged");
    let text = error.to_string();
    assert!(text.contains("nothing was imported: mend the file"), "{text}");
    match error {
        Error::Damaged { line, column, why, .. } => (line, column, why),
        other => panic!("{other}"),
    }
}

#[test]
fn every_truncation_is_refused_with_its_line_and_column() {
    for (format, text) in documents() {
        for end in 0..text.len() {
            let (line, column, _) = damage(format, &text.as_bytes()[..end]);
            let lines = 1 + text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count();
            assert!(
                line == lines && column <= text.len(),
                "{format} cut at {end}: {line}:{column}"
            );
        }
    }
}

#[test]
fn trailing_commas_and_trailing_text_are_refused_where_they_stand() {
    let (line, column, why) = damage(Format::TaskBoard, b"[\n  {\"id\": \"a\"},\n]");
    assert_eq!((line, column), (3, 1), "{why}");
    let (line, _, _) = damage(Format::TaskBoard, b"[]\n[]");
    assert_eq!(line, 2);
    damage(Format::Todo2, b"{\"todos\": [],}");
    damage(Format::Todo2, b"{\"todos\": [NaN]}");
    damage(Format::TaskBoard, b"[{\"id\": \"\xff\"}]");
}

#[test]
fn a_key_that_stands_twice_is_refused_instead_of_losing_a_task() {
    let text = b"{\"tasks\": {\n  \"a\": {\"status\": \"pending\"},\n  \"a\": {\"status\": \"failed\"}\n}}";
    let (line, _, why) = damage(Format::TaskManager, text);
    assert_eq!((line, why.as_str()), (3, "the key `a` stands twice in one object"));
    damage(Format::TaskBoard, br#"[{"id": "a", "x": {"y": 1, "\u0079": 2}}]"#);
}

#[test]
fn names_that_json_readers_use_inside_are_refused() {
    for text in [
        r#"[{"x": {"$serde_json::private::Number": "1"}}]"#,
        r#"[{"x": {"\u0024serde_json::private::RawValue": "1"}}]"#,
    ] {
        damage(Format::TaskBoard, text.as_bytes());
    }
}

#[test]
fn json_of_another_shape_is_refused_and_told_what_it_should_be() {
    for (format, text, expected) in [
        (Format::TaskManager, r#"{"tasks": []}"#, "by their ids"),
        (Format::TaskManager, r#"{"tasks": {"a": 1}}"#, "by their ids"),
        (Format::Todo2, r#"{"tasks": []}"#, "`todos`"),
        (Format::TaskBoard, r#"{"jobs": []}"#, "a list of objects"),
        (Format::TaskBoard, "[1]", "a list of objects"),
        (Format::Sqlite, "[]", "a table `tasks`"),
        (Format::A2a, "[]", "`available`"),
    ] {
        let (_directory, path) = file("f.json", text);
        let error = read(format, &path, &options()).expect_err(text);
        assert!(matches!(error, Error::Shape { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn what_is_not_there_is_said_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nothing.json");
    for format in Format::ALL {
        assert!(matches!(read(format, &path, &options()), Err(Error::NotThere(_))), "{format}");
    }
    assert!(matches!(recognise(&path), Err(Error::NotThere(_))));
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let (_directory, path) = file("f.json", "[]");
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len((1 << 30) + 1).unwrap();
    let error = read(Format::TaskBoard, &path, &options()).expect_err("it is too large");
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn what_lies_too_deep_is_refused_and_not_a_panic() {
    let deep = "[".repeat(127) + &"]".repeat(127);
    let (_directory, path) = file("f.json", &format!("[{deep}]"));
    assert!(matches!(
        read(Format::TaskBoard, &path, &options()),
        Err(Error::TooDeep { line: 1, column: 128, max: 127, .. })
    ));
    let (_directory, path) =
        file("f.json", &format!("{{\"todos\": [], \"x\": {}}}", &deep[1..253]));
    assert!(recognise(&path).is_ok());
    // One that a file may have, but not the data of a task.
    let inner = "[".repeat(125) + &"]".repeat(125);
    for format in Format::ALL {
        let value =
            serde_json::from_str(&format!(r#"{{"id": "a", "x": {inner}, "result": {inner}}}"#))
                .unwrap();
        let read = taskhost_formats::read_one(format, &value, &options());
        match read {
            Ok(_) => {}
            Err(Error::Unkeepable { why, .. }) => assert!(why.contains("at most 127"), "{why}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    // A pipe was opened, and so whoever named one waited for somebody to write to it; of `/dev/zero` a gigabyte was read.
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe.json");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let zero = std::path::Path::new("/dev/zero");
    for path in [pipe.as_path(), zero] {
        let refused = |error: Error| {
            assert!(matches!(error, Error::Unreadable { .. } | Error::Shape { .. }), "{error}");
        };
        refused(recognise(path).expect_err("it is no file"));
        for format in Format::ALL {
            refused(read(format, path, &options()).expect_err("it is no file"));
        }
    }
    // Beside the files of a pool it is left out.
    let pool = directory.path().join("available");
    std::fs::create_dir(&pool).unwrap();
    std::fs::rename(&pipe, pool.join("pipe.json")).unwrap();
    let foreign = read(Format::A2a, directory.path(), &options()).unwrap();
    assert_eq!((foreign.arrivals.len(), foreign.remarks.len()), (0, 1));
    // What `todo2` looks for in a directory may be none either.
    std::fs::rename(pool.join("pipe.json"), directory.path().join("state.todo2.json")).unwrap();
    assert!(matches!(
        read(Format::Todo2, directory.path(), &options()),
        Err(Error::Unreadable { .. })
    ));
}

#[test]
fn what_an_editor_made_of_a_file_is_read_or_named() {
    // A mark at the beginning, which editors on Windows put there, was "expected value" at line 1; so was UTF-16; and an
    // empty file was damaged at line 1, column 0.
    let (_directory, path) = file("f.json", "\u{feff}[{\"id\": \"a\"}]");
    assert_eq!(read(Format::TaskBoard, &path, &options()).unwrap().arrivals.len(), 1);
    assert!(recognise(&path).is_ok());
    for big in [true, false] {
        let units = "\u{feff}[]".encode_utf16();
        let bytes: Vec<u8> = units
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect();
        for bytes in [&bytes[..], &bytes[2..]] {
            let (line, column, why) = damage(Format::TaskBoard, bytes);
            assert_eq!((line, column, &*why), (1, 1, "it is UTF-16: save it as UTF-8"));
        }
    }
    for empty in ["", "\n\n ", "\u{feff}"] {
        let (line, column, why) = damage(Format::Todo2, empty.as_bytes());
        assert_eq!((line, column, &*why), (1, 1, "it is empty"));
    }
}

#[test]
fn every_refusal_names_what_is_wrong_and_what_to_do() {
    // Of ten thousand tasks one that was a number refused the file, and which one it was nobody said. Others didn't say
    // whether anything was imported.
    for (format, text, named) in [
        (Format::TaskManager, r#"{"tasks": {"b": {}, "a": 5}}"#, "task `a` isn't an object"),
        (Format::TaskBoard, r#"[{}, []]"#, "item 2 of the list isn't an object"),
        (Format::Todo2, r#"{"todos": [null]}"#, "item 1 of the list isn't an object"),
    ] {
        let (_directory, path) = file("f.json", text);
        let error = read(format, &path, &options()).expect_err(text).to_string();
        assert!(error.contains(named) && error.contains("nothing was imported: "), "{error}");
    }
    let path = std::path::PathBuf::from("x");
    let errors = [
        Error::NotThere(path.clone()),
        Error::Unreadable { path: path.clone(), why: "w".into() },
        Error::Database { path, why: "w".into() },
    ];
    for error in errors.map(|error| error.to_string()) {
        assert!(error.contains("nothing was imported: "), "{error}");
    }
}

#[test]
fn what_an_import_left_in_the_metadata_is_no_loss_elsewhere() {
    // Each export said that there was no place for `meta imported`, which nobody had put there.
    let meta = crate::common::read_text(Format::TaskBoard, r#"{"tasks": [], "version": 3}"#).meta;
    assert_eq!(meta[0].0.as_str(), "imported");
    let directory = tempfile::tempdir().unwrap();
    for format in [Format::Todo2, Format::A2a, Format::Sqlite] {
        let path = directory.path().join(format.as_str());
        assert_eq!(taskhost_formats::write(format, &[], &meta, &path).unwrap(), [], "{format}");
    }
}
