//! A damaged board is mended where that is safe, and otherwise refused with the place; it is never made worse.

use std::fs;
use std::path::{Path, PathBuf};

use taskhost_tests::TestBoard;

fn journal(board: &TestBoard) -> PathBuf {
    let found = fs::read_dir(board.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut journals: Vec<PathBuf> =
        found.filter(|path| named(path).starts_with("journal-")).collect();
    assert_eq!(journals.len(), 1, "{journals:?}");
    journals.remove(0)
}

fn named(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// A board with a few tasks, and nothing derived: as after a reboot.
fn board() -> TestBoard {
    let board = TestBoard::new();
    board.add(&["a", "b", "c", "d"]);
    let (id, token) = board.claim("w");
    board.run(&["complete", &id, "--agent", "w", "--token", &token]).exits(0);
    board
}

fn forget_index(board: &TestBoard) {
    fs::remove_dir_all(board.path().join("index")).unwrap();
}

#[test]
fn deleted_index_is_rebuilt() {
    let board = board();
    let before = board.run(&["list"]).exits(0).json();
    forget_index(&board);
    assert_eq!(board.run(&["list"]).exits(0).json(), before);
    board.assert_healthy();
}

#[test]
fn torn_end_is_dropped_and_kept_aside() {
    let board = board();
    let before = board.run(&["list"]).exits(0).json();
    let path = journal(&board);
    let whole = fs::read(&path).unwrap();
    let torn = [&whole[..], b"{\"seq\":99,\"gen\":1,\"ti"].concat();
    fs::write(&path, torn).unwrap();
    forget_index(&board);
    assert_eq!(board.run(&["list"]).exits(0).json(), before);
    board.add(&["e"]);
    assert!(fs::read(&path).unwrap().starts_with(&whole), "what was durable stands");
    let kept =
        fs::read_dir(board.path().join("history")).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<PathBuf> = kept.filter(|path| named(path).starts_with("dropped-")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(fs::read(&kept[0]).unwrap(), b"{\"seq\":99,\"gen\":1,\"ti");
    board.assert_healthy();
}

#[test]
fn flipped_bit_in_the_middle_is_refused_with_its_place_and_left_as_it_is() {
    // A corrupt middle was taken for a torn end, and everything after it was thrown away.
    let board = board();
    let path = journal(&board);
    let mut bytes = fs::read(&path).unwrap();
    let lines: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at).collect();
    bytes[lines[1] + 40] ^= 0x01;
    fs::write(&path, &bytes).unwrap();
    forget_index(&board);
    for command in [vec!["list"], vec!["claim", "--agent", "a"], vec!["add", "work"]] {
        let refused = board.run(&command).exits(9);
        let message = refused.text("/error/message");
        assert!(message.contains(&named(&path)) && message.contains("line 3"), "{message}");
    }
    let report = board.run(&["doctor"]).exits(9);
    assert!(report.stdout.contains("line 3"), "{report:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "it must not be overwritten");
}

#[test]
fn missing_snapshot_is_refused_by_name() {
    let board = board();
    let snapshot =
        journal(&board).with_file_name(named(&journal(&board)).replace("journal-", "tasks-"));
    fs::remove_file(&snapshot).unwrap();
    forget_index(&board);
    let refused = board.run(&["list"]).exits(9);
    assert!(refused.text("/error/message").contains(&named(&snapshot)), "{refused:?}");
}

#[test]
fn board_of_a_newer_format_is_never_changed() {
    let board = board();
    let pointer = board.path().join("board.json");
    // The format that was newer when this was written is today's.
    let today = fs::read_to_string(&pointer).unwrap();
    let newer = today.replace("\"format\":", "\"format\":99");
    assert_ne!(newer, today);
    fs::write(&pointer, &newer).unwrap();
    let refused = board.run(&["claim", "--agent", "a"]).exits(9);
    assert!(refused.text("/error/message").contains("newer"), "{refused:?}");
    board.run(&["add", "work"]).exits(9);
    assert_eq!(fs::read_to_string(&pointer).unwrap(), newer);
}

#[test]
fn command_without_a_board_says_how_to_make_one() {
    let board = TestBoard::missing();
    let refused = board.run(&["claim", "--agent", "a"]).exits(5);
    assert!(refused.text("/error/message").contains("taskhost init"), "{refused:?}");
}
