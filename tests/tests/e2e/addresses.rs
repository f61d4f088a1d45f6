//! Boards that are named by an address instead of a directory.

use std::fs;
use std::process::{Command, Stdio};

use taskhost_tests::{TestBoard, taskhost};

/// Nobody listens on this port.
const NOWHERE: &str = "postgres://ada:hunter2@127.0.0.1:1/work?password=hunter2&board=nightly";

/// A command on a board that can't be had, somewhere in `board`'s folder.
fn in_vain(board: &TestBoard, arguments: &[&str]) -> Command {
    let mut command = Command::new(taskhost());
    command.args(["--board", NOWHERE, "--timeout", "1s"]).args(arguments);
    command.current_dir(board.folder()).stdin(Stdio::null());
    command
}

// An address went through what makes paths absolute: a directory `postgres:` was made in the current one.
#[test]
fn address_is_taken_for_no_directory() {
    let board = TestBoard::missing();
    for arguments in [&["init"] as &[&str], &["list"], &["import", "-"], &["doctor", "--repair"]] {
        let ended = in_vain(&board, arguments).output().unwrap();
        assert!(!ended.status.success(), "{arguments:?}");
    }
    let left: Vec<_> = fs::read_dir(board.folder()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn password_in_an_address_is_told_to_nobody() {
    let board = TestBoard::missing();
    for json in [&["--json"] as &[&str], &[]] {
        for arguments in [&["init"] as &[&str], &["list"], &["prime", "--agent", "ada"]] {
            let mut command = in_vain(&board, &[json, arguments].concat());
            let ended = command.env("TASKHOST_LOG", "taskhost=trace").output().unwrap();
            let said = [ended.stdout, ended.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(said.contains("127.0.0.1:1/work?board=nightly"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
