//! What `moving` says of boards in files alone.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use taskhost_tests::TestBoard;

use crate::moving::{export, import, rich};

/// The names of the files of a board, without those that are derived.
fn names(board: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for folder in [".", "history", "policies", "context"] {
        for entry in fs::read_dir(board.join(folder)).unwrap() {
            names.push(format!("{folder}/{}", entry.unwrap().file_name().display()));
        }
    }
    names.sort();
    names
}

#[test]
fn import_over_a_board_is_refused_and_changes_nothing() {
    let (board, _) = rich();
    let other = TestBoard::new();
    other.add(&["mine"]);
    let (before, files) = (export(&other), names(&other.path()));
    let refused = import(&other, &export(&board)).exits(10);
    assert_eq!(refused.text("/error/code"), "board_exists");
    assert!(export(&other) == before);
    assert_eq!(names(&other.path()), files, "it has left something lying about");
    other.assert_healthy();
}

#[test]
fn import_that_was_killed_leaves_nothing_that_opens_or_is_in_the_way() {
    let (board, _) = rich();
    let whole = export(&board);
    for part in [1, whole.len() / 3, whole.len() - 1] {
        let place = TestBoard::missing();
        let mut import = place.command(&["import", "-"]);
        let mut import = import.stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = import.stdin.take().unwrap();
        // A pipe holds less than all of it, so the import has begun; it waits for the rest and can't end.
        pipe.write_all(&whole[..part]).unwrap();
        import.kill().unwrap();
        import.wait().unwrap();
        // Wherever it was killed, a file that it was writing may be left.
        fs::create_dir_all(place.path().join("policies")).unwrap();
        for litter in
            [".tmp-0123456789abcdef-tasks-2.jsonl", "policies/.tmp-0123456789abcdef-p.wasm"]
        {
            fs::write(place.path().join(litter), "half").unwrap();
        }
        place.run(&["list"]).exits(5);
        assert!(taskhost::Board::open(place.path()).is_err());
        self::import(&place, &whole).exits(0);
        assert!(export(&place) == whole);
        let left: Vec<String> =
            names(&place.path()).into_iter().filter(|name| name.contains("tmp")).collect();
        assert!(left.is_empty(), "{left:?}");
        place.assert_healthy();
    }
}
