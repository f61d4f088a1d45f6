//! What is particular to boards that are kept as one ordered map: dense numbers, and entries one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Deadline};

use proptest::prelude::*;
use taskhost_board::memory::{MemoryMap, MemoryStore};
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, AgentKind, Arrival, BoardSettings, Cause, Change, Claim, ClaimOutcome, ClaimRequest,
    Command, Engine, Entry, Filter, Head, Millis, Name, NewTask, Opened, Order, OrderKey, Past,
    PastClaim, ReadError, Readiness, Request, Sequence, SessionId, Space, Status, Store, Task,
    TaskId, View, image,
};
use taskhost_contract::Plan;

use crate::memory::MemoryBench;

fn board() -> (MemoryStore, Engine) {
    let plan = Plan::new(None, b"plain", &BoardSettings::default());
    let store = MemoryBench::new(&plan).0;
    let counter = AtomicU64::new(1);
    let entropy = Arc::new(move || counter.fetch_add(1, Ordering::Relaxed));
    let engine = Engine::new(Arc::new(store.clone()), Arc::new(PlainPolicies::default()), entropy);
    (store, engine)
}

fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn task(text: &str) -> NewTask {
    NewTask { id: Some(id(text)), ..NewTask::new(name("work")) }
}

fn soon() -> Deadline {
    Deadline::now() + Duration::from_secs(10)
}

/// The task that an agent of this name gets.
fn next(engine: &Engine, who: &str) -> Option<Task> {
    let agent = Agent {
        name: name(who),
        kind: AgentKind::Agent,
        session: SessionId::new(format!("s-{who}")).unwrap(),
        hostname: None,
        capabilities: Vec::new(),
        living: false,
        process: None,
    };
    let request = ClaimRequest { agent, filter: Filter::default(), lease_ms: None, key: None };
    match engine.claim(&request, soon()).unwrap() {
        ClaimOutcome::Claimed { task, .. } => Some(*task),
        ClaimOutcome::Nothing { .. } => None,
    }
}

fn claim(task: Option<Task>) -> Claim {
    task.unwrap().claim.unwrap()
}

/// The map of a board of the same policies and settings, on which nothing has happened.
fn empty(store: &MemoryStore) -> MemoryMap {
    let (view, now) = store.snapshot().unwrap();
    let mut map = MemoryMap::default();
    let (policies, settings) = (view.policies().unwrap(), view.settings().unwrap());
    image::start(&mut map, &now.boot, &Head::default(), &policies, &settings).unwrap();
    map
}

/// Commits what no command would, as the entry of a claim.
fn commit(opened: Box<dyn Opened>, changes: Vec<Change>) {
    let request = Request::of(Command::Claim);
    let entry = Entry { time: opened.now().wall, request, seed: 0, changes };
    opened.commit(entry).unwrap();
}

/// The token counter grew only with claims that were still held at the end of their entry.
#[test]
fn tokens_grow_even_past_a_claim_that_ended_in_its_own_entry() {
    let (store, engine) = board();
    engine.add(&[task("t"), task("u")], soon()).unwrap();
    let mut claim_of_u = claim(next(&engine, "a"));
    let token = claim_of_u.token.next();
    let mut opened = store.begin(soon()).unwrap();
    claim_of_u.token = token;
    claim_of_u.session = SessionId::new("s-other").unwrap();
    drop(opened.view());
    let changes = vec![
        Change::Claimed { id: id("u"), claim: Box::new(claim_of_u) },
        Change::Recovered { id: id("u"), cause: Cause::Policy, reason: None, not_before: None },
        Change::Answered { id: id("u"), readiness: Readiness::Ready(0) },
    ];
    commit(opened, changes);
    assert!(claim(next(&engine, "b")).token > token);
}

/// An entry was applied twice to one index, and what it added was counted twice.
#[test]
fn entry_that_is_out_of_turn_is_not_applied() {
    let (store, engine) = board();
    engine.add(&[task("t")], soon()).unwrap();
    let entry = store.entries().remove(0);
    let mut map = empty(&store);
    let first = Sequence(1);
    image::apply(&mut map, first, &entry).unwrap();
    for sequence in [first, first.next().next()] {
        assert!(matches!(image::apply(&mut map, sequence, &entry), Err(ReadError::Failed(_))));
    }
    assert_eq!(image::check(&map, &mut MemoryMap::default()).unwrap(), Vec::<String>::new());
}

/// A policy that forgot everything it had remembered left a count of nothing, which the doctor took for a damaged index.
#[test]
fn memory_that_is_empty_again_leaves_nothing() {
    let (store, _) = board();
    for value in [Some(vec![1]), None] {
        let mut opened = store.begin(soon()).unwrap();
        drop(opened.view());
        let changes = vec![Change::Remembered { space: Space::Custom, key: "turn".into(), value }];
        commit(opened, changes);
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn places_in_the_order_of_creation_are_dense_and_so_are_the_numbers_of_entries() {
    let (store, engine) = board();
    for (born, text) in (1..).zip(["a", "b", "c"]) {
        assert_eq!(engine.add(&[task(text)], soon()).unwrap()[0].task.born, born);
    }
    let (view, _) = store.snapshot().unwrap();
    assert_eq!(view.head().unwrap().sequence, Sequence(store.entries().len() as u64));
}

/// A board whose tasks have a past, each of another status.
fn adopted(store: &MemoryStore, engine: &Engine) -> Vec<TaskId> {
    let now = store.snapshot().unwrap().1.wall;
    let of = |status: Status| Arrival { new: task(status.as_str()), past: Past::new(status) };
    let held = |text: &str, since: Millis| {
        let claim = PastClaim {
            agent: name("worker"),
            kind: AgentKind::Host,
            hostname: None,
            since: Some(since),
            lease_ms: 60 * 60 * 1000,
        };
        let past = Past { claim: Some(claim), attempts: 3, ..Past::new(Status::InProgress) };
        Arrival { new: task(text), past }
    };
    let mut tasks = [Status::Pending, Status::Completed, Status::Blocked].map(of).to_vec();
    tasks.extend([held("held", now), held("late", Millis(5))]);
    engine.adopt(&tasks, soon()).unwrap();
    tasks.into_iter().filter_map(|task| task.new.id).collect()
}

#[test]
fn a_board_read_again_from_its_journal_has_the_same_head_and_the_same_adopted_tasks() {
    let (store, engine) = board();
    let ids = adopted(&store, &engine);
    store.advance(Duration::from_millis(1));
    while next(&engine, "a").is_some() {}
    let mut map = empty(&store);
    for (sequence, entry) in (1..).zip(store.entries()) {
        let line = serde_json::to_string(&entry).unwrap();
        let read = serde_json::from_str(&line).unwrap();
        assert_eq!(read, entry);
        image::apply(&mut map, Sequence(sequence), &read).unwrap();
    }
    let again = image::ImageView::new(map);
    let (view, _) = store.snapshot().unwrap();
    assert_eq!(again.head().unwrap(), view.head().unwrap());
    for id in &ids {
        assert_eq!(again.task(id).unwrap(), view.task(id).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn order_keys_sort_as_their_bytes(ranks in prop::collection::vec((any::<i32>(), any::<i32>(), any::<u64>()), 2..20)) {
        for order in [Order::Rank, Order::Oldest, Order::Newest] {
            let mut keys: Vec<_> = ranks.iter().map(|(r, p, b)| OrderKey::new(order, *r, *p, *b)).collect();
            let mut bytes: Vec<_> = keys.iter().map(|key| key.to_bytes()).collect();
            keys.sort_unstable();
            bytes.sort_unstable();
            prop_assert_eq!(keys.iter().map(|key| key.to_bytes()).collect::<Vec<_>>(), bytes.clone());
            for bytes in bytes {
                prop_assert_eq!(OrderKey::from_bytes(bytes).to_bytes(), bytes);
            }
        }
    }
}
