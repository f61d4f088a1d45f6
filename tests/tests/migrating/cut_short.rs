//! Moves that are killed, wherever they are, and done again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use taskhost::domain::Coming;
use taskhost_store_file::{FileStore, OpenOptions};
use taskhost_tests::{Kept, TestBoard};

use crate::{export, is_told, made, migrate};

/// How many moves are killed, each of them twice.
const KILLS: u32 = 14;

/// When the next one is killed: closer and closer to the moment at which the board has gone.
struct Aim {
    delay: Duration,
    step: Duration,
    was_early: bool,
}

impl Aim {
    fn at(delay: Duration) -> Self {
        Self { delay, step: delay / 3, was_early: true }
    }

    fn learn(&mut self, is_early: bool) {
        if is_early != self.was_early {
            self.step = (self.step * 2 / 3).max(Duration::from_millis(1));
        }
        self.was_early = is_early;
        let (sooner, later) = (self.delay.saturating_sub(self.step), self.delay + self.step);
        self.delay = if is_early { later } else { sooner };
    }
}

/// Tries to add a task; whether it was.
fn add(board: &TestBoard, id: &str) -> bool {
    let answer = board.run(&["add", "work", "--id", id]);
    assert!([0, 5, 6, 13].contains(&answer.code), "{answer:?}");
    answer.code == 0
}

/// How long a move takes here.
fn usual(from: Kept, to: Kept) -> Duration {
    let (board, place) = (made(from), TestBoard::missing_in(to));
    board.add(&["first"]);
    let began = Instant::now();
    migrate(&board, &place).exits(0);
    began.elapsed()
}

fn is_never_at_two_places(from: Kept, to: Kept) {
    let mut aim = Aim::at(usual(from, to) / 2);
    let (mut here, mut nowhere, mut there) = (0, 0, 0);
    for _ in 0..KILLS {
        let (board, place) = (made(from), TestBoard::missing_in(to));
        board.add(&["first"]);
        let mut added = BTreeSet::from(["first".to_owned()]);
        // More than once: what the first one left is in the second one's way.
        for again in 0..2 {
            let mut mover =
                board.start(&["migrate", "--to", place.address().as_os_str().to_str().unwrap()]);
            std::thread::sleep(aim.delay);
            mover.kill().unwrap();
            mover.wait().unwrap();
            let (old, new) = (format!("old-{again}"), format!("new-{again}"));
            let (is_old, is_new) = (add(&board, &old), add(&place, &new));
            assert!(!(is_old && is_new), "it is worked on at both places");
            aim.learn(is_old);
            added.extend(is_old.then_some(old));
            added.extend(is_new.then_some(new));
            match (is_old, is_new) {
                (true, _) => here += 1,
                (_, true) => there += 1,
                _ => nowhere += 1,
            }
        }
        migrate(&board, &place).exits(0);
        assert!(!add(&board, "late") && add(&place, "after"));
        added.insert("after".into());
        let listed = place.run(&["list"]).exits(0).json();
        let listed = listed["tasks"].as_array().unwrap().iter();
        let listed = listed.map(|task| task["id"].as_str().unwrap().to_owned());
        assert_eq!(listed.collect::<BTreeSet<_>>(), added, "acknowledged, and nothing else");
        place.assert_healthy();
        board.assert_healthy();
    }
    println!("{from:?} to {to:?}: {here} times here, {nowhere} nowhere, {there} there");
    assert!(here > 0 && nowhere + there > 0);
}

#[test]
fn a_move_to_postgres_that_is_killed_is_never_at_two_places_and_is_finished_by_the_next() {
    is_never_at_two_places(Kept::InFiles, Kept::InPostgres);
}

#[test]
fn a_move_to_files_that_is_killed_is_never_at_two_places_and_is_finished_by_the_next() {
    is_never_at_two_places(Kept::InPostgres, Kept::InFiles);
}

/// A move that died before its last step: nobody works on the board, and whoever asks is told how that is finished.
#[test]
fn a_board_that_is_not_said_to_have_arrived_says_how_that_is_finished() {
    let (board, place) = (made(Kept::InFiles), TestBoard::missing_in(Kept::InPostgres));
    board.add(&["first"]);
    let answer = migrate(&board, &place).exits(0);
    let (from, to) = (answer.text("/from"), answer.text("/to"));
    let (_, name) = to.split_once("board=").unwrap();
    let undo = format!("UPDATE taskhost_{name}.board SET moved_to = '{from}', arriving = true");
    taskhost_test_postgres::shared().psql(&undo).unwrap();
    is_told(board.run(&["claim", "--agent", "ada"]), &to);
    let early = place.run(&["claim", "--agent", "ada"]).exits(6);
    assert_eq!(early.text("/error/code"), "arriving");
    assert_eq!(early.json()["error"]["retryable"], true);
    let hint = format!("`taskhost --board {from} migrate --to`");
    assert!(early.text("/error/message").contains(&hint), "{}", early.stdout);
    // It goes nowhere else before it is here.
    place.run(&["migrate", "--to", "elsewhere"]).exits(6);
    let answer = migrate(&board, &place).exits(0);
    assert_eq!(answer.json()["already"], true);
    assert_eq!(place.claim("ada").0, "first");
}

/// A try that had lost its lock while it copied put what it had there after another one had moved the board: the older copy was
/// taken for the board, and what had been acknowledged in between was gone.
#[test]
fn an_older_copy_where_the_board_was_moved_to_is_not_taken_for_it() {
    let (board, place) = (made(Kept::InFiles), TestBoard::missing_in(Kept::InFiles));
    board.add(&["first"]);
    let older = export(&board);
    board.add(&["second"]);
    let moved = migrate(&board, &place).exits(0);
    let (from, to) = (moved.text("/from"), moved.text("/to"));
    let whole = export(&place);
    // What such a try leaves.
    let id = serde_json::from_str::<serde_json::Value>(older.lines().next().unwrap()).unwrap();
    let id = ["header", "board"].iter().fold(&id, |at, field| at.get(field).unwrap_or(at));
    let coming = Coming { board: id.as_str().unwrap().to_owned(), from };
    std::fs::remove_dir_all(&to).unwrap();
    let options = OpenOptions::default();
    let path = std::path::Path::new(&to);
    drop(FileStore::import_coming(path, older.as_bytes(), &coming, options).unwrap());

    is_told(board.run(&["claim", "--agent", "ada"]), &to);
    assert_eq!(place.run(&["claim", "--agent", "ada"]).exits(6).text("/error/code"), "arriving");
    assert_eq!(migrate(&board, &place).exits(0).json()["already"], true);
    assert!(export(&place) == whole);
    assert_eq!(place.claim("ada").0, "first");
    place.assert_healthy();
}

/// The directory that a board had left was renamed before the move was finished: the same command told to use the old name, at
/// which there was nothing, and nobody could work on the board at either place.
#[test]
fn a_move_is_finished_also_from_a_place_that_is_called_otherwise_by_now() {
    let (board, place) = (made(Kept::InFiles), TestBoard::missing_in(Kept::InPostgres));
    board.add(&["first"]);
    let to = migrate(&board, &place).exits(0).text("/to");
    let (_, name) = to.split_once("board=").unwrap();
    let undo =
        format!("UPDATE taskhost_{name}.board SET moved_to = '/srv/before', arriving = true");
    taskhost_test_postgres::shared().psql(&undo).unwrap();
    assert_eq!(migrate(&board, &place).exits(0).json()["already"], true);
    assert_eq!(place.claim("ada").0, "first");
}
