//! What `death` says of boards in files alone.

use taskhost_tests::TestBoard;

#[test]
fn commands_of_a_run_inherit_no_descriptor_of_the_board() {
    // A child that kept a copy of a lock kept it locked; and the index's file was left open over `exec`.
    let board = TestBoard::new();
    board.add(&["t"]);
    let script = "for fd in /proc/self/fd/*; do readlink $fd; done > fds; true";
    board.run(&["run", "--agents", "1", "--", "sh", "-c", script]).exits(0);
    let open = std::fs::read_to_string(board.folder().join("fds")).unwrap();
    let board_path = board.path().canonicalize().unwrap().to_string_lossy().into_owned();
    let leaked: Vec<&str> = open
        .lines()
        .filter(|path| path.contains(&board_path) && !path.contains("/output/"))
        .collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    assert!(open.contains("/output/") || open.contains("pipe:"), "{open}");
}
