//! One winner, whoever asks and however often.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use taskhost_tests::{Answer, Kept, TestBoard};

#[test]
fn thirty_two_processes_claim_one_task_and_one_wins() {
    let board = TestBoard::new();
    board.add(&["prize"]);
    let claims: Vec<_> = (0..32)
        .map(|n| board.start(&["claim", "prize", "--agent", &format!("a{n}"), "--timeout", "60s"]))
        .collect();
    let answers: Vec<Answer> = claims.into_iter().map(Answer::after).collect();
    let (winners, losers): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.code == 0);
    assert_eq!(winners.len(), 1, "{answers:?}");
    let winner = winners[0].text("/task/claim/agent");
    for loser in losers {
        let loser = loser.clone().exits(4);
        assert_eq!(loser.text("/error/holder"), winner);
        assert!(!loser.text("/error/lease_until").is_empty());
    }
    assert_eq!(board.task("prize")["claim"]["agent"], Value::String(winner));
}

#[test]
fn eight_processes_drain_two_thousand_tasks_each_claimed_once() {
    let board = TestBoard::new();
    board.add_many(2_000, |_, _| {});
    let workers: Vec<_> = (0..8)
        .map(|n| {
            let mut worker = Command::new(env!("CARGO_BIN_EXE_worker"));
            worker
                .arg("drain")
                .arg(board.address().as_os_str())
                .arg(format!("w{n}"))
                .stdout(std::process::Stdio::piped());
            worker.stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let answers: Vec<Answer> =
        workers.into_iter().map(|worker| Answer::after(worker).exits(0)).collect();
    let mut done = BTreeSet::new();
    for line in answers.iter().flat_map(|answer| answer.stdout.lines()) {
        let id = line.split(' ').nth(1).unwrap();
        assert!(done.insert(id.to_owned()), "{id} was done twice");
    }
    assert_eq!(done.len(), 2_000);

    // The history says the same: one claim and one completion of each, with one token, all tokens different.
    let mut claims: BTreeMap<String, u64> = BTreeMap::new();
    let mut completed = BTreeSet::new();
    let mut tokens = BTreeSet::new();
    board
        .open()
        .history(taskhost::Sequence(0), |_, entry| {
            for change in &entry.changes {
                match change {
                    taskhost::Change::Claimed { id, claim } => {
                        assert!(tokens.insert(claim.token), "{} was given twice", claim.token);
                        // Where claims run side by side, one may be written down after one that was given its token later.
                        if Kept::here() == Kept::InFiles {
                            assert!(Some(&claim.token) == tokens.last(), "tokens grow");
                        }
                        assert!(
                            claims.insert(id.to_string(), claim.token.0).is_none(),
                            "{id} was claimed twice"
                        );
                    }
                    taskhost::Change::Finished { id, .. } => {
                        assert!(completed.insert(id.to_string()))
                    }
                    _ => {}
                }
            }
            true
        })
        .unwrap();
    assert_eq!((claims.len(), completed.len()), (2_000, 2_000));
    board.assert_healthy();
}

#[test]
fn second_agent_of_one_name_does_not_win_and_cannot_complete_without_the_token() {
    // Two agents under one name shared work, because the second claim was taken for a repetition of the first.
    let board = TestBoard::new();
    board.add(&["t"]);
    let (_, token) = board.claim("twin");
    board.run(&["claim", "t", "--agent", "twin"]).exits(4);
    board.run(&["claim", "--agent", "twin"]).exits(3);
    board.run(&["complete", "t", "--agent", "twin"]).exits(2);
    board.run(&["complete", "t", "--agent", "twin", "--token", "99"]).exits(4);
    assert_eq!(board.task("t")["status"], "in_progress");
    board.run(&["complete", "t", "--agent", "twin", "--token", &token]).exits(0);
}

#[test]
fn claim_whose_lease_ran_out_goes_to_another_and_the_late_complete_changes_nothing() {
    // A stale worker completed the claim of the one that had taken over.
    let board = TestBoard::new();
    board.add(&["t"]);
    let late = board.run(&["claim", "--agent", "slow", "--lease", "1ms"]).exits(0);
    let late = late.number("/task/claim/token").to_string();
    let again = board.run(&["claim", "--agent", "fast", "--wait", "20s"]).exits(0);
    assert_eq!(again.number("/task/attempts"), 2);
    let before = board.task("t");
    for verb in ["complete", "fail", "release", "heartbeat"] {
        let stale = board.run(&[verb, "t", "--agent", "slow", "--token", &late]).exits(4);
        assert_eq!(stale.text("/error/holder"), "fast");
    }
    assert_eq!(board.task("t"), before);
}

#[test]
fn repeated_claim_and_complete_give_the_same_answer_again() {
    // The reply to a claim was lost; the retry took a second task and stranded the first.
    let board = TestBoard::new();
    board.add(&["one", "two"]);
    let claim = ["claim", "--agent", "a", "--key", "k1", "--session", "s1"];
    let first = board.run(&claim).exits(0).json()["task"].clone();
    assert_eq!(board.run(&claim).exits(0).json()["task"], first);
    let token = first["claim"]["token"].to_string();
    let complete =
        ["complete", "one", "--agent", "a", "--token", &token, "--result", "{\"ok\":true}"];
    let done = board.run(&complete).exits(0).json()["task"].clone();
    assert_eq!(board.run(&complete).exits(0).json()["task"], done);
    board.run(&["complete", "one", "--agent", "a", "--token", &token, "--result", "0"]).exits(10);
    board.run(&claim).exits(4);
    board.run(&["claim", "--agent", "b", "--key", "k1"]).exits(10);
    assert_eq!(board.task("two")["attempts"], 0);
}

#[test]
fn graph_that_has_no_order_is_refused_before_anything_changes() {
    let board = TestBoard::new();
    board.run(&["add", "work", "--id", "a", "--after", "a"]).exits(10);
    board.run(&["add", "work", "--id", "a", "--parent", "nobody"]).exits(5);
    let file = board.folder().join("circle.jsonl");
    let circle = "{\"id\":\"a\",\"type\":\"w\",\"after\":[\"b\"]}\n{\"id\":\"b\",\"type\":\"w\",\"parent\":\"a\"}\n";
    std::fs::write(&file, circle).unwrap();
    let refused = board.run(&["add", "--from", file.to_str().unwrap(), "--atomic"]).exits(10);
    assert!(refused.text("/error/message").contains("`a`, `b`"));
    assert_eq!(board.run(&["list"]).exits(0).number("/total"), 0);
}

#[test]
fn bulk_add_is_refused_with_its_line_and_an_atomic_one_leaves_nothing() {
    let board = TestBoard::new();
    let file = board.folder().join("bad.jsonl");
    std::fs::write(&file, "{\"id\":\"fine\",\"type\":\"w\"}\n{\"id\":\"bad\",\"typ\":\"w\"}\n")
        .unwrap();
    let refused = board.run(&["add", "--from", file.to_str().unwrap(), "--atomic"]).exits(2);
    assert!(refused.text("/error/message").contains("line 2"), "{refused:?}");
    assert_eq!(board.run(&["list"]).exits(0).number("/total"), 0);
}
