//! What is made of a history: how claims end, how long tasks were ready, and what is kept of what happened.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use taskhost_board::{
    Agent, AgentKind, BootId, Cause, Change, Claim, Command, Entry, Instant, Json, Millis, Name,
    Readiness, Request, Sequence, SessionId, Status, Task, TaskId, Token, Verb,
};

use super::{About, Gathered, Told};

/// A board whose history is told step by step, a second for each.
pub(crate) struct Story {
    gathered: Gathered,
    sequence: u64,
    now: u64,
    holders: HashMap<TaskId, String>,
}

impl Story {
    /// Of a board on which these tasks stand at the end.
    pub(crate) fn of(tasks: &[Task]) -> Self {
        let mut gathered = Gathered::default();
        tasks.iter().for_each(|task| gathered.task(task));
        Self { gathered, sequence: 0, now: 0, holders: HashMap::new() }
    }

    /// What came before isn't kept.
    fn beginning_with(mut self, sequence: u64) -> Self {
        self.sequence = sequence - 1;
        self
    }

    fn now(&self) -> Millis {
        Millis(self.now)
    }

    /// One transaction, a second after the last one.
    pub(crate) fn then(&mut self, agent: Option<&str>, changes: Vec<Change>) -> &mut Self {
        self.now += 1000;
        self.sequence += 1;
        for change in &changes {
            if let Change::Claimed { id, claim } = change {
                self.holders.insert(id.clone(), claim.agent.to_string());
            }
        }
        let details: Vec<Map<String, Value>> = changes.iter().map(details).collect();
        let holder = |change: &Change| self.holders.get(change.task()?).map(String::as_str);
        let told: Vec<Told<'_>> = changes
            .iter()
            .zip(&details)
            .filter(|(change, _)| change.event().is_some())
            .map(|(change, details)| Told { agent, holder: holder(change), details })
            .collect();
        let entry = Entry {
            time: Millis(self.now),
            request: Request::of(Command::Upkeep),
            seed: 0,
            changes: changes.clone(),
        };
        self.gathered.entry(Sequence(self.sequence), &entry, &told);
        self
    }

    pub(crate) fn claimed(&mut self, id: &str, agent: &str, token: u64) -> &mut Self {
        let claim = Box::new(claim(agent, token, self.now + 1000));
        self.then(Some(agent), vec![Change::Claimed { id: task_id(id), claim }])
    }

    /// The model as whoever reads the page has it.
    pub(crate) fn told(self) -> Value {
        let (sequence, made_at) = (Sequence(self.sequence), Millis(self.now + 1000));
        let model = self.gathered.finish(&About { title: "Board", made_at, sequence });
        serde_json::to_value(&model).unwrap()
    }
}

fn details(change: &Change) -> Map<String, Value> {
    let value = match change {
        Change::Retried { error, .. } => json!({ "error": error }),
        _ => json!({}),
    };
    value.as_object().cloned().unwrap()
}

pub(crate) fn task_id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn claim(agent: &str, token: u64, at: u64) -> Claim {
    let agent = Agent {
        name: name(agent),
        kind: AgentKind::Agent,
        session: SessionId::new(format!("session-{agent}")).unwrap(),
        hostname: None,
        capabilities: vec![],
        living: false,
        process: None,
    };
    let now = Instant { wall: Millis(at), boot: BootId("boot".into()), boot_ms: at };
    Claim::new(&agent, Token(token), &now, 60_000)
}

pub(crate) fn task(id: &str, status: Status) -> Task {
    Task {
        id: task_id(id),
        task_type: name("work"),
        status,
        reason: None,
        parent: None,
        after: vec![],
        priority: 0,
        labels: vec![],
        needs: vec![],
        assignee: None,
        data: Json::default(),
        key: None,
        attempts: 0,
        failures: 0,
        claim: None,
        closed: None,
        result: None,
        error: None,
        not_before: None,
        created_at: Millis(0),
        updated_at: Millis(0),
        completed_at: None,
        born: 1,
        readiness: Readiness::Unasked,
    }
}

pub(crate) fn held(id: &str, agent: &str, token: u64, since: u64) -> Task {
    Task { claim: Some(claim(agent, token, since)), ..task(id, Status::InProgress) }
}

pub(crate) fn answered(id: &str, readiness: Readiness) -> Change {
    Change::Answered { id: task_id(id), readiness }
}

fn finished(id: &str, status: Status, verb: Option<Verb>) -> Change {
    Change::Finished { id: task_id(id), status, verb, reason: None, result: None, error: None }
}

fn recovered(cause: Cause) -> Change {
    Change::Recovered { id: task_id("a"), cause, reason: None, not_before: None }
}

/// A text of the model.
fn text(model: &Value, place: &Value) -> Option<String> {
    let place = usize::try_from(place.as_i64()?).ok()?;
    model["texts"][place].as_str().map(str::to_owned)
}

/// Claims as who, from when to when, how they ended, and since when the task was ready.
fn bars(model: &Value) -> Vec<(String, Value, Value, String, Value)> {
    let claims = &model["claims"];
    let bar = |at: usize| {
        let of = |column: &str| claims[column][at].clone();
        let who = text(model, &of("agent")).unwrap_or_default();
        (who, of("from"), of("to"), of("end").as_str().unwrap().to_owned(), of("ready"))
    };
    (0..claims["task"].as_array().unwrap().len()).map(bar).collect()
}

/// The one claim ends by this change in these words.
#[track_caller]
fn ends(change: Change, expected: &str) {
    let mut story = Story::of(&[]);
    story.claimed("a", "alice", 1).then(None, vec![change]);
    let bars = bars(&story.told());
    let expected = ("alice".into(), json!(1000), json!(2000), expected.into(), Value::Null);
    assert_eq!(bars, [expected]);
}

#[test]
fn claim_is_a_bar_to_its_end_however_it_ends() {
    let id = || task_id("a");
    ends(finished("a", Status::Completed, Some(Verb::Complete)), "completed");
    ends(finished("a", Status::InReview, Some(Verb::Complete)), "in_review");
    ends(finished("a", Status::Failed, Some(Verb::Fail)), "failed");
    ends(Change::Retried { id: id(), error: None, not_before: None }, "retried");
    ends(Change::Released { id: id(), reason: None }, "released");
    ends(recovered(Cause::LeaseOver), "lease_over");
    ends(recovered(Cause::HolderDead), "holder_dead");
    ends(recovered(Cause::Policy), "policy");
    ends(recovered(Cause::Operator), "operator");
    ends(Change::Blocked { id: id(), reason: None, verb: None }, "blocked");
    ends(finished("a", Status::Cancelled, None), "cancelled");
}

#[test]
fn what_does_not_end_a_claim_leaves_it_held() {
    let mut story = Story::of(&[held("a", "alice", 1, 1000)]);
    story.claimed("a", "alice", 1);
    let lease = claim("alice", 1, 9000).lease;
    story.then(Some("alice"), vec![Change::Renewed { id: task_id("a"), lease: lease.clone() }]);
    story.then(None, vec![Change::Kept { id: task_id("a"), lease }]);
    story.then(Some("olga"), vec![Change::Assigned { id: task_id("a"), assignee: None }]);
    let held = ("alice".into(), json!(1000), Value::Null, "held".into(), Value::Null);
    assert_eq!(bars(&story.told()), [held]);
}

#[test]
fn claims_before_the_history_that_is_kept_are_told_as_far_as_they_are_known() {
    let mut story = Story::of(&[held("b", "bob", 7, 500)]).beginning_with(40);
    let complete = finished("a", Status::Completed, Some(Verb::Complete));
    story.then(Some("alice"), vec![complete]);
    // What a person cancels needn't have been held.
    story.then(Some("olga"), vec![finished("c", Status::Cancelled, None)]);
    let model = story.told();
    let alice = ("alice".into(), Value::Null, json!(1000), "completed".into(), Value::Null);
    let bob = ("bob".into(), json!(500), Value::Null, "held".into(), Value::Null);
    assert_eq!(bars(&model), [alice, bob]);
    assert_eq!(model["begins"], json!({ "sequence": 40, "time": 1000, "is_whole": false }));
}

#[test]
fn history_from_the_beginning_is_whole_and_none_at_all_is_not() {
    let mut story = Story::of(&[]);
    story.claimed("a", "alice", 1);
    assert_eq!(story.told()["begins"]["is_whole"], true);
    let empty = Story::of(&[]).beginning_with(9).told();
    assert_eq!(empty["begins"], json!({ "sequence": 9, "time": null, "is_whole": false }));
}

#[test]
fn ready_counts_from_the_answer_that_it_is() {
    let mut story = Story::of(&[]);
    let waiting = Readiness::Waiting { on: vec![], why: None };
    let added = Change::Added(Box::new(task("a", Status::Pending)));
    story.then(Some("olga"), vec![added, answered("a", waiting)]);
    story.then(None, vec![answered("a", Readiness::Ready(0))]);
    // Of another rank, but ready all along.
    story.then(None, vec![answered("a", Readiness::Ready(5))]);
    story.claimed("a", "alice", 1);
    let released = Change::Released { id: task_id("a"), reason: None };
    story.then(Some("alice"), vec![released, answered("a", Readiness::Ready(5))]);
    story.claimed("a", "bob", 2);
    let ready: Vec<Value> = bars(&story.told()).into_iter().map(|bar| bar.4).collect();
    assert_eq!(ready, [json!(2000), json!(5000)]);
}

#[test]
fn task_with_a_time_is_ready_from_then_though_the_answer_comes_later() {
    let mut story = Story::of(&[]);
    let until = story.now().plus(2500);
    let added = Change::Added(Box::new(task("a", Status::Pending)));
    story.then(None, vec![added, answered("a", Readiness::Until(until))]);
    story.then(None, vec![]).then(None, vec![]);
    story.then(None, vec![answered("a", Readiness::Ready(0))]).claimed("a", "alice", 1);
    assert_eq!(bars(&story.told())[0].4, json!(2500));
}

#[test]
fn what_nobody_has_is_ready_since_it_became_so() {
    let mut story = Story::of(&[task("a", Status::Pending), task("b", Status::Pending)]);
    for id in ["a", "b"] {
        let added = Change::Added(Box::new(task(id, Status::Pending)));
        story.then(None, vec![added, answered(id, Readiness::Ready(0))]);
    }
    story.then(None, vec![Change::Blocked { id: task_id("b"), reason: None, verb: None }]);
    assert_eq!(story.told()["ready"], json!([[0, 1000]]));
}

#[test]
fn renewals_in_a_row_are_told_once_with_their_number() {
    let mut story = Story::of(&[]);
    story.claimed("a", "alice", 1).claimed("b", "bob", 2);
    for id in ["a", "b", "a", "a"] {
        let lease = claim("alice", 1, story.now).lease;
        story.then(None, vec![Change::Renewed { id: task_id(id), lease }]);
    }
    let events = story.told()["events"].clone();
    assert_eq!(events["sequence"], json!([1, 1, 2, 2]), "1, 2, 4 and 6, each less the one before");
    assert_eq!(events["time"], json!([1000, 1000, 2000, 2000]));
    assert_eq!(events["repeats"], json!([[3, 3]]));
}

#[test]
fn archived_task_is_known_and_not_on_the_board() {
    let mut story = Story::of(&[task("b", Status::Pending)]);
    let gone = Task { reason: Some("done".into()), ..task("a", Status::Completed) };
    story.claimed("a", "alice", 1);
    story.then(None, vec![finished("a", Status::Completed, Some(Verb::Complete))]);
    story.then(None, vec![Change::Archived(Box::new(gone))]);
    let model = story.told();
    assert_eq!(model["tasks"]["standing"], 1);
    assert_eq!(model["tasks"]["archived_at"], json!([null, 3000]));
    assert_eq!(text(&model, &model["tasks"]["reason"][1]).as_deref(), Some("done"));
    assert_eq!(model["tasks"]["status"], json!([0, 4]));
}

#[test]
fn every_text_is_there_once() {
    let result = Json::parse("{\"n\":1.50}").unwrap();
    let done = Task { result: Some(result.clone()), data: result, ..task("a", Status::Completed) };
    let model = Story::of(&[done]).told();
    assert_eq!(model["tasks"]["result"], model["tasks"]["data"]);
    let texts = model["texts"].as_array().unwrap();
    let kept: std::collections::HashSet<&str> = texts.iter().filter_map(Value::as_str).collect();
    assert_eq!(kept.len(), texts.len());
    assert_eq!(text(&model, &model["tasks"]["data"][0]).as_deref(), Some("{\"n\":1.50}"));
}

/// Every word for how a claim ends.
pub(crate) fn ends_in_words() -> Value {
    serde_json::to_value(super::claims::End::ALL).unwrap()
}
