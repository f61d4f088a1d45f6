//! Whoever writes a policy in JavaScript or Python is told the mistakes that they make: what happened, and where.
//!
//! In JavaScript every one of them was told as "wasm `unreachable` instruction executed" and nothing more, whether a name was
//! misspelt, an error thrown or an answer wrong; in Python every wrong answer was.

use taskhost_tests::{TestBoard, built_policy};

/// A board whose policy is `mistakes-LANGUAGE`, with a task that could be claimed.
fn board(language: &str) -> TestBoard {
    let board = TestBoard::new();
    // An interpreter that starts on a busy machine takes its time.
    board.run(&["config", "set", "policy_deadline", "20s"]).exits(0);
    let component = built_policy(&format!("mistakes-{language}"));
    board.run(&["policy", "set", &component.to_string_lossy()]).exits(0);
    board.add(&["t"]);
    board
}

fn make(board: &TestBoard, mistake: &str) {
    let setting = format!("mistake={mistake}");
    board.run(&["policy", "set", "current", "--setting", &setting]).exits(0);
}

/// Each mistake ends the claim with these words.
fn assert_told(language: &str, mistakes: &[(&str, &str)]) {
    let board = board(language);
    for (mistake, words) in mistakes {
        make(&board, mistake);
        let told = board.run(&["claim", "--agent", "ada"]).exits(8).text("/error/message");
        assert!(told.contains(words), "{mistake}: {told}");
    }
    board.assert_healthy();
}

#[test]
fn mistakes_in_javascript_are_told_with_their_place() {
    let tags = "`nothing`, `refused`, `staged` or `standard`";
    let mistakes = [
        ("error", "uncaught Error: no luck, in error (policy.js:"),
        ("text", "uncaught value: \"no error\""),
        ("method", "view.candidate is not a function, in method (policy.js:"),
        ("name", "nothere is not defined, in name (policy.js:"),
        // Thrown by the bindings, whose errors are not of the policy's own kind.
        ("conversion", "invalid BigInt syntax, in conversion (policy.js:"),
        ("step", "\"tag\":\"invalid\""),
        ("recursion", "too much recursion, in recurse (policy.js:"),
        ("async", "uncaught Error: later, in async (policy.js:"),
        ("timer", "`setTimeout` is refused"),
        (
            "no-answer",
            &format!("`choose` answered undefined, which isn't an object whose `tag` is {tags}"),
        ),
        (
            "answer-text",
            &format!("`choose` answered \"staged\", which isn't an object whose `tag` is {tags}"),
        ),
        ("answer-tag", &format!("{{\"tag\":\"stagd\"}}, whose `tag` isn't {tags}")),
        ("answer-value", "whose `val` isn't a string, or `undefined`"),
    ];
    assert_told("javascript", &mistakes);
}

#[test]
fn mistakes_in_python_are_told_with_their_place() {
    let mistakes = [
        ("error", "KeyError: 'no luck', File \"/0/policy.py\", line "),
        ("recursion", "RecursionError: maximum recursion depth exceeded, File \"/0/policy.py\""),
        ("import", "No module named 'socket', File \"/0/policy.py\""),
        (
            "no-answer",
            "`choose` answered None, which isn't `Answer_Standard`, `Answer_Staged`, `Answer_Nothing` or `Answer_Refused`",
        ),
        ("answer-text", "`choose` answered 'staged', which isn't `Answer_Standard`"),
        ("answer-class", "a class: call it, as in `Answer_Staged()`"),
        (
            "answer-value",
            "`choose` answered Answer_Nothing(value=42), whose `value` isn't `str` or `None`",
        ),
        // It passes for an answer, and only the runtime finds that it is none.
        ("answer-near", "policy.Near"),
    ];
    assert_told("python", &mistakes);
}

/// What JavaScript printed went nowhere.
#[test]
fn what_javascript_prints_is_the_policys_log() {
    let board = board("javascript");
    make(&board, "printed");
    let claim = ["--record", "printed.json", "claim", "--agent", "ada"];
    assert_eq!(board.run(&claim).exits(7).text("/error/reason"), "printed");
    let told = board.run(&["policy", "replay", "printed.json"]).exits(7).json();
    assert_eq!(told["log"][0], "tasks: 3 {\"held\":\"2n\"}", "{told}");
    let error = told["log"][1].as_str().unwrap();
    assert!(error.starts_with("Error: printed, in printed (policy.js:"), "{error}");
}

/// The guide says that it is refused; the hook was ended, and its `catch` never reached.
#[test]
fn network_is_refused_in_a_way_that_javascript_can_catch() {
    let board = board("javascript");
    make(&board, "network");
    let told = board.run(&["claim", "--agent", "ada"]).exits(7).text("/error/reason");
    assert_eq!(told, "caught: `fetch` is refused: a policy reaches no network");
}
