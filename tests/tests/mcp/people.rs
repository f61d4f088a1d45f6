//! Where an agent needs somebody else: a question, and a review.

use serde_json::{Value, json};
use taskhost_tests::TestBoard;

use crate::client::{Client, Library};

/// Two clients, one of each library.
fn two(board: &TestBoard, names: [&str; 2]) -> [Client; 2] {
    [
        Client::named(Library::Python, board, names[0]),
        Client::named(Library::TypeScript, board, names[1]),
    ]
}

#[test]
fn question_is_answered_by_another_client_and_the_next_claimer_sees_the_answer() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let [mut asker, mut answerer] = two(&board, ["ada", "dora"]);
    asker.call("board_next", &json!({}));
    let question = json!({ "id": "t", "outcome": "block", "text": "tabs or spaces?" });
    let blocked = asker.call("board_finish", &question);
    assert_eq!(blocked["task"]["status"], "blocked");
    assert_eq!(asker.call("board_next", &json!({}))["task"], Value::Null);

    let open = answerer.call("board_list", &json!({ "statuses": ["blocked"] }));
    assert_eq!(open["tasks"][0]["reason"], "tabs or spaces?");
    let answer = json!({ "id": "t", "verdict": "answer", "text": "spaces" });
    answerer.call("board_review", &answer);
    answerer.close();

    let mut next = Client::named(Library::TypeScript, &board, "bob");
    let got = next.call("board_next", &json!({}));
    assert_eq!(got["task"]["id"], "t");
    let shown = next.call("board_show", &json!({ "id": "t", "events": 20 })).to_string();
    assert!(shown.contains("tabs or spaces?") && shown.contains("spaces\""), "{shown}");
    let question = client_events(&mut next, "blocked");
    assert_eq!(
        (&question["agent"], &question["details"]["reason"]),
        (&json!("ada"), &json!("tabs or spaces?"))
    );
    let answer = client_events(&mut next, "unblocked");
    assert_eq!(
        (&answer["agent"], &answer["details"]["reason"]),
        (&json!("dora"), &json!("spaces"))
    );
    asker.close();
    next.close();
}

/// The last of the task's events of this kind, as a client sees it.
fn client_events(client: &mut Client, event: &str) -> Value {
    let shown = client.call("board_show", &json!({ "id": "t", "events": 50 }));
    let events = shown["events"].as_array().unwrap();
    events
        .iter()
        .rev()
        .find(|one| one["event"] == event)
        .cloned()
        .unwrap_or_else(|| panic!("no `{event}` in {shown}"))
}

#[test]
fn work_in_review_is_sent_back_and_accepted_by_another_client_and_not_by_its_own() {
    let board = TestBoard::with(&["--setting", "review=all"]);
    board.add(&["t"]);
    let [mut worker, mut reviewer] = two(&board, ["ada", "rita"]);
    let done = json!({ "id": "t", "outcome": "complete", "result": "first" });
    let accept = json!({ "id": "t", "verdict": "accept" });
    worker.call("board_next", &json!({}));
    let finished = worker.call("board_finish", &done);
    assert_eq!(finished["task"]["status"], "in_review");
    worker.refused("board_review", &accept);
    assert_eq!(board.task("t")["status"], "in_review", "nobody accepts their own work");

    let open = reviewer.call("board_list", &json!({ "statuses": ["in_review"] }));
    assert_eq!(open["tasks"][0]["id"], "t");
    let back = json!({ "id": "t", "verdict": "send_back", "text": "no tests" });
    reviewer.call("board_review", &back);
    assert_eq!(board.task("t")["status"], "pending");

    let again = worker.call("board_next", &json!({ "wait_s": 30 }));
    assert_eq!(again["task"]["id"], "t");
    let shown = worker.call("board_show", &json!({ "id": "t", "events": 20 })).to_string();
    assert!(shown.contains("no tests"), "{shown}");
    worker.call("board_finish", &done);
    reviewer.call("board_review", &accept);
    assert_eq!(reviewer.call("board_show", &json!({ "id": "t" }))["task"]["status"], "completed");
    worker.close();
    reviewer.close();
}
