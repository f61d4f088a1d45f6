//! What `watching` says of boards in files alone.

use taskhost_tests::TestBoard;

use crate::watching::{GIVES, Terminal};

#[test]
fn board_that_goes_while_it_is_watched_is_said_on_the_usual_screen() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let script = "stty rows 24 cols 80; \"$TASKHOST\" watch";
    let mut terminal = Terminal::run(&board, script);
    terminal.until("nobody holds anything");
    std::fs::rename(board.path(), board.folder().join("elsewhere")).unwrap();
    let (rest, code) = terminal.end();
    let after = rest.split_once(GIVES).expect("it leaves the screen").1;
    assert!(after.contains("no board"), "{after}");
    assert_eq!(code, Some(5));
}

#[test]
fn board_that_is_damaged_while_it_is_watched_is_said_on_the_usual_screen() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let mut terminal = Terminal::run(&board, "stty rows 24 cols 80; \"$TASKHOST\" watch");
    terminal.until("nobody holds anything");
    let journal = board.path().join("journal-1.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("added", "adder", 1)).unwrap();
    // Others don't read what they have read before, so that they go on; the view looks at all of the journal.
    board.add(&["u"]);
    let (rest, code) = terminal.end();
    let after = rest.split_once(GIVES).expect("it leaves the screen").1;
    assert!(after.contains("journal-1.jsonl"), "{after}");
    assert_eq!(code, Some(9));
}
