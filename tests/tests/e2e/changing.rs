//! What people, and agents that are told to, do with tasks that they don't hold.

use std::fs;

use serde_json::{Value, json};
use taskhost_tests::{Answer, TestBoard, policy};

/// A board where what waits for something that was cancelled is cancelled too.
fn cascading() -> TestBoard {
    TestBoard::with(&["--setting", "cascade=cancel"])
}

/// Sets the hostile policy, which does this in its `lifecycle` hook.
fn misbehave(board: &TestBoard, mode: &str) {
    let (component, mode) = (policy("hostile"), format!("mode={mode}"));
    let component = component.to_str().unwrap();
    let hook = "hook=lifecycle";
    board.run(&["policy", "set", component, "--setting", hook, "--setting", &mode]).exits(0);
}

fn after(board: &TestBoard, id: &str, on: &str) {
    board.run(&["add", "work", "--id", id, "--after", on]).exits(0);
}

fn complete(board: &TestBoard, id: &str) {
    let token = claim(board, id);
    board.run(&["complete", id, "--agent", "a", "--token", &token]).exits(0);
}

fn fail(board: &TestBoard, id: &str) {
    let token = claim(board, id);
    board.run(&["fail", id, "--agent", "a", "--token", &token, "--error", "no"]).exits(0);
}

/// The token by which `a` holds the task.
fn claim(board: &TestBoard, id: &str) -> String {
    board.run(&["claim", id, "--agent", "a"]).exits(0).number("/task/claim/token").to_string()
}

fn status(board: &TestBoard, id: &str) -> String {
    board.task(id)["status"].as_str().unwrap().to_owned()
}

/// The ids of the objects at this pointer.
#[track_caller]
fn ids(answer: &Answer, pointer: &str) -> Vec<String> {
    let json = answer.json();
    let list = json.pointer(pointer).and_then(Value::as_array).unwrap();
    list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// What one would see had something changed.
fn everything(board: &TestBoard) -> (String, String) {
    (board.run(&["list"]).exits(0).stdout, board.run(&["history"]).exits(0).stdout)
}

#[test]
fn assign_reports_each_task_and_names_who_has_those_that_it_could_not_have() {
    let board = TestBoard::new();
    board.add(&["a", "b", "c", "done"]);
    complete(&board, "done");
    board.run(&["assign", "b", "--to", "bob", "--by", "olga"]).exits(0);
    let human = ["--kind", "human", "--hostname", "vm7", "--by", "olga"];
    let assign = ["assign", "a", "b", "nobody", "done", "c", "--to", "carol"];
    let answer = board.run(&[&assign[..], &human[..]].concat()).exits(4);
    assert_eq!(ids(&answer, "/tasks"), ["a", "c"]);
    let carol = json!({ "name": "carol", "kind": "human", "hostname": "vm7", "by": "olga" });
    assert_eq!(answer.json()["tasks"][0]["assignee"], carol);
    assert_eq!(board.task("c")["assignee"], carol);
    let failed = answer.json()["failed"].clone();
    let codes: Vec<_> = failed.as_array().unwrap().iter().map(|f| &f["error"]["code"]).collect();
    assert_eq!(codes, ["assigned", "no_such_task", "invalid_transition"]);
    assert_eq!(failed[0]["error"]["holder"], "bob");
    assert_eq!(failed[0]["error"]["assignee"]["by"], "olga");
    // Whoever looks for an error where every command has it finds the first one.
    assert_eq!(answer.json()["error"], failed[0]["error"]);
    assert_eq!(answer.number("/total"), 5);

    // Done before by the same request.
    let again = board.run(&["assign", "b", "b", "--to", "bob"]).exits(0);
    assert_eq!(again.json()["already"], json!(["b"]));
    assert_eq!(
        (ids(&again, "/tasks"), again.json()["changes"].clone()),
        (vec!["b".into()], json!([]))
    );
    let plain = board.run_plain(&["assign", "b", "--to", "ann"]).exits(4);
    assert!(plain.stdout.is_empty() && plain.stderr.contains("assigned to `bob`"), "{plain:?}");
    board.run(&["assign", "nobody", "a", "--to", "x"]).exits(5);
    board.run(&["assign", "done", "--to", "x"]).exits(10);
    board.run(&["assign", "--to", "x"]).exits(2);
}

#[test]
fn assign_of_what_somebody_works_on_is_refused_unless_it_is_theirs() {
    let board = TestBoard::new();
    board.add(&["t"]);
    claim(&board, "t");
    let refused = board.run(&["assign", "t", "--to", "bob"]).exits(4);
    assert_eq!(refused.text("/failed/0/error/holder"), "a");
    board.run(&["assign", "t", "--to", "a"]).exits(0);
}

#[test]
fn all_or_nothing_changes_nothing_if_one_of_the_tasks_can_not_be_changed() {
    let board = TestBoard::new();
    board.add(&["a", "b"]);
    board.run(&["assign", "b", "--to", "bob"]).exits(0);
    let before = everything(&board);
    let commands: [&[&str]; 5] = [
        &["assign", "a", "b", "--to", "carol"],
        &["unassign", "b", "nobody"],
        &["cancel", "a", "nobody"],
        &["block", "a", "nobody"],
        &["update", "a", "nobody", "--priority", "1"],
    ];
    for command in commands {
        let answer = board.run(&[command, &["--all-or-nothing"]].concat());
        assert!([4, 5].contains(&answer.code), "{answer:?}");
        assert!(!answer.text("/error/task").is_empty());
        assert_eq!(everything(&board), before, "{command:?}");
    }
    let both = ["cancel", "a", "b", "--all-or-nothing"];
    assert_eq!(ids(&board.run(&both).exits(0), "/tasks"), ["a", "b"]);
    // In one transaction.
    let events = board.run(&["history"]).exits(0).json()["events"].clone();
    let last: Vec<_> = events.as_array().unwrap().iter().rev().take(2).collect();
    assert_eq!(last[0]["sequence"], last[1]["sequence"]);
}

#[test]
fn claim_gives_what_is_reserved_first_and_never_what_is_somebody_elses() {
    let board = TestBoard::new();
    board.add(&["first", "second", "third"]);
    board.run(&["assign", "third", "--to", "carol"]).exits(0);
    board.run(&["assign", "first", "--to", "bob"]).exits(0);
    assert_eq!(board.claim("carol").0, "third");
    let reserved = board.run(&["claim", "first", "--agent", "carol"]).exits(4);
    assert_eq!(reserved.text("/error/holder"), "bob");
    assert_eq!(board.claim("carol").0, "second");
    board.run(&["claim", "--agent", "carol"]).exits(3);
    // Somebody of that name, but of another kind.
    board.run(&["claim", "--agent", "bob", "--kind", "human"]).exits(3);
    let other = board.run(&["unassign", "first", "--from", "ann"]).exits(4);
    assert_eq!(other.text("/error/holder"), "bob");
    board.run(&["unassign", "first", "--from", "bob", "--by", "olga"]).exits(0);
    assert_eq!(board.run(&["unassign", "first"]).exits(0).json()["already"], json!(["first"]));
    assert_eq!(board.claim("carol").0, "first");
}

#[test]
fn cancel_takes_along_what_waits_only_if_it_is_told_to() {
    let board = TestBoard::new();
    board.add(&["a", "b"]);
    after(&board, "a2", "a");
    after(&board, "b2", "b");
    after(&board, "b3", "b2");
    let plain = board.run(&["cancel", "a", "--reason", "dropped", "--by", "olga"]).exits(0);
    assert_eq!(plain.json()["also"], json!([]));
    assert_eq!(board.task("a")["reason"], "dropped");
    assert_eq!(status(&board, "a2"), "pending");
    let cascade = board.run(&["cancel", "b", "--cascade"]).exits(0);
    assert_eq!(ids(&cascade, "/tasks"), ["b"]);
    assert_eq!(ids(&cascade, "/also"), ["b2", "b3"]);
    assert!(board.task("b3")["reason"].as_str().unwrap().contains("b2"));
    assert_eq!(board.run(&["cancel", "b"]).exits(0).json()["already"], json!(["b"]));
    let by = board.run(&["history", "a", "--agent", "olga"]).exits(0);
    assert_eq!(by.text("/events/0/event"), "cancelled");
    complete(&board, {
        board.add(&["c"]);
        "c"
    });
    board.run(&["cancel", "c"]).exits(10);
}

#[test]
fn stale_holder_changes_nothing_after_its_task_was_cancelled_or_taken() {
    let board = TestBoard::new();
    board.add(&["cancelled", "taken", "parked"]);
    let tokens: Vec<(&str, String)> =
        ["cancelled", "taken", "parked"].map(|id| (id, claim(&board, id))).into();
    board.run(&["cancel", "cancelled"]).exits(0);
    let forced = ["release", "taken", "--force", "--by", "olga", "--reason", "it hangs"];
    let taken = board.run(&forced).exits(0);
    assert_eq!(
        (taken.text("/task/id"), taken.text("/task/reason")),
        ("taken".into(), "it hangs".into())
    );
    assert_eq!(taken.json()["task"]["attempts"], 1, "the attempt that was lost stays counted");
    assert_eq!(board.run(&forced).exits(0).json()["repeated"], true);
    board.run(&["block", "parked", "--force"]).exits(0);
    for (id, token) in &tokens {
        let before = board.task(id);
        for verb in ["complete", "fail", "release", "heartbeat", "block"] {
            let late = board.run(&[verb, id, "--agent", "a", "--token", token]).exits(4);
            assert_eq!(late.text("/error/code"), "stale_token", "{verb} {id}");
        }
        assert_eq!(&board.task(id), &before);
    }
    let events = board.run(&["history", "taken"]).exits(0).json()["events"].clone();
    let last = events.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["event"], &last["agent"], &last["holder"], &last["details"]["reason"]),
        (&json!("recovered"), &json!("olga"), &json!("a"), &json!("it hangs"))
    );
    // A release by force and one by the holder aren't mixed up.
    board.run(&["release", "taken", "--force", "--agent", "a"]).exits(2);
    board.run(&["release", "taken", "--force", "--token", "1"]).exits(2);
    board.run(&["release", "taken"]).exits(2);
    board.run(&["release", "cancelled", "--force"]).exits(10);
    board.run(&["release", "nobody", "--force"]).exits(5);
}

#[test]
fn holder_in_the_environment_is_in_no_operators_way() {
    // An agent that works for an operator was told that `--force` and its own token contradict each other.
    let board = TestBoard::new();
    board.add(&["own", "others"]);
    let (own, token) = board.claim("a");
    let (others, _) = board.claim("b");
    let as_a = |arguments: &[&str]| {
        let mut command = board.command(&[&["--json"], arguments].concat());
        command.env("TASKHOST_AGENT", "a").env("TASKHOST_TOKEN", &token);
        Answer::of(command.output().unwrap())
    };
    as_a(&["block", &others]).exits(4);
    as_a(&["release", &others, "--force"]).exits(0);
    // What nobody holds is parked by anybody, though the token there is about another task.
    as_a(&["block", &others]).exits(0);
    as_a(&["block", &own, "--reason", "which one?"]).exits(0);
    let parked = board.task(&own);
    assert_eq!((&parked["status"], &parked["attempts"]), (&json!("blocked"), &json!(0)));
    as_a(&["heartbeat", &own]).exits(10);
    let history = board.run(&["history", &others, "--agent", "a"]).exits(0).json();
    assert_eq!(history["events"][0]["event"], "recovered", "who asked is in the history");
}

#[test]
fn retry_makes_what_comes_after_wait_again() {
    let board = TestBoard::new();
    board.add(&["t"]);
    after(&board, "next", "t");
    fail(&board, "t");
    board.run(&["claim", "next", "--agent", "a"]).exits(3);
    let retried = board.run(&["retry", "t", "--reason", "the disk has room"]).exits(0);
    let task = &retried.json()["tasks"][0];
    assert_eq!((&task["status"], &task["attempts"]), (&json!("pending"), &json!(0)));
    assert_eq!(task["reason"], "the disk has room");
    assert_eq!(board.run(&["retry", "t"]).exits(0).json()["already"], json!(["t"]));
    assert_eq!(board.run(&["claim", "next", "--agent", "a"]).exits(3).text("/reason"), "waiting");
    complete(&board, "t");
    complete(&board, "next");
    board.run(&["retry", "t"]).exits(10);
    board.assert_healthy();
}

#[test]
fn retry_cascade_revives_what_the_policy_cancelled_with_it() {
    let board = cascading();
    board.add(&["t"]);
    after(&board, "mid", "t");
    after(&board, "end", "mid");
    fail(&board, "t");
    assert_eq!(
        (status(&board, "mid"), status(&board, "end")),
        ("cancelled".into(), "cancelled".into())
    );
    let dry = board.run(&["retry", "t", "--cascade", "--dry-run"]).exits(0);
    assert_eq!(ids(&dry, "/also"), ["mid", "end"]);
    assert_eq!(status(&board, "t"), "failed");
    let revived = board.run(&["retry", "t", "--cascade", "--by", "olga"]).exits(0);
    assert_eq!(ids(&revived, "/also"), ["mid", "end"]);
    for id in ["t", "mid", "end"] {
        assert_eq!(status(&board, id), "pending", "{id}");
        complete(&board, id);
    }
    board.assert_healthy();
}

#[test]
fn holder_parks_its_task_with_a_question_and_somebody_answers() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let (_, token) = board.claim("ann");
    let stranger = board.run(&["block", "t", "--reason", "I say so"]).exits(4);
    assert_eq!(stranger.text("/error/holder"), "ann");
    board.run(&["block", "t", "--agent", "bob", "--token", &token]).exits(4);
    board.run(&["block", "t", "u", "--agent", "ann", "--token", &token]).exits(2);
    let park = ["block", "t", "--agent", "ann", "--token", &token, "--reason", "which licence?"];
    let parked = board.run(&park).exits(0);
    assert_eq!(parked.text("/tasks/0/reason"), "which licence?");
    assert_eq!(parked.json()["tasks"][0]["attempts"], 0);
    assert_eq!(board.run(&park).exits(0).json()["already"], json!(["t"]));
    board.run(&["claim", "t", "--agent", "bob"]).exits(3);
    assert!(board.run_plain(&["explain", "t"]).exits(0).stdout.contains("which licence?"));
    let answered = board.run(&["unblock", "t", "--reason", "Apache", "--by", "carol"]).exits(0);
    assert_eq!(answered.text("/tasks/0/reason"), "Apache");
    assert_eq!(board.run(&["unblock", "t"]).exits(0).json()["already"], json!(["t"]));
    assert_eq!(board.claim("ann").0, "t");
    board.run(&["unblock", "t"]).exits(10);
    let events = board.run(&["history", "t"]).exits(0).json()["events"].clone();
    let said: Vec<_> =
        events.as_array().unwrap().iter().map(|event| &event["details"]["reason"]).collect();
    assert!(said.contains(&&json!("which licence?")) && said.contains(&&json!("Apache")));
}

#[test]
fn work_in_review_is_accepted_or_sent_back() {
    let board = TestBoard::new();
    board.add(&["good", "bad"]);
    after(&board, "next", "good");
    misbehave(&board, "lie");
    for id in ["good", "bad"] {
        complete(&board, id);
        assert_eq!(status(&board, id), "in_review");
    }
    // It would answer `review` to the review too.
    board.run(&["policy", "set", "standard"]).exits(0);
    board.run(&["review", "good"]).exits(2);
    board.run(&["review", "good", "--accept", "--send-back"]).exits(2);
    board.run(&["claim", "next", "--agent", "a"]).exits(3);
    let accepted = board.run(&["review", "good", "--accept", "--by", "carol"]).exits(0);
    assert_eq!(accepted.text("/changes/0/from"), "in_review");
    assert_eq!(accepted.text("/changes/0/to"), "completed");
    claim(&board, "next");
    let back = ["review", "bad", "--send-back", "--reason", "no tests", "--by", "carol"];
    let back = board.run(&back).exits(0);
    assert_eq!(
        (back.text("/tasks/0/status"), back.text("/tasks/0/reason")),
        ("pending".into(), "no tests".into())
    );
    board.run(&["review", "bad", "--accept"]).exits(10);
    claim(&board, "bad");
    assert_eq!(board.task("bad")["attempts"], 2, "the attempt that was sent back stays counted");
    let by = board.run(&["history", "--agent", "carol"]).exits(0).json()["events"].clone();
    let events: Vec<_> = by.as_array().unwrap().iter().map(|event| &event["event"]).collect();
    assert_eq!(events, ["accepted", "sent_back"]);
}

#[test]
fn update_changes_who_gets_what() {
    let board = TestBoard::new();
    board.add(&["one", "two", "three"]);
    board.run(&["update", "three", "--priority", "-1"]).exits(0);
    board.run(&["update", "two", "--priority", "9", "--by", "olga"]).exits(0);
    assert_eq!(board.claim("a").0, "two");
    board.run(&["update", "one", "--needs", "gpu", "--needs", "disk"]).exits(0);
    assert_eq!(board.claim("a").0, "three");
    board.run(&["claim", "--agent", "a"]).exits(3);
    board.run(&["update", "one", "--needs", "gpu"]).exits(0);
    let gpu = ["claim", "--agent", "a", "--label", "x", "--capability", "gpu"];
    board.run(&gpu).exits(3);
    let labelled = board.run(&["update", "one", "--label", "y", "--label", "x"]).exits(0);
    assert_eq!(
        labelled.json()["changes"][0]["fields"]["labels"],
        json!({ "from": [], "to": ["x", "y"] })
    );
    assert_eq!(board.run(&gpu).exits(0).text("/task/id"), "one");
}

#[test]
fn update_replaces_adds_and_removes() {
    let board = TestBoard::new();
    board.add(&["t", "u"]);
    board.run(&["update", "t", "u", "--label", "b", "--label", "a"]).exits(0);
    let edit =
        ["update", "t", "u", "--add-label", "c", "--remove-label", "a", "--remove-label", "z"];
    board.run(&[&edit[..], &["--all-or-nothing"]].concat()).exits(0);
    for id in ["t", "u"] {
        assert_eq!(board.task(id)["labels"], json!(["b", "c"]));
    }
    assert_eq!(board.run(&edit).exits(0).json()["already"], json!(["t", "u"]));
    board.run(&["update", "t", "--no-labels"]).exits(0);
    assert_eq!(board.task("t")["labels"], json!([]));
    board.run(&["update", "t", "--needs", "gpu"]).exits(0);
    board.run(&["update", "t", "--no-needs"]).exits(0);
    assert_eq!(board.task("t")["needs"], json!([]));
    fs::write(board.folder().join("data.json"), "{\"n\": 2}").unwrap();
    board.run(&["update", "t", "--data", "@data.json"]).exits(0);
    assert_eq!(board.task("t")["data"], json!({ "n": 2 }));
    board.run(&["update", "t", "--not-before", "2999-01-01T00:00:00Z"]).exits(0);
    board.run(&["claim", "t", "--agent", "a"]).exits(3);
    board.run(&["update", "t", "--not-before", "now"]).exits(0);
    assert_eq!(board.task("t")["not_before"], Value::Null);
    complete(&board, "t");
    board.run(&["update", "t", "--priority", "1"]).exits(10);

    let mistakes: [&[&str]; 7] = [
        &["update", "u"],
        &["update", "u", "--label", "x", "--add-label", "y"],
        &["update", "u", "--add-label", "x", "--remove-label", "x"],
        &["update", "u", "--needs", "x", "--no-needs"],
        &["update", "u", "--add-label", "x", "--no-labels"],
        &["update", "u", "--data", "{"],
        &["update", "u", "--not-before", "soon"],
    ];
    for mistake in mistakes {
        let answer = board.run(mistake).exits(2);
        assert!(!answer.text("/error/message").is_empty());
    }
}

#[test]
fn dry_run_says_what_would_be_touched_and_changes_nothing() {
    let board = cascading();
    board.add(&["open", "held", "parked", "failed", "done"]);
    after(&board, "waits", "open");
    claim(&board, "held");
    board.run(&["block", "parked"]).exits(0);
    complete(&board, "done");
    fail(&board, "failed");
    let before = everything(&board);
    /// A task, and the statuses that it would go from and to.
    type Step = (&'static str, &'static str, &'static str);
    let commands: [(&[&str], &[Step]); 9] = [
        (
            &["cancel", "open"],
            &[("open", "pending", "cancelled"), ("waits", "pending", "cancelled")],
        ),
        (
            &["cancel", "open", "waits", "--cascade", "--all-or-nothing"],
            &[("open", "pending", "cancelled"), ("waits", "pending", "cancelled")],
        ),
        (&["retry", "failed", "--cascade"], &[("failed", "failed", "pending")]),
        (
            &["block", "open", "held", "--force"],
            &[("open", "pending", "blocked"), ("held", "in_progress", "blocked")],
        ),
        (&["unblock", "parked"], &[("parked", "blocked", "pending")]),
        (&["release", "held", "--force"], &[("held", "in_progress", "pending")]),
        (&["assign", "open", "--to", "bob"], &[("open", "pending", "pending")]),
        (&["update", "open", "--priority", "7"], &[("open", "pending", "pending")]),
        (&["archive", "done"], &[("done", "completed", "")]),
    ];
    for (command, expected) in commands {
        let answer = board.run(&[command, &["--dry-run"]].concat()).exits(0);
        assert_eq!(answer.json()["dry_run"], true);
        let changes = answer.json()["changes"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let seen: Vec<_> =
            changes.iter().map(|c| (text(&c["id"]), text(&c["from"]), text(&c["to"]))).collect();
        let expected: Vec<_> =
            expected.iter().map(|(a, b, c)| ((*a).into(), (*b).into(), (*c).into())).collect();
        assert_eq!(seen, expected, "{command:?}");
        assert_eq!(everything(&board), before, "{command:?}");
    }
    let plain = board.run_plain(&["cancel", "open", "--dry-run"]).exits(0);
    assert!(plain.stdout.contains("`waits`: pending → cancelled"), "{plain:?}");
    assert!(plain.stderr.contains("nothing was changed"), "{plain:?}");
    let plain = board.run_plain(&["update", "open", "--priority", "7", "--dry-run"]).exits(0);
    assert_eq!(plain.stdout, "`open`: priority 0 → 7\n");
    // What can't be done isn't said to be.
    board.run(&["cancel", "done", "--dry-run"]).exits(10);
    assert_eq!(everything(&board), before);
}

#[test]
fn policy_that_refuses_gives_7_and_nothing_is_changed() {
    let board = TestBoard::new();
    board.add(&["open", "done"]);
    complete(&board, "done");
    misbehave(&board, "refuse");
    let before = everything(&board);
    let commands: [&[&str]; 6] = [
        &["cancel", "open"],
        &["assign", "open", "--to", "bob"],
        &["update", "open", "--priority", "1"],
        &["block", "open"],
        &["archive", "done"],
        &["cancel", "open", "--all-or-nothing"],
    ];
    for command in commands {
        for dry in [&[][..], &["--dry-run"]] {
            let answer = board.run(&[command, dry].concat()).exits(7);
            assert_eq!(answer.text("/error/code"), "refused");
            assert!(answer.text("/error/reason").contains("told to"));
        }
        assert_eq!(everything(&board), before, "{command:?}");
    }
    let kept = board.run(&["archive", "--finished"]).exits(0);
    assert_eq!(kept.text("/skipped/0/error/code"), "refused");
    // The first failure is the answer's, the others are done.
    board.run(&["policy", "set", "standard"]).exits(0);
    board.run(&["cancel", "open", "nobody"]).exits(5);
    assert_eq!(status(&board, "open"), "cancelled");
}

#[test]
fn archive_takes_a_finished_family_and_the_history_still_knows_it() {
    let board = TestBoard::new();
    board.add(&["top", "other"]);
    for (id, parent) in [("mid", "top"), ("low", "mid")] {
        board.run(&["add", "work", "--id", id, "--parent", parent]).exits(0);
    }
    complete(&board, "top");
    let open = board.run(&["archive", "top"]).exits(10);
    assert!(open.text("/error/message").contains("`mid`"), "{open:?}");
    complete(&board, "mid");
    complete(&board, "low");
    let archived = board.run(&["archive", "top", "--by", "olga"]).exits(0);
    assert_eq!(ids(&archived, "/tasks"), ["top"]);
    assert_eq!(ids(&archived, "/also"), ["mid", "low"]);
    assert_eq!(
        archived.json()["changes"][0],
        json!({ "id": "top", "from": "completed", "to": null, "fields": {} })
    );
    for id in ["top", "mid", "low"] {
        board.run(&["show", id]).exits(5);
        let events = board.run(&["history", id]).exits(0).json()["events"].clone();
        assert_eq!(events.as_array().unwrap().last().unwrap()["event"], "archived");
    }
    board.run(&["archive", "top"]).exits(5);
    board.run(&["archive", "other"]).exits(10);
    board.run(&["archive"]).exits(2);
    board.run(&["archive", "other", "--finished"]).exits(2);
    board.run(&["archive", "other", "--older-than", "1d"]).exits(2);
    board.assert_healthy();
}

#[test]
fn what_an_archived_task_left_can_still_be_read_and_removed() {
    // The values of archived tasks took up room for ever, and nobody could read or remove them.
    let board = TestBoard::new();
    board.add(&["kept", "bare"]);
    let context = |command: &str, id: &str, more: &[&str]| {
        board.run(&[&["context", command, "--task", id], more].concat())
    };
    context("set", "kept", &["notes", "x"]).exits(0);
    let run = ["run", "--agents", "1", "--", "sh", "-c", "echo $TASKHOST_TASK"];
    board.run(&run).exits(0);
    fs::remove_dir_all(board.outputs().join("output/bare")).unwrap();
    let archived = board.run_plain(&["archive", "--finished", "--limit", "1"]).exits(0).stdout;
    assert!(archived.ends_with("1 task of 1 family archived, 0 kept\n"), "{archived}");
    board.run(&["archive", "bare"]).exits(0);

    assert_eq!(context("get", "kept", &["notes"]).exits(0).text("/text"), "x");
    assert_eq!(context("get", "kept", &["output/1/stdout"]).exits(0).text("/text"), "kept\n");
    assert_eq!(context("list", "kept", &[]).exits(0).text("/values/0/key"), "notes");
    assert_eq!(context("remove", "kept", &["notes"]).exits(0).json()["removed"], true);
    // What `run` left is still there.
    assert_eq!(context("get", "kept", &["notes"]).exits(5).text("/error/code"), "no_such_value");
    context("list", "kept", &[]).exits(0);
    fs::remove_dir_all(board.outputs().join("output/kept")).unwrap();
    for id in ["kept", "bare", "nobody"] {
        let gone = context("list", id, &[]).exits(5);
        assert_eq!(gone.text("/error/code"), "no_such_task");
        context("get", id, &["notes"]).exits(5);
        context("remove", id, &["notes"]).exits(5);
        context("set", id, &["notes", "x"]).exits(5);
        context("append", id, &["notes", "x"]).exits(5);
    }
    board.assert_healthy();
}

#[test]
fn archive_refuses_what_others_need() {
    let board = TestBoard::new();
    board.add(&["needed", "failed"]);
    after(&board, "next", "needed");
    after(&board, "waits", "failed");
    complete(&board, "needed");
    fail(&board, "failed");
    let refused = board.run(&["archive", "needed"]).exits(10);
    assert!(refused.text("/error/message").contains("`needed`"), "{refused:?}");
    board.run(&["archive", "failed"]).exits(10);
    let two = board.run(&["archive", "needed", "failed", "--all-or-nothing"]).exits(10);
    assert!(!two.text("/error/task").is_empty());
    complete(&board, "next");
    board.run(&["archive", "needed"]).exits(0);
}

#[test]
fn archive_finished_takes_what_can_go_and_counts_what_stays() {
    let board = TestBoard::new();
    board.add(&["a", "b", "c", "lost", "open"]);
    // Each needs the one before it, so they can go only from the last one on.
    after(&board, "lost2", "lost");
    after(&board, "needs-b", "b");
    board.run(&["add", "work", "--id", "child", "--parent", "c"]).exits(0);
    for id in ["a", "b", "c"] {
        complete(&board, id);
    }
    fail(&board, "lost");
    board.run(&["cancel", "lost2"]).exits(0);
    let sweep = ["archive", "--finished"];
    let nothing = board.run(&[&sweep[..], &["--older-than", "1d"]].concat()).exits(0);
    assert_eq!(nothing.json()["archived"], json!([]));
    let before = everything(&board);
    let dry = board.run(&[&sweep[..], &["--dry-run"]].concat()).exits(0);
    assert_eq!((dry.json()["archived"].clone(), dry.number("/total")), (json!(["a", "lost2"]), 2));
    assert_eq!(everything(&board), before);
    let one = board.run(&[&sweep[..], &["--limit", "1", "--by", "olga"]].concat()).exits(0);
    assert_eq!(one.json()["archived"], json!(["a"]));
    let rest = board.run(&[&sweep[..], &["--older-than", "0s"]].concat()).exits(0);
    assert_eq!(rest.json()["archived"], json!(["lost2", "lost"]));
    assert_eq!(ids(&rest, "/skipped"), ["b", "c"]);
    assert_eq!(rest.text("/skipped/0/error/code"), "invalid_transition");
    for id in ["needs-b", "child"] {
        complete(&board, id);
    }
    let plain = board.run_plain(&sweep).exits(0);
    assert!(plain.stdout.ends_with("4 tasks of 3 families archived, 0 kept\n"), "{plain:?}");
    assert_eq!(board.run(&["list"]).exits(0).number("/total"), 1);
    board.assert_healthy();
}
