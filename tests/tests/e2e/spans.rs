//! Spans: what an embedding program's `tracing`, and whoever sets `TASKHOST_LOG`, hears of the operations.

use serde_json::Value;
use taskhost::{Board, Filter, Finish, Json, Name, NewTask, TaskId, Token};
use taskhost_tests::{Answer, TestBoard};

/// What must never be told: it stands in data, results, errors, reasons, keys and values.
pub(crate) const SECRET: &str = "hunter2";

pub(crate) fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

pub(crate) fn secret() -> Json {
    Json::parse(&format!("{{\"password\": \"{SECRET}\"}}")).unwrap()
}

/// Two tasks whose data nobody is to hear of.
pub(crate) fn add(board: &Board) {
    let task = |name: &str| NewTask {
        id: Some(id(name)),
        data: secret(),
        key: Some(format!("{SECRET}-{name}")),
        ..NewTask::new(Name::new("work").unwrap())
    };
    board.add(&[task("one"), task("two"), task("three")]).unwrap();
}

/// What holders do: claims, heartbeats, ends of claims, and what comes too late.
pub(crate) fn work(board: &Board) -> String {
    let ada = board.agent("ada").unwrap();
    let only = |name: &str| Filter { only: Some(id(name)), ..Filter::default() };
    let key = Some(format!("{SECRET}-claim"));
    let options = taskhost::ClaimOptions { filter: only("one"), key, ..Default::default() };
    ada.claim_with(&options).unwrap();
    let first = ada.held().unwrap().remove(0);
    first.heartbeat().unwrap();
    first.complete(Some(secret())).unwrap();
    let second = ada.claim().unwrap().unwrap();
    second.fail(SECRET).unwrap();
    let third = ada.claim().unwrap().unwrap();
    third.release(Some(SECRET.into())).unwrap();
    let stale = taskhost::Proof { token: Some(Token::try_from(9999).unwrap()), ..third.proof() };
    board.finish(third.id(), &stale, &Finish::Complete(Some(secret()))).unwrap_err();
    assert!(ada.may_claim(&Default::default()).unwrap());
    ada.agent().session.to_string()
}

/// A `taskhost` that tells what it does.
fn telling(board: &TestBoard, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
    let mut command = board.command(&[&["--json"], arguments].concat());
    Answer::of(command.envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn taskhost_log_tells_of_operations_on_standard_error_when_they_end() {
    let board = TestBoard::new();
    let add = ["add", "work", "--id", "one", "--data", "\"hunter2\""];
    let quiet = telling(&board, &add, &[]).exits(0);
    assert_eq!(quiet.stderr, "");
    let claim = ["claim", "--agent", "ada", "--session", "s-1"];
    let told = telling(&board, &claim, &[("TASKHOST_LOG", "taskhost=debug")]).exits(0);
    assert_eq!(told.text("/task/id"), "one", "the answer is what it was");
    let line = told.stderr.lines().find(|line| line.contains(" taskhost.claim{")).unwrap();
    for part in
        ["agent=ada", "session=s-1", "task=one", "token=1", "outcome=\"claimed\"", "time.busy="]
    {
        assert!(line.contains(part), "{line}");
    }
    assert!(!told.stderr.contains("hunter2"), "{}", told.stderr);

    let json = [("TASKHOST_LOG", "taskhost=debug"), ("TASKHOST_LOG_FORMAT", "json")];
    let complete = ["complete", "one", "--agent", "ada", "--token", "7", "--result", "\"hunter2\""];
    let told = telling(&board, &complete, &json).exits(4);
    let lines: Vec<Value> =
        told.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let span = |line: &&Value| line["span"]["name"] == "taskhost.complete";
    let span = &lines.iter().find(span).unwrap()["span"];
    assert_eq!((&span["token"], &span["error"]), (&7.into(), &"stale_token".into()), "{span}");
    assert!(span["lock_wait_us"].is_u64() && !told.stderr.contains("hunter2"), "{}", told.stderr);
}

#[test]
fn a_wrong_filter_is_a_mistake_that_says_what_is_wrong() {
    let board = TestBoard::new();
    for (variables, what) in [
        (&[("TASKHOST_LOG", "taskhost=loud")][..], "`TASKHOST_LOG` is `taskhost=loud`"),
        (
            &[("TASKHOST_LOG", "taskhost=debug"), ("TASKHOST_LOG_FORMAT", "xml")],
            "`TASKHOST_LOG_FORMAT` is `xml`",
        ),
    ] {
        let answer = telling(&board, &["add", "work", "--id", "one"], variables).exits(2);
        assert_eq!(answer.text("/error/code"), "usage");
        assert!(answer.text("/error/message").contains(what), "{}", answer.stdout);
    }
    board.run(&["show", "one"]).exits(5);
    telling(&board, &["list"], &[("TASKHOST_LOG", "")]).exits(0);
}
