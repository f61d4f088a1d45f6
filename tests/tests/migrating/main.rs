//! Boards that are moved from place to place while agents have them open: files and PostgreSQL, in every direction.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod cut_short;
mod fleet;
mod places;

use taskhost_tests::{Answer, Kept, TestBoard};

/// From where to where.
const WAYS: [(Kept, Kept); 4] = [
    (Kept::InFiles, Kept::InPostgres),
    (Kept::InPostgres, Kept::InFiles),
    (Kept::InFiles, Kept::InFiles),
    (Kept::InPostgres, Kept::InPostgres),
];

/// A board that is kept so.
fn made(kept: Kept) -> TestBoard {
    let board = TestBoard::missing_in(kept);
    board.run(&["init"]).exits(0);
    board
}

fn migrate(from: &TestBoard, to: &TestBoard) -> Answer {
    from.run(&["migrate", "--to", to.address().as_os_str().to_str().unwrap()])
}

fn export(board: &TestBoard) -> String {
    let output = board.command(&["export"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Says that this board tells whoever would change it that it is at `to`.
#[track_caller]
fn is_told(answer: Answer, to: &str) {
    let answer = answer.exits(13);
    assert_eq!(answer.text("/error/code"), "moved");
    assert_eq!(answer.text("/error/address"), to);
    assert!(answer.text("/error/message").contains(to));
}
