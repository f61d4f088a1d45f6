//! That the ledger notices: evidence that was doctored, one thing at a time.

#![expect(clippy::expect_used, reason = "a test that can't go on should stop")]

use taskhost::{
    Agent, Change, Entry, Millis, Name, Sequence, SessionId, Status, Task, TaskId, Token,
};
use taskhost_board::{BootId, Cause, Claim, Command, Instant, KeyRecord, Request, Verb};
use taskhost_simulated::Harm;

use super::ledger::Ledger;
use super::said::{End, Said, Span};

const START_MS: u64 = 1_000_000;
const LEASE_MS: u64 = 5_000;

/// A history of a few entries, and the ledger that takes it in.
#[derive(Default)]
struct Story {
    ledger: Ledger,
    sequence: u64,
}

fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("a valid id")
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a valid name")
}

fn task(text: &str) -> Task {
    let json = serde_json::json!({
        "id": text, "type": "work", "status": "pending", "born": 1,
        "created_at": START_MS, "updated_at": START_MS,
    });
    serde_json::from_value(json).expect("a task")
}

fn claimed(text: &str, token: u64) -> Change {
    let agent = Agent {
        name: name("w"),
        kind: taskhost::AgentKind::Agent,
        session: SessionId::new("s").expect("a valid id"),
        hostname: None,
        capabilities: Vec::new(),
        living: true,
        process: None,
    };
    let now = Instant { wall: Millis(START_MS), boot: BootId("b".into()), boot_ms: 0 };
    let claim = Box::new(Claim::new(&agent, Token(token), &now, LEASE_MS));
    Change::Claimed { id: id(text), claim }
}

fn finished(text: &str) -> Change {
    ended(text, Status::Completed, Some(Verb::Complete))
}

fn ended(text: &str, status: Status, verb: Option<Verb>) -> Change {
    Change::Finished { id: id(text), status, verb, reason: None, result: None, error: None }
}

fn recovered(text: &str) -> Change {
    Change::Recovered { id: id(text), cause: Cause::LeaseOver, reason: None, not_before: None }
}

fn keyed(key: &str, text: &str, token: u64) -> Change {
    let record = KeyRecord {
        fingerprint: 1,
        task: id(text),
        token: Some(Token(token)),
        at: Millis(START_MS),
    };
    Change::Keyed { command: Command::Claim, key: key.into(), record }
}

fn span(began: u64, ended: u64) -> Span {
    Span { began, ended }
}

fn said_claimed(text: &str, token: u64, span: Span) -> Said {
    Said::Claimed { id: text.into(), token, key: None, again: false, span }
}

fn said_completed(text: &str, token: u64) -> Said {
    Said::Ended { id: text.into(), token, end: End::Completed, again: false, span: span(3, 4) }
}

impl Story {
    /// `a-0` was added, claimed with token 1 and completed; `a-1` was added.
    fn begin() -> Self {
        let mut story = Self::default();
        story
            .then(vec![Change::Added(Box::new(task("a-0"))), Change::Added(Box::new(task("a-1")))]);
        story.then(vec![claimed("a-0", 1)]);
        story.then(vec![finished("a-0")]);
        story
    }

    fn then(&mut self, changes: Vec<Change>) {
        self.at(self.sequence + 1, START_MS, changes);
    }

    fn at(&mut self, sequence: u64, time: u64, changes: Vec<Change>) {
        self.sequence = sequence;
        let entry =
            Entry { time: Millis(time), request: Request::of(Command::Upkeep), seed: 0, changes };
        self.ledger.entry(Sequence(sequence), &entry);
    }

    /// What is on the board in the end.
    fn tasks(&self) -> Vec<Task> {
        let mut done = task("a-0");
        (done.status, done.attempts) = (Status::Completed, 1);
        vec![done, task("a-1")]
    }

    #[track_caller]
    fn finds(&self, harm: Harm, text: &str) {
        let found = &self.ledger.wrong;
        assert!(found.iter().any(|w| w.harm == harm && w.what.contains(text)), "{found:?}");
    }
}

#[test]
fn ledger_that_agrees_finds_nothing() {
    let mut story = Story::begin();
    story.ledger.said(&said_claimed("a-0", 1, span(1, 2)));
    story.ledger.said(&said_completed("a-0", 1));
    story.ledger.said(&Said::Added { prefix: "a".into(), count: 2, span: span(0, 1) });
    let tasks = story.tasks();
    story.ledger.finish(&tasks);
    assert!(story.ledger.wrong.is_empty(), "{:?}", story.ledger.wrong);
    assert_eq!(story.ledger.claims_said, 1);
}

#[test]
fn acknowledged_claim_that_the_history_lacks_is_lost() {
    let mut story = Story::begin();
    story.ledger.said(&said_claimed("a-1", 2, span(1, 2)));
    story.finds(Harm::Lost, "the claim of `a-1` with token 2");
}

#[test]
fn acknowledged_end_that_the_history_lacks_is_lost() {
    let mut story = Story::begin();
    story.then(vec![claimed("a-1", 2)]);
    story.ledger.said(&said_completed("a-1", 2));
    story.finds(Harm::Lost, "claim 2 of `a-1` was completed");
}

#[test]
fn acknowledged_batch_of_which_a_task_is_missing_is_lost() {
    let mut story = Story::begin();
    story.ledger.said(&Said::Added { prefix: "a".into(), count: 3, span: span(0, 1) });
    story.finds(Harm::Lost, "of 3 tasks of `a`, 2 are there");
}

#[test]
fn heartbeat_that_the_history_lacks_is_lost() {
    let mut story = Story::begin();
    story.ledger.said(&Said::Renewed { token: 1, span: span(0, 1) });
    story.finds(Harm::Lost, "a heartbeat of claim 1");
}

#[test]
fn claim_of_what_is_held_is_doubled() {
    let mut story = Story::begin();
    story.then(vec![claimed("a-1", 2)]);
    story.then(vec![claimed("a-1", 3)]);
    story.finds(Harm::Doubled, "`a-1` was given with token 3 while 2 held it");
}

#[test]
fn claim_of_what_has_ended_is_doubled() {
    let mut story = Story::begin();
    story.then(vec![claimed("a-0", 2)]);
    story.finds(Harm::Doubled, "after it had ended");
}

#[test]
fn token_that_comes_again_is_doubled() {
    let mut story = Story::begin();
    story.then(vec![claimed("a-1", 1)]);
    story.finds(Harm::Doubled, "token 1 after token 1");
}

#[test]
fn claim_that_two_were_told_of_is_doubled() {
    let mut story = Story::begin();
    story.ledger.said(&said_claimed("a-0", 1, span(1, 2)));
    story.ledger.said(&said_claimed("a-0", 1, span(1, 2)));
    story.finds(Harm::Doubled, "to two");
}

#[test]
fn second_end_of_a_claim_is_doubled() {
    let mut story = Story::begin();
    story.then(vec![finished("a-0")]);
    story.finds(Harm::Doubled, "which nobody held");
    let mut story = Story::begin();
    story.ledger.said(&said_completed("a-0", 1));
    story.ledger.said(&said_completed("a-0", 1));
    story.finds(Harm::Doubled, "completed twice");
}

// Only that a task had ended was compared, not how: a completion that somebody was told of could become a failure.
#[test]
fn completion_that_becomes_a_failure_is_found() {
    for status in [Status::Failed, Status::Cancelled] {
        // The policy may end what nobody holds, but not what has ended.
        let mut story = Story::begin();
        story.ledger.said(&said_completed("a-0", 1));
        story.then(vec![ended("a-0", status, None)]);
        story.finds(Harm::Doubled, &format!("`a-0` became {status} after it had ended: completed"));

        // The history says one thing and the board another, be it as it is archived or in the end.
        let mut story = Story::begin();
        let mut tasks = story.tasks();
        tasks[0].status = status;
        story.then(vec![Change::Archived(Box::new(tasks[0].clone()))]);
        story.finds(Harm::Silent, &format!("`a-0` is {status} and held by None"));
        let mut story = Story::begin();
        story.ledger.finish(&tasks);
        story.finds(Harm::Silent, "it should be completed and held by None");
    }
}

#[test]
fn completion_that_is_taken_back_is_lost_and_a_failure_may_be_tried_again() {
    let reopened = |text| Change::Reopened { id: id(text), reason: None, afresh: true };
    let mut story = Story::begin();
    story.then(vec![reopened("a-0")]);
    story.finds(Harm::Lost, "`a-0` was open again after it was completed");

    let mut story = Story::begin();
    let tasks = story.tasks();
    story.then(vec![claimed("a-1", 2), ended("a-1", Status::Failed, Some(Verb::Fail))]);
    story.then(vec![reopened("a-1")]);
    story.ledger.finish(&tasks);
    assert!(story.ledger.wrong.is_empty(), "{:?}", story.ledger.wrong);
}

#[test]
fn key_of_two_claims_is_doubled() {
    let mut story = Story::begin();
    story.then(vec![claimed("a-1", 2), keyed("k", "a-1", 2), keyed("k", "a-0", 1)]);
    story.finds(Harm::Doubled, "stands for the claims");
}

#[test]
fn key_that_gave_another_claim_than_it_stands_for_is_found() {
    let mut story = Story::begin();
    story.then(vec![claimed("a-1", 2), keyed("k", "a-1", 2)]);
    let key = Some("k".into());
    let (id, again) = ("a-0".into(), true);
    story.ledger.said(&Said::Claimed { id, token: 1, key, again, span: span(1, 2) });
    story.finds(Harm::Doubled, "key `k` gave claim 1");
}

#[test]
fn missing_number_is_lost_and_a_repeated_one_doubled() {
    let mut story = Story::begin();
    story.at(5, START_MS, Vec::new());
    story.finds(Harm::Lost, "entry 5 stands where 4 should");
    story.at(5, START_MS, Vec::new());
    story.finds(Harm::Doubled, "entry 5 stands where 6 should");
}

#[test]
fn lease_that_is_cut_short_is_found() {
    let mut story = Story::begin();
    story.then(vec![claimed("a-1", 2)]);
    story.at(5, START_MS + LEASE_MS - 1_000, vec![recovered("a-1")]);
    story.finds(Harm::Broken, "1000 ms before its lease ended");
}

// A worker that lived or was stopped, and was wrongly proved dead, once counted as one more that was recovered.
#[test]
fn living_holder_that_was_proved_dead_is_found() {
    let dead = || Change::Recovered {
        id: id("a-1"),
        cause: Cause::HolderDead,
        reason: None,
        not_before: None,
    };
    let session = || "s".to_owned();
    let mut story = Story::begin();
    story.then(vec![claimed("a-1", 2)]);
    story.then(vec![dead()]);
    story.ledger.judge_deaths();
    assert!(story.ledger.wrong.is_empty(), "nobody knows yet: {:?}", story.ledger.wrong);
    story.ledger.said(&Said::Began { session: session() });
    story.ledger.judge_deaths();
    story.finds(Harm::Broken, "its holder lived");

    let mut story = Story::begin();
    story.ledger.said(&Said::Began { session: session() });
    story.then(vec![claimed("a-1", 2)]);
    story.ledger.said(&Said::Ending { session: session() });
    story.then(vec![dead()]);
    story.ledger.judge_deaths();
    assert!(story.ledger.wrong.is_empty(), "{:?}", story.ledger.wrong);
}

#[test]
fn what_ended_before_another_began_must_stand_before_it() {
    let mut story = Story::begin();
    story.then(vec![claimed("a-1", 2)]);
    story.ledger.said(&said_claimed("a-0", 1, span(50, 60)));
    story.ledger.said(&said_claimed("a-1", 2, span(10, 20)));
    story.ledger.finish(&[]);
    story.finds(Harm::Broken, "had ended before entry 2 was asked for");
}

#[test]
fn attempt_that_was_not_counted_is_found() {
    let mut story = Story::begin();
    let mut done = task("a-0");
    done.status = Status::Completed;
    story.then(vec![Change::Archived(Box::new(done))]);
    story.finds(Harm::Broken, "`a-0` says 0 attempts, and there were 1");
}

#[test]
fn board_that_is_another_one_than_its_history_is_found() {
    let mut story = Story::begin();
    let mut tasks = story.tasks();
    tasks[0].status = Status::Pending;
    tasks.pop();
    story.ledger.finish(&tasks);
    story.finds(Harm::Silent, "`a-0` is pending");
    story.finds(Harm::Lost, "1 tasks aren't on the board");
}
