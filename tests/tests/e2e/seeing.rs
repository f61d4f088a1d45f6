//! What people and programs see of a board: its tree, its numbers, its history, and what happens as it happens.

use std::io::{BufRead, BufReader};
use std::process::Child;

use rustix::process::Signal;
use serde_json::{Value, json};
use taskhost_tests::{Answer, TestBoard, signal};

fn terminate(child: &Child) {
    signal(child, Signal::TERM);
}

/// `top` is completed; `mid` below it can be claimed, and has `low` and `last` below it. `alone` has ended.
fn small_forest() -> TestBoard {
    let board = TestBoard::new();
    board.run(&["add", "goal", "--id", "top", "--priority", "9"]).exits(0);
    board.run(&["add", "part", "--id", "mid", "--parent", "top"]).exits(0);
    board.run(&["add", "step", "--id", "low", "--parent", "mid", "--after", "mid"]).exits(0);
    board
        .run(&[
            "add",
            "step",
            "--id",
            "last",
            "--parent",
            "mid",
            "--after",
            "low",
            "--assignee",
            "ada",
        ])
        .exits(0);
    board.run(&["add", "goal", "--id", "alone", "--priority", "8"]).exits(0);
    for _ in 0..2 {
        let (id, token) = board.claim("bob");
        board.run(&["complete", &id, "--agent", "bob", "--token", &token]).exits(0);
    }
    board
}

#[test]
fn tree_draws_children_below_their_parents() {
    let text = small_forest().run_plain(&["tree"]).exits(0).stdout;
    assert_eq!(
        text,
        "top  goal  completed\n\
         └─ mid  part  pending, ready\n\
         \x20  ├─ low  step  pending, waiting, after mid\n\
         \x20  └─ last  step  pending, waiting, for ada, after low\n\
         alone  goal  completed\n\
         5 of 5\n"
    );
}

#[test]
fn tree_folds_what_has_ended_and_never_cuts_in_silence() {
    let board = small_forest();
    let open = board.run_plain(&["tree", "--open"]).exits(0).stdout;
    assert!(open.starts_with("top") && !open.contains("alone"), "{open}");
    assert!(open.ends_with("… 1 completed\n4 of 5\n"), "{open}");
    let below = board.run_plain(&["tree", "top", "--depth", "1"]).exits(0).stdout;
    assert!(below.contains("… 2 pending") && below.ends_with("2 of 4\n"), "{below}");
    let cut = board.run_plain(&["tree", "--limit", "3"]).exits(0).stdout;
    assert!(cut.contains("… 1 pending") && cut.ends_with("… 1 completed\n3 of 5\n"), "{cut}");
    board.run(&["tree", "nobody"]).exits(5);
}

#[test]
fn tree_is_nested_in_json_and_counts_what_it_hides() {
    let json = small_forest().run(&["tree", "--depth", "1"]).exits(0).json();
    assert_eq!((&json["total"], &json["shown"]), (&json!(5), &json!(3)));
    let mid = &json["tree"][0]["children"][0];
    assert_eq!(mid["task"]["id"], "mid");
    assert_eq!(mid["task"]["readiness"], "ready");
    assert_eq!((&mid["children"], &mid["children_total"]), (&json!([]), &json!(2)));
    assert_eq!(mid["hidden"], json!({ "pending": 2 }));
}

#[test]
fn status_counts_by_status_type_and_agent() {
    let board = small_forest();
    board.run(&["add", "step", "--id", "later", "--not-before", "2999-01-01T00:00:00Z"]).exits(0);
    let json = board.run(&["status"]).exits(0).json();
    assert_eq!((&json["total"], &json["open"]), (&json!(6), &json!(4)));
    let numbers = ["ready", "waiting", "timed", "unasked"].map(|name| json[name].clone());
    assert_eq!(numbers, [json!(1), json!(2), json!(1), json!(0)]);
    assert_eq!(json["types"]["step"], json!({ "pending": 3 }));
    assert_eq!(json["agents"]["ada"]["reserved_open"], 1);
    assert_eq!(json["policy"]["name"], "standard");
    assert!(json["next_due_at"].as_str().unwrap().starts_with("2999-"));
    board.run(&["claim", "--agent", "bob"]).exits(0);
    let json = board.run(&["status"]).exits(0).json();
    assert_eq!(json["agents"]["bob"]["holds"], 1);
    let text = board.run_plain(&["status"]).exits(0).stdout;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("6 tasks, 4 open") && text.contains("bob    1"), "{text}");
}

#[test]
fn list_says_what_is_ready_and_for_whom() {
    let board = small_forest();
    let ids = |arguments: &[&str]| {
        let json = board.run(&[&["list"], arguments].concat()).exits(0).json();
        let ids = json["tasks"].as_array().unwrap().iter().map(|task| task["id"].clone());
        let ids: Vec<Value> = ids.collect();
        assert_eq!(json["total"], ids.len());
        Value::from(ids)
    };
    assert_eq!(ids(&["--ready"]), json!(["mid"]));
    assert_eq!(ids(&["--assignee", "ada"]), json!(["last"]));
    assert_eq!(ids(&["--roots"]), json!(["top", "alone"]));
    let text = board.run_plain(&["list", "--status", "pending"]).exits(0).stdout;
    let mut lines = text.lines();
    assert!(lines.next().unwrap().contains("READY") && text.contains("NEEDS"), "{text}");
    assert!(lines.next().unwrap().contains("ready"), "{text}");
    assert!(lines.next().unwrap().contains("waiting"), "{text}");
}

#[test]
fn history_is_asked_by_task_agent_kind_command_and_time() {
    let board = small_forest();
    let events = |arguments: &[&str]| {
        let json = board.run(&[&["history"], arguments].concat()).exits(0).json();
        let events = json["events"].as_array().unwrap().iter().map(|event| {
            format!("{} {}", event["event"].as_str().unwrap(), event["task"].as_str().unwrap())
        });
        events.collect::<Vec<_>>()
    };
    assert_eq!(events(&["top"]), ["added top", "claimed top", "completed top"]);
    assert_eq!(events(&["--event", "completed"]), ["completed top", "completed alone"]);
    assert_eq!(
        events(&["--event", "claimed", "--event", "completed", "--last", "2"]),
        ["claimed alone", "completed alone"]
    );
    assert_eq!(events(&["--agent", "bob", "--command", "claim"]), ["claimed top", "claimed alone"]);
    assert_eq!(events(&["--since", "1h"]).len(), 9);
    assert!(events(&["--until", "1h"]).is_empty());
    let second = board.run(&["show", "mid"]).exits(0).text("/task/created_at");
    assert_eq!(events(&["--until", &second]), ["added top"]);
    assert_eq!(events(&["--since", &second])[0], "added mid");
    let last = board.run(&["history", "--last", "2"]).exits(0).json();
    assert_eq!((&last["total"], last["events"].as_array().unwrap().len()), (&json!(9), 2));
    let why = board.run(&["history", "--event", "finished"]).exits(2).text("/error/message");
    assert!(why.contains("`completed`"), "{why}");
}

#[test]
fn explain_says_where_a_chain_of_waiting_begins() {
    let board = TestBoard::new();
    board.add(&["first"]);
    board.run(&["add", "work", "--id", "second", "--after", "first"]).exits(0);
    board.run(&["add", "work", "--id", "parent", "--after", "second"]).exits(0);
    board.run(&["add", "work", "--id", "child", "--parent", "parent"]).exits(0);
    let (id, token) = board.claim("ada");
    let held = board.run_plain(&["explain", "child"]).exits(0).stdout;
    assert!(held.contains("`parent`, its parent, which is pending"), "{held}");
    assert!(held.contains("it begins with: `first`, which `ada` holds"), "{held}");
    board
        .run(&["fail", &id, "--agent", "ada", "--token", &token, "--error", "no disk left"])
        .exits(0);
    let failed = board.run_plain(&["explain", "child"]).exits(0).stdout;
    assert!(failed.contains("it begins with: `first`, which failed: no disk left"), "{failed}");
    let json = board.run(&["explain", "second"]).exits(0).json();
    assert_eq!(
        json["roots"],
        json!([{
            "id": "first",
            "status": "failed",
            "kind": "finished",
            "reason": null,
            "error": "no disk left",
        }])
    );
    assert_eq!(json["obstacles"][0]["on"][0]["relation"], "dependency");
}

#[test]
fn explain_says_what_an_agent_would_get_and_why_not_the_rest() {
    let board = TestBoard::new();
    board.add(&["a", "b"]);
    board.run(&["add", "other", "--id", "c"]).exits(0);
    board.run(&["add", "work", "--id", "d", "--needs", "gpu"]).exits(0);
    board.run(&["add", "work", "--id", "e", "--assignee", "bob"]).exits(0);
    board.run(&["add", "work", "--id", "f", "--assignee", "ada", "--after", "a"]).exits(0);
    board.claim("ada");
    let json = board.run(&["explain", "--agent", "ada", "--type", "work"]).exits(0).json();
    assert_eq!(json["next"]["id"], "b");
    assert_eq!(json["holds"][0]["id"], "a");
    assert_eq!((&json["reserved"][0]["id"], &json["reserved_total"]), (&json!("f"), &json!(1)));
    assert_eq!(
        json["ready"],
        json!({
            "total": 4, "matching": 1, "filtered_out": 1, "for_others": 1, "lacking": { "gpu": 1 },
        })
    );
    let able = ["explain", "--agent", "ada", "--capability", "gpu"];
    assert_eq!(board.run(&able).exits(0).json()["ready"]["matching"], 3);
    let text = board.run_plain(&["explain", "--agent", "ada", "--type", "none"]).exits(0).stdout;
    assert!(text.contains("`ada` would get nothing now"), "{text}");
    assert!(text.contains("it holds 1: `a`") && text.contains("`f` (pending, waiting)"), "{text}");
    // And it asked for nothing.
    assert_eq!(board.task("b")["status"], "pending");
    board.run(&["explain"]).exits(2);
    board.run(&["explain", "a", "--type", "work"]).exits(2);
}

#[test]
fn explain_says_what_differs_from_whom_a_task_is_reserved_for() {
    // It was reserved for `ada`, it said to `ada`, and not that a person on another machine was meant.
    let board = TestBoard::new();
    board.add(&["t", "u"]);
    board.run(&["assign", "t", "--to", "ada", "--kind", "human"]).exits(0);
    board.run(&["assign", "u", "--to", "ada", "--hostname", "vm7"]).exits(0);
    let explain = |more: &[&str]| board.run_plain(&[&["explain"], more].concat()).exits(0).stdout;
    let kind = explain(&["t", "--agent", "ada"]);
    assert!(kind.contains("- it is reserved for `ada` (human), not `ada` (agent)\n"), "{kind}");
    let host = explain(&["u", "--agent", "ada", "--hostname", "vm8"]);
    let differs = "- it is reserved for `ada` (agent) on vm7, not `ada` (agent) on vm8\n";
    assert!(host.contains(differs), "{host}");
    let bob = explain(&["t", "--agent", "bob"]);
    assert!(bob.contains("- it is reserved for `ada (human)`\n"), "{bob}");
    let json = board.run(&["explain", "t", "--agent", "ada"]).exits(0).json();
    assert_eq!(json["obstacles"][0]["assignee"]["kind"], "human");
}

#[test]
fn watch_shows_every_event_once_and_in_order_whatever_the_board_is_set_to() {
    const TASKS: usize = 70;
    let board = TestBoard::new();
    board.add(&["before"]);
    let mut watch = board.start(&["watch"]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = first_seen(&board, &mut lines);
    for n in 0..TASKS {
        board.run(&["add", "work", "--id", &format!("t{n}"), "--priority", "1"]).exits(0);
        let (id, token) = board.claim("ada");
        board.run(&["complete", &id, "--agent", "ada", "--token", &token]).exits(0);
        if n == TASKS / 2 {
            // A new generation begins, with a journal of its own.
            board.run(&["policy", "set", "current", "--setting", "lease=20m"]).exits(0);
        }
    }
    board.run(&["add", "work", "--id", "end"]).exits(0);
    let mut seen = Vec::new();
    for line in lines.by_ref() {
        let event: Value = serde_json::from_str(&line).unwrap();
        let is_end = event["task"] == "end";
        seen.push(event);
        if is_end {
            break;
        }
    }
    terminate(&watch);
    assert!(lines.next().is_none());
    let code = watch.wait().unwrap().code();
    assert_eq!(code, Some(0));
    let past = first.to_string();
    let history = board.run(&["history", "--past", &past, "--limit", "10000"]).exits(0).json();
    let expected: Vec<Value> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let mut event = event.clone();
            event["schema"] = json!(1);
            event
        })
        .collect();
    assert!(expected.len() > 3 * TASKS, "{}", expected.len());
    assert_eq!(seen, expected);
}

/// Adds tasks until the watcher has seen one: from then on, it sees everything. The sequence of the last one.
fn first_seen(board: &TestBoard, lines: &mut impl Iterator<Item = String>) -> u64 {
    // The watcher begins at a moment of its own; the first event that it shows says that it has begun.
    let address = board.address();
    let knocking = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        let knocker = scope.spawn(|| {
            let board = taskhost::Board::open(address).unwrap();
            let mut knocks = 0;
            while knocking.load(std::sync::atomic::Ordering::SeqCst) {
                let key = taskhost::TaskId::new("knock").unwrap();
                let value = taskhost::Json::parse(&knocks.to_string()).unwrap();
                board.set_meta(&key, Some(&value), None, None).unwrap();
                knocks += 1;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            board.head().unwrap().sequence.0
        });
        let first: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
        knocking.store(false, std::sync::atomic::Ordering::SeqCst);
        let last = knocker.join().unwrap();
        let mut seen = first["sequence"].as_u64().unwrap();
        while seen < last {
            let event: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
            assert_eq!(event["sequence"], seen + 1);
            seen += 1;
        }
        last
    })
}

#[test]
fn watch_goes_on_from_a_sequence_filters_and_ends_when_nothing_is_open() {
    let board = small_forest();
    let seen = |arguments: &[&str]| {
        let answer = Answer::after(board.start(&[&["watch"], arguments].concat())).exits(0);
        answer
            .stdout
            .lines()
            .map(|line| {
                let event: Value = serde_json::from_str(line).unwrap();
                event["task"].as_str().unwrap().to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&["--since", "0", "--event", "completed", "--for", "0s"]), ["top", "alone"]);
    assert_eq!(seen(&["--since", "0", "--task", "mid", "--for", "50ms"]), ["mid"]);
    assert!(seen(&["--for", "50ms"]).is_empty());
    let idle = board.start(&["watch", "--since", "0", "--event", "completed", "--until-idle"]);
    for agent in ["bob", "bob", "ada"] {
        let (id, token) = board.claim(agent);
        board.run(&["complete", &id, "--agent", agent, "--token", &token]).exits(0);
    }
    let lines = Answer::after(idle).exits(0).stdout;
    assert_eq!(lines.lines().count(), 5, "{lines}");
}

/// A board of whose history only `later` is kept, and the sequence of that.
fn forgetful() -> (TestBoard, u64) {
    let board = TestBoard::new();
    board.run(&["config", "set", "history_size", "0"]).exits(0);
    board.add(&["early"]);
    board.run(&["compact"]).exits(0);
    board.add(&["later"]);
    let begins = board.run(&["history"]).exits(0).number("/events/0/sequence");
    (board, begins)
}

#[test]
fn history_that_is_not_all_there_says_so() {
    // What was left of a trimmed history looked like all of it.
    let (board, begins) = forgetful();
    let asked = |more: &[&str]| {
        let asked = [&["history"], more].concat();
        assert_eq!(board.run(&asked).exits(0).number("/begins_with"), begins);
        board.run_plain(&asked).exits(0).stderr
    };
    let note =
        format!("taskhost: the history begins with entry {begins}: what came before isn't kept\n");
    assert_eq!(asked(&[]), note);
    assert_eq!(asked(&["--past", "0"]), note);
    let last = begins - 1;
    assert_eq!(
        asked(&["--past", &(begins - 2).to_string()]),
        format!("taskhost: entry {last} isn't kept in the history any more\n")
    );
    // Nobody asked for more than there is.
    assert_eq!(asked(&["--past", &last.to_string()]), "");
    let now = board.task("later")["created_at"].as_str().unwrap().to_owned();
    std::thread::sleep(std::time::Duration::from_millis(2));
    board.add(&["latest"]);
    let latest = board.task("latest")["created_at"].as_str().unwrap().to_owned();
    assert!(now < latest);
    assert_eq!(asked(&["--since", &latest]), "");
    let cut = asked(&["--limit", "1"]);
    assert!(cut.contains("the last 1 of 2 events") && !cut.contains("begins"), "{cut}");
    // All of it may be gone.
    board.run(&["compact"]).exits(0);
    let nothing = board.run(&["history"]).exits(0).json();
    assert_eq!((&nothing["total"], &nothing["begins_with"]), (&json!(0), &json!(begins + 2)));
}

#[test]
fn whole_history_says_nothing_of_what_is_missing() {
    let board = TestBoard::new();
    assert_eq!(board.run(&["history"]).exits(0).number("/begins_with"), 1);
    board.add(&["a"]);
    let whole = board.run_plain(&["history", "--past", "0"]).exits(0);
    assert_eq!((whole.stdout.lines().count(), whole.stderr.as_str()), (1, ""));
    assert_eq!(board.run(&["history"]).exits(0).number("/begins_with"), 1);
    let watched = board.run_plain(&["watch", "--since", "0", "--for", "0s"]).exits(0);
    assert_eq!((watched.stdout.lines().count(), watched.stderr.as_str()), (1, ""));
}

#[test]
fn watch_says_what_of_the_history_it_can_not_show() {
    // A program that went on from where it had stopped took what was left of a trimmed history for all of it.
    let (board, begins) = forgetful();
    let watch = |since: u64, for_: &str| {
        let since = since.to_string();
        let watch = ["watch", "--since", since.as_str(), "--event", "added", "--for", for_];
        let people = board.run_plain(&watch).exits(0);
        let lines = board.run(&watch).exits(0).stdout;
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        (people.stderr, lines.collect::<Vec<_>>())
    };
    let gap = |from: u64, to: u64| json!({ "schema": 1, "event": "gap", "from": from, "to": to });
    let (note, lines) = watch(0, "0s");
    assert!(note.contains(&format!("the history begins with entry {begins}:")), "{note}");
    assert_eq!((&lines[0], &lines[1]["task"]), (&gap(1, begins - 1), &json!("later")));
    let (note, lines) = watch(begins - 1, "0s");
    assert_eq!((note.as_str(), lines.len()), ("", 1));
    // Where nothing is left, the watcher never came to an end of it, and looked without pause.
    board.run(&["compact"]).exits(0);
    let (_, lines) = watch(1, "50ms");
    assert_eq!(lines, [gap(2, begins)]);
}

#[test]
fn watcher_that_falls_behind_says_what_it_missed() {
    // It showed what came before and after, and nothing said that the rest was missing.
    let board = TestBoard::new();
    board.run(&["config", "set", "history_size", "0"]).exits(0);
    let mut watch = board.start(&["watch"]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let last = first_seen(&board, &mut lines);
    signal(&watch, Signal::STOP);
    board.add(&["missed"]);
    board.run(&["compact"]).exits(0);
    board.add(&["seen"]);
    signal(&watch, Signal::CONT);
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap()).unwrap();
    let missed = last + 1;
    assert_eq!(next(), json!({ "schema": 1, "event": "gap", "from": missed, "to": missed }));
    assert_eq!(next()["task"], "seen");
    terminate(&watch);
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[test]
fn watch_that_ran_out_of_time_is_not_taken_for_an_idle_board() {
    // `watch --until-idle --for 1h && deploy` deployed after the hour, whatever was still open.
    let board = TestBoard::new();
    board.add(&["t"]);
    board.run(&["watch", "--until-idle", "--for", "50ms"]).exits(3);
    board.run(&["watch", "--for", "50ms"]).exits(0);
    board.run(&["cancel", "t"]).exits(0);
    board.run(&["watch", "--until-idle", "--for", "0s"]).exits(0);
}

#[test]
fn watch_ends_once_nobody_reads_it() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let mut watch = board.start(&["watch", "--since", "0"]);
    drop(watch.stdout.take());
    board.add(&["u"]);
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[test]
fn stats_tell_what_commands_waited_for_and_what_the_board_takes_up() {
    let board = small_forest();
    let json = board.run(&["stats"]).exits(0).json();
    assert_eq!(json["counts"]["claims"], 2, "{json}");
    assert!(json["counts"]["transactions"].as_u64().unwrap() >= 9, "{json}");
    let holds = &json["times"]["lock_hold"];
    assert!(holds["max_us"].as_u64().unwrap() >= holds["p50_us"].as_u64().unwrap(), "{json}");
    assert!(json["processes"].as_array().is_some_and(|all| !all.is_empty()), "{json}");
    assert!(json["disk"]["total_bytes"].as_u64() > json["disk"]["journal_bytes"].as_u64());
    let text = board.run_plain(&["stats"]).exits(0).stdout;
    assert!(text.contains("lock_hold") && text.contains("journal"), "{text}");
}
