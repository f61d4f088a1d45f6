//! What `replays` says of boards in files alone.

use std::fs;

use crate::replays::worked_off;

/// `--svg .taskhost/board.json` was done, and the board was damaged.
#[test]
fn picture_is_put_neither_into_the_board_nor_through_a_link() {
    let board = worked_off();
    let compare = |more: &[&str]| {
        board.run(&[&["policy", "compare", "standard", "current", "--history"], more].concat())
    };
    let pointer = board.path().join("board.json");
    compare(&["--svg", pointer.to_str().unwrap()]).exits(2);
    compare(&["--svg", "same", "--html", "same"]).exits(2);
    compare(&["--svg", "no/such/folder.svg"]).exits(2);
    let (target, link) = (board.folder().join("target"), board.folder().join("link.svg"));
    fs::write(&target, "mine").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    compare(&["--svg", link.to_str().unwrap()]).exits(0);
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    assert!(fs::read_to_string(&link).unwrap().contains("<svg"));
    board.assert_healthy();
}
