//! What `regressions` says of boards in files alone.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use taskhost_tests::{Answer, TestBoard, signal};

use crate::regressions::until;

#[test]
fn second_signal_ends_a_run_at_once_though_somebody_holds_the_boards_lock() {
    // It went on telling the board that the task is handed back for a minute, with five messages a second.
    let board = TestBoard::new();
    board.add(&["t"]);
    let run = board.start(&["run", "--agents", "1", "--", "sleep", "600"]);
    until("the run never claimed", || board.task("t")["status"] == "in_progress");
    let lock = fs::File::open(board.path().join("board.lock")).unwrap();
    lock.lock().unwrap();
    signal(&run, Signal::TERM);
    // The command has gone by now, and the run tries to hand the task back.
    std::thread::sleep(Duration::from_millis(1_500));
    signal(&run, Signal::TERM);
    let began = Instant::now();
    let answer = Answer::after(run).exits(143);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    assert!(answer.stderr.matches("trying again").count() <= 3, "{answer:?}");
    drop(lock);
    // Nothing was lost by that.
    board.run(&["claim", "t", "--agent", "other"]).exits(0);
}

#[test]
fn init_behind_a_link_to_nothing_says_so() {
    // It only said that there is no such file.
    let board = TestBoard::missing();
    symlink("nowhere", board.path()).unwrap();
    let answer = board.run(&["init"]).exits(2);
    assert!(answer.text("/error/message").contains("link to `nowhere`"), "{answer:?}");
}

#[test]
fn file_that_is_named_as_the_board_is_told_and_left_as_it_is() {
    // Who came from another system named its state file: "Not a directory (os error 20)".
    let board = TestBoard::missing();
    let state = r#"{"tasks": []}"#;
    fs::write(board.path(), state).unwrap();
    let file = board.path().display().to_string();
    for arguments in [&["list"][..], &["init"], &["claim", "--agent", "a"], &["doctor"]] {
        let refused = board.run(arguments).exits(10);
        assert_eq!(refused.text("/error/code"), "not_a_directory", "{arguments:?}");
        let told = refused.text("/error/message");
        assert!(told.contains(&format!("`{file}` isn't a directory")), "{told}");
        assert!(told.contains("`taskhost import`"), "{told}");
    }
    assert_eq!(fs::read_to_string(board.path()).unwrap(), state);
}
