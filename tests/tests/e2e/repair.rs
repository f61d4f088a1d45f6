//! A damaged board is made usable again; what was damaged is kept, and no number is given twice.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use taskhost_tests::{Answer, TestBoard, policy};

use super::upkeep::{events, files, list};

/// A board whose history says everything about it: completed, held and open tasks, a setting of the policy and one
/// of its own, in two generations. `given` is the highest token that anybody has.
struct Patient {
    board: TestBoard,
    given: u64,
}

impl Patient {
    fn new() -> Self {
        let board = TestBoard::new();
        board.add(&["a", "b", "c", "d"]);
        let (id, token) = board.claim("w");
        board.run(&["complete", &id, "--agent", "w", "--token", &token]).exits(0);
        board.run(&["config", "set", "keys_kept", "30d"]).exits(0);
        board.run(&["policy", "set", "current", "--setting", "lease=3h"]).exits(0);
        board.add(&["e"]);
        board.claim("w");
        board.add(&["f"]);
        let given = board.claim("w").1.parse().unwrap();
        Self { board, given }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.board.path().join(name)
    }

    /// As after a reboot: nothing derived.
    fn restart(&self) {
        fs::remove_dir_all(self.path("index")).unwrap();
    }

    fn damage(&self, name: &str, line: usize) {
        let mut bytes = fs::read(self.path(name)).unwrap();
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let before: usize = lines.by_ref().take(line - 1).map(<[u8]>::len).sum();
        let at = before + lines.next().unwrap().len() / 2;
        bytes[at] ^= 1;
        fs::write(self.path(name), bytes).unwrap();
    }

    fn repair(&self, more: &[&str]) -> Answer {
        self.board.run(&[&["doctor", "--repair"], more].concat())
    }

    /// Repairs, and says that nothing is lost by it: all tasks, all of the history, the settings, the tokens.
    #[track_caller]
    fn assert_repaired_without_loss(&self, before: &(Vec<Value>, Vec<Value>)) -> Value {
        let repaired = self.repair(&[]).exits(0).json();
        assert!(!repaired["done"].as_array().unwrap().is_empty(), "{repaired}");
        assert_eq!((&repaired["lost"], &repaired["needs_lossy"]), (&Value::Null, &json!(false)));
        assert_eq!(&self.state(), before);
        assert!(self.board.run(&["policy", "show"]).exits(0).stdout.contains("3h"));
        let own = self.board.run_plain(&["config", "get", "keys_kept"]).exits(0).stdout;
        assert_eq!(own, "30d\n");
        self.assert_works();
        repaired
    }

    fn state(&self) -> (Vec<Value>, Vec<Value>) {
        (list(&self.board), events(&self.board))
    }

    /// It is clean, nothing more is to be repaired, and what is claimed has a token that nobody ever had.
    #[track_caller]
    fn assert_works(&self) {
        self.board.assert_healthy();
        let again = self.board.run_plain(&["doctor", "--repair"]).exits(0).stdout;
        assert_eq!(again, "there was nothing to repair\n");
        self.board.add(&["after-the-repair"]);
        let (id, token) = self.board.claim("new");
        assert!(token.parse::<u64>().unwrap() > self.given, "{token} after {}", self.given);
        self.board.run(&["complete", &id, "--agent", "new", "--token", &token]).exits(0);
        self.board.assert_healthy();
    }
}

#[test]
fn there_is_nothing_to_repair_on_a_board_that_is_well() {
    let patient = Patient::new();
    let before = files(&patient.board.path());
    assert_eq!(
        patient.repair(&[]).exits(0).json(),
        json!({
            "schema": 1, "done": [], "set_aside": [], "lost": null, "needs_lossy": false, "left": [],
        })
    );
    patient.repair(&["--lossy"]).exits(0);
    assert_eq!(files(&patient.board.path()), before);
    patient.assert_works();
    patient.board.run(&["doctor", "--lossy"]).exits(2);
    TestBoard::missing().run(&["doctor", "--repair"]).exits(5);
}

#[test]
fn damaged_line_costs_what_follows_it_only_if_that_is_allowed() {
    for restarted in [false, true] {
        let patient = Patient::new();
        // The claim of one task, the addition of another and its claim follow it, and go with it.
        patient.damage("journal-2.jsonl", 2);
        if restarted {
            patient.restart();
        }
        patient.board.run(&["doctor"]).exits(9);
        let before = files(&patient.board.path());
        let looked = patient.repair(&[]).exits(9).json();
        assert_eq!((&looked["needs_lossy"], &looked["done"]), (&json!(true), &json!([])));
        let lost = &looked["lost"];
        assert!(lost["first_entry"].is_u64() && lost["last_entry"].is_u64(), "{lost}");
        assert_eq!((&lost["unreadable_lines"], &lost["readable_lines"]), (&json!(1), &json!(3)));
        assert!(lost["tasks"].as_array().unwrap().contains(&json!("f")), "{lost}");
        let told = patient.board.run_plain(&["doctor", "--repair"]).exits(9).stdout;
        assert!(told.contains("would be lost") && told.contains("`f`"), "{told}");
        assert_eq!(files(&patient.board.path()), before, "nothing was allowed to change");

        let repaired = patient.repair(&["--lossy"]).exits(0).json();
        assert_eq!(&repaired["lost"], lost, "what is lost is what it had said");
        let now = files(&patient.board.path());
        let aside = repaired["set_aside"].as_array().unwrap();
        assert!(!aside.is_empty());
        for name in aside.iter().map(|name| name.as_str().unwrap()) {
            assert!(name.starts_with("history/damaged-") && now.contains_key(name), "{name}");
        }
        for name in ["journal-2.jsonl", "tasks-2.jsonl"] {
            assert!(now.values().any(|kept| *kept == before[name]), "`{name}` is not kept whole");
        }
        // What was before the damage is there.
        assert_eq!(patient.board.task("a")["status"], "completed");
        patient.board.run(&["show", "f"]).exits(5);
        patient.assert_works();
    }
}

#[test]
fn missing_or_damaged_snapshot_is_made_again_from_the_whole_history() {
    for is_missing in [true, false] {
        let patient = Patient::new();
        let before = patient.state();
        if is_missing {
            fs::remove_file(patient.path("tasks-2.jsonl")).unwrap();
        } else {
            patient.damage("tasks-2.jsonl", 3);
        }
        patient.restart();
        patient.board.run(&["list"]).exits(9);
        patient.assert_repaired_without_loss(&before);
    }
}

#[test]
fn missing_or_garbled_pointer_is_made_again() {
    for garbled in [None, Some("{\"format\":2,\"boa")] {
        let patient = Patient::new();
        let before = patient.state();
        match garbled {
            None => fs::remove_file(patient.path("board.json")).unwrap(),
            Some(text) => fs::write(patient.path("board.json"), text).unwrap(),
        }
        patient.restart();
        assert_ne!(patient.board.run(&["list"]).code, 0);
        let repaired = patient.assert_repaired_without_loss(&before);
        assert_eq!(repaired["set_aside"].as_array().unwrap().len(), usize::from(garbled.is_some()));
    }
}

#[test]
fn repair_waits_for_whoever_is_on_the_board_and_says_so() {
    let patient = Patient::new();
    let before = files(&patient.board.path());
    let hold = ["lock", "board", "--", "cat"];
    let mut holder = patient.board.command(&hold);
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Once it has answered, it has the lock; it ends when nobody writes to it any more.
    let mut input = holder.stdin.take().unwrap();
    input.write_all(b"x").unwrap();
    holder.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    patient.repair(&["--timeout", "100ms"]).exits(6);
    assert_eq!(files(&patient.board.path()), before);
    drop(input);
    assert!(holder.wait().unwrap().success());
    patient.repair(&[]).exits(0);
    patient.assert_works();
}

#[test]
fn missing_or_damaged_component_of_the_standard_policy_is_put_back() {
    for is_missing in [true, false] {
        let patient = Patient::new();
        let before = patient.state();
        let names: Vec<String> = files(&patient.board.path())
            .into_keys()
            .filter(|name| name.starts_with("policies/"))
            .collect();
        assert_eq!(names.len(), 1);
        let whole = fs::read(patient.path(&names[0])).unwrap();
        if is_missing {
            fs::remove_file(patient.path(&names[0])).unwrap();
        } else {
            fs::write(patient.path(&names[0]), &whole[..whole.len() / 2]).unwrap();
        }
        let claim = patient.board.run(&["claim", "--agent", "w"]);
        assert_eq!(claim.code, 9, "{claim:?}");
        patient.board.run(&["doctor"]).exits(9);
        patient.assert_repaired_without_loss(&before);
        assert!(fs::read(patient.path(&names[0])).unwrap() == whole);
    }
}

#[test]
fn missing_component_of_a_policy_of_ones_own_is_named_and_can_be_put_back_from_a_copy() {
    let patient = Patient::new();
    let own = policy("newest-first");
    patient.board.run(&["policy", "set", own.to_str().unwrap()]).exits(0);
    let all = files(&patient.board.path()).into_iter();
    let copy = fs::read(own).unwrap();
    let (name, _) = all.into_iter().find(|(_, content)| *content == copy).unwrap();
    let before = patient.state();
    fs::remove_file(patient.path(&name)).unwrap();
    let repaired = patient.repair(&["--lossy"]).exits(9).json();
    let left = repaired["left"].to_string();
    assert!(left.contains(&name) && left.contains("put"), "{repaired}");
    patient.board.run(&["doctor"]).exits(9);
    fs::write(patient.path(&name), &copy).unwrap();
    assert_eq!(patient.state(), before);
    patient.assert_works();
}
