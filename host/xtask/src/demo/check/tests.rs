//! Histories and evidence that are known to be wrong, each in one way, and what the checker says of them.

use super::*;
use crate::demo::history::What;
use crate::demo::moment::Moment;
use std::path::PathBuf;
use std::time::Duration;

/// A job that was done as it should be, to be spoilt: `a`, `b` and `c` depend on nothing, `d` on `a`, and
/// `e` on `d`. The policy is swapped after two claims.
struct Story {
    job: Vec<Crate>,
    history: Vec<Event>,
    evidence: Vec<Evidence>,
}

impl Story {
    fn new() -> Self {
        let graph: [(&str, &[&str]); 5] =
            [("a", &[]), ("b", &[]), ("c", &[]), ("d", &["a"]), ("e", &["d"])];
        let job = graph.map(|(task, after)| Crate {
            task: task.into(),
            name: task.into(),
            version: "1.0.0".into(),
            path: PathBuf::new(),
            after: after.iter().map(|on| (*on).to_owned()).collect(),
        });
        let mut story = Self { job: job.into(), history: Vec::new(), evidence: Vec::new() };
        for task in ["a", "b", "c", "d", "e"] {
            story.happens(What::Added { task: task.into() });
        }
        story.claim("a", "agent-1", 1);
        story.claim("b", "agent-2", 2);
        story.finish("a", "agent-1", 1);
        story.happens(What::PolicySet);
        // `c` is ready too, and older.
        story.claim("d", "agent-1", 3);
        story.finish("b", "agent-2", 2);
        story.claim("c", "agent-2", 4);
        story.finish("d", "agent-1", 3);
        story.claim("e", "agent-1", 5);
        story.finish("c", "agent-2", 4);
        story.finish("e", "agent-1", 5);
        story
    }

    /// Each event is a transaction of its own, ten milliseconds after the one before.
    fn happens(&mut self, what: What) {
        let sequence = self.history.len() as u64 + 1;
        self.history.push(Event { sequence, at: moment(sequence * 10), what });
    }

    fn claim(&mut self, task: &str, agent: &str, token: u64) {
        self.happens(claimed(task, agent, token));
    }

    /// The work ends a millisecond before it is told to the board.
    fn finish(&mut self, task: &str, agent: &str, token: u64) {
        let is_claim = |event: &&Event| event.what == claimed(task, agent, token);
        let claim = self.history.iter().find(is_claim).expect("it was claimed").at;
        self.happens(completed(task, agent));
        let completed = self.history.last().expect("an event").at;
        self.evidence.push(Evidence {
            task: task.into(),
            agent: agent.into(),
            token,
            started_at: later(claim, 1),
            finished_at: later(completed, -1),
            files: 1,
            bytes: 1,
            sha256: sha256(task),
        });
    }

    /// Puts other events in the place of the one that is `what`.
    fn replace(&mut self, what: &What, others: &[What]) {
        let place = self.history.iter().position(|event| event.what == *what).expect("it happened");
        let Event { sequence, at, .. } = self.history[place].clone();
        let others = others.iter().map(|what| Event { sequence, at, what: what.clone() });
        self.history.splice(place..=place, others);
    }

    fn evidence_of(&mut self, task: &str) -> &mut Evidence {
        self.evidence.iter_mut().find(|found| found.task == task).expect("it was digested")
    }

    /// Checks that these are the faults, each by a part of its sentence.
    #[track_caller]
    fn has_faults(&self, expected: &[&str]) {
        let faults = check(&self.job, &self.evidence, &self.history).err().unwrap_or_default();
        let all_there = faults.len() == expected.len()
            && faults.iter().zip(expected).all(|(fault, expected)| fault.contains(expected));
        assert!(all_there, "{faults:#?} aren't {expected:#?}");
    }
}

fn moment(ms: u64) -> Moment {
    Moment::after_1970(Duration::from_millis(ms))
}

fn later(moment: Moment, ms: i64) -> Moment {
    let since_1970 = moment.since(Moment::after_1970(Duration::ZERO));
    let ns = since_1970.as_nanos() as i64 + ms * 1_000_000;
    Moment::after_1970(Duration::from_nanos(ns as u64))
}

fn sha256(task: &str) -> String {
    format!("digest of {task}")
}

fn claimed(task: &str, agent: &str, token: u64) -> What {
    What::Claimed { task: task.into(), agent: agent.into(), token }
}

fn completed(task: &str, agent: &str) -> What {
    What::Completed { task: task.into(), agent: Some(agent.into()), sha256: Some(sha256(task)) }
}

#[test]
fn work_done_as_it_should_be_is_accounted_for() {
    let story = Story::new();
    let account = check(&story.job, &story.evidence, &story.history).expect("no fault");

    let choices: Vec<_> =
        account.choices.iter().map(|choice| (choice.task, choice.order, choice.ready)).collect();
    let (oldest, newest) = (Order::OldestFirst, Order::NewestFirst);
    assert_eq!(
        choices,
        [("a", oldest, 3), ("b", oldest, 2), ("d", newest, 2), ("c", newest, 1), ("e", newest, 1)]
    );
    assert_eq!((account.held_max, account.digesting_max), (2, 2));
}

#[test]
fn crate_done_twice_is_a_fault() {
    let mut story = Story::new();
    story.claim("b", "agent-3", 6);
    story.finish("b", "agent-3", 6);
    story.has_faults(&[
        "`b` was claimed by `agent-3` with token 6 after `agent-2` had completed it with token 2",
        "`b` was completed twice",
        "`b` was digested with token 2, and the history says 6",
        "`b` was digested by `agent-2`, and the history says `agent-3`",
        "`b` was digested from",
        "`b` was digested twice, with tokens 2 and 6",
        "`agent-3` got `b`, which wasn't ready",
    ]);
}

#[test]
fn evidence_left_twice_is_a_fault() {
    let mut story = Story::new();
    let again = Evidence { token: 9, ..story.evidence_of("b").clone() };
    story.evidence.push(again);
    story.has_faults(&[
        "`b` was digested twice, with tokens 2 and 9",
        "`b` was digested with token 9, and the history says 2",
    ]);
}

#[test]
fn crate_claimed_before_its_dependency_was_completed_is_a_fault() {
    let mut story = Story::new();
    story.replace(&completed("a", "agent-1"), &[]);
    story.replace(
        &claimed("d", "agent-1", 3),
        &[claimed("d", "agent-1", 3), completed("a", "agent-1")],
    );
    story.has_faults(&[
        "`d` was claimed by `agent-1` with token 3 before `a`, which it comes after, was completed",
        "`agent-1` got `d`, which wasn't ready",
        "no claim chose the newest of several ready tasks",
    ]);
}

#[test]
fn crate_digested_before_its_dependency_was_finished_is_a_fault() {
    let mut story = Story::new();
    let begun = story.evidence_of("d").started_at;
    story.evidence_of("a").finished_at = later(begun, 5);
    story.has_faults(&[
        "`a` was digested from",
        "`d` was begun 5ms before `a`, which it depends on, was finished",
    ]);
}

#[test]
fn missing_crates_are_faults() {
    let mut story = Story::new();
    story.evidence.retain(|found| found.task != "e");
    story.replace(&claimed("e", "agent-1", 5), &[]);
    story.replace(&completed("e", "agent-1"), &[]);
    story.has_faults(&["`e` was never completed", "there is no evidence that `e` was digested"]);

    let added = What::Added { task: "e".into() };
    story.replace(&added, &[]);
    story.has_faults(&["`e` isn't on the board", "there is no evidence that `e` was digested"]);
}

#[test]
fn completion_without_evidence_is_a_fault() {
    let mut story = Story::new();
    story.evidence.retain(|found| found.task != "c");
    story.has_faults(&["there is no evidence that `c` was digested"]);
}

#[test]
fn evidence_without_a_claim_is_a_fault() {
    let mut story = Story::new();
    let stray = Evidence { task: "z".into(), token: 9, ..story.evidence_of("e").clone() };
    story.evidence.push(stray);
    story.has_faults(&[
        "`z` was digested by `agent-1` with token 9, of which the history knows nothing",
    ]);
}

#[test]
fn evidence_of_another_agent_token_time_or_digest_is_a_fault() {
    let mut story = Story::new();
    story.evidence_of("a").agent = "agent-2".into();
    story.evidence_of("b").token = 7;
    story.evidence_of("e").sha256 = "other".into();
    let held = story.history.last().expect("an event").at;
    story.evidence_of("e").finished_at = later(held, 1);
    story.has_faults(&[
        "`a` was digested by `agent-2`, and the history says `agent-1`",
        "`b` was digested with token 7, and the history says 2",
        "the result of `e` isn't the digest that its evidence says",
        "`e` was digested from",
    ]);
}

#[test]
fn overlapping_claims_are_a_fault() {
    let mut story = Story::new();
    let first = claimed("b", "agent-2", 2);
    story.replace(&claimed("d", "agent-1", 3), &[claimed("b", "agent-3", 3)]);
    story.replace(&completed("d", "agent-1"), &[]);
    assert!(story.history.iter().any(|event| event.what == first));
    let faults = check(&story.job, &story.evidence, &story.history).expect_err("faults");
    let overlap = "`b` was claimed by `agent-3` with token 3 while `agent-2` held it with token 2";
    assert_eq!(faults[0], overlap);
    assert_eq!(faults[1], "`b`, held by `agent-3`, was completed by `agent-2`");
}

#[test]
fn tokens_that_dont_grow_are_a_fault() {
    let mut story = Story::new();
    story.replace(&claimed("e", "agent-1", 5), &[claimed("e", "agent-1", 4)]);
    story.evidence_of("e").token = 4;
    story.has_faults(&["`e` was claimed by `agent-1` with token 4 after token 4 was given"]);
}

#[test]
fn claims_that_were_lost_or_never_ended_are_faults() {
    let mut story = Story::new();
    let recovered = What::Undone { task: "e".into(), how: "recovered".into() };
    story.replace(&completed("e", "agent-1"), &[recovered]);
    story.evidence.retain(|found| found.task != "e");
    story.has_faults(&[
        "`e`, held by `agent-1` with token 5, was recovered",
        "`e` was never completed",
        "there is no evidence that `e` was digested",
    ]);

    let mut story = Story::new();
    story.replace(&completed("e", "agent-1"), &[]);
    story.evidence.retain(|found| found.task != "e");
    story.has_faults(&[
        "`e` is still held by `agent-1` with token 5",
        "there is no evidence that `e` was digested",
    ]);
}

#[test]
fn claims_out_of_order_are_faults_on_either_side_of_the_swap() {
    let mut story = Story::new();
    story.replace(&What::PolicySet, &[]);
    story.has_faults(&[
        "entry 10: `agent-1` got `d`, though `c` was the oldest of 2 ready tasks",
        "the policy was swapped 0 times while agents worked, not once",
        "no claim chose the newest of several ready tasks",
    ]);

    let mut story = Story::new();
    let first = claimed("a", "agent-1", 1);
    story.replace(&What::PolicySet, &[]);
    story.replace(&first, &[first.clone(), What::PolicySet]);
    story.has_faults(&["entry 7: `agent-2` got `b`, though `c` was the newest of 2 ready tasks"]);
}
