//! What the author of a policy is told of mistakes that show when it is built, or when it says what it is.

use std::fs;
use std::path::Path;

use taskhost_tests::{Answer, TestBoard, tools};

/// Runs `taskhost` with what policies are built with.
fn run(board: &TestBoard, arguments: &[&str]) -> Answer {
    let mut command = board.command(&[&["--json"], arguments].concat());
    Answer::of(command.env("TASKHOST_TOOLS", tools()).output().unwrap())
}

fn project(language: &str) -> TestBoard {
    let board = TestBoard::missing();
    run(&board, &["policy", "new", "mine", "--lang", language]).exits(0);
    board
}

fn append(path: &Path, text: &str) {
    let before = fs::read_to_string(path).unwrap();
    fs::write(path, format!("{before}\n{text}\n")).unwrap();
}

/// The build ends, and says which line to add to `world.wit`.
fn assert_is_unnamed(board: &TestBoard) {
    let built = run(board, &["policy", "build", "mine"]).exits(1);
    let told = built.text("/error/message");
    assert!(told.contains("`export taskhost:policy/readiness@0.1.0;`"), "{told}");
    assert!(told.contains("`world.wit`"), "{told}");
    assert!(!board.folder().join("mine/mine.wasm").exists());
}

// In JavaScript such a hook was left out without a word. In Python the words were those of a module that the author
// didn't write.
#[test]
fn hook_that_the_world_does_not_name_ends_the_build_in_python() {
    let board = project("python");
    let source = board.folder().join("mine/policy.py");
    append(&source, "class Readiness(exports.Readiness):\n    pass");
    assert_is_unnamed(&board);
}

// `describe` is called before there is a board, so that its mistakes are met first, by everybody; and they were told as
// "wasm `unreachable` instruction executed".
#[test]
fn hook_left_out_and_wrong_description_are_told_in_javascript() {
    let board = project("javascript");
    let source = board.folder().join("mine/policy.js");
    let whole = fs::read_to_string(&source).unwrap();
    append(&source, "export const readiness = { classify: () => ({ tag: \"standard\" }) };");
    assert_is_unnamed(&board);

    assert_eq!(whole.matches("settings: [").count(), 1, "{whole}");
    fs::write(&source, whole.replace("settings: [", "setings: [")).unwrap();
    run(&board, &["policy", "build", "mine"]).exits(0);
    let checked = run(&board, &["policy", "check", "mine/mine.wasm"]);
    assert_ne!(checked.code, 0, "{checked:?}");
    let told = checked.text("/error/message");
    assert!(told.contains("wrong answer: `describe` answered"), "{told}");
    assert!(told.contains("which has no `settings`"), "{told}");
}
