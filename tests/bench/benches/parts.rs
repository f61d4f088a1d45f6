//! What the parts of a claim cost by themselves, without a disk: `cargo bench -p taskhost-bench`.
//!
//! Whole claims, beside their peers, are measured by `cargo xtask bench`.

#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on should stop")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use divan::Bencher;
use taskhost_board::image::{self, ImageView};
use taskhost_board::memory::{MemoryMap, MemoryStore};
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, AgentKind, BoardSettings, BootId, Change, Claim, ClaimOutcome, ClaimRequest, Command,
    Digest, Engine, Entry, Filter, Finish, Head, Instant, Millis, Name, NewTask, NoPowers, Order,
    Policies, PolicyPin, PolicySet, Proof, ReadyQuery, Request, Reservation, Sequence, SessionId,
    Task, TaskId, Token, View as _,
};

fn main() {
    divan::main();
}

/// How many tasks a board has here: more than fit on a page of any kind, and few enough to be made in an instant.
const TASKS: u64 = 10_000;

fn id(number: u64) -> TaskId {
    TaskId::new(format!("work_{number:08x}")).unwrap()
}

/// A ready task, one of so many types.
fn task(number: u64, types: u64) -> Task {
    let text = format!(
        r#"{{"id":"{}","type":"type{}","status":"pending","data":{{"prompt":"Look at the module, and write a test."}},
            "created_at":1,"updated_at":1,"born":{},"readiness":{{"ready":0}}}}"#,
        id(number),
        number % types,
        number + 1,
    );
    serde_json::from_str(&text).unwrap()
}

fn policies() -> PolicySet {
    let standard =
        PolicyPin { digest: Digest::of(taskhost::STANDARD_POLICY), settings: BTreeMap::new() };
    PolicySet { custom: None, standard }
}

/// The map of a board whose tasks are all ready.
fn board(types: u64) -> MemoryMap {
    let mut map = MemoryMap::default();
    let settings = BoardSettings::default();
    image::start(&mut map, &boot(), &Head::default(), &policies(), &settings).unwrap();
    for number in 0..TASKS {
        image::load(&mut map, &image::Record::Task(Box::new(task(number, types)))).unwrap();
    }
    map
}

fn boot() -> BootId {
    BootId("boot".into())
}

fn agent() -> Agent {
    Agent {
        name: Name::new("agent").unwrap(),
        kind: AgentKind::Agent,
        session: SessionId::new("session").unwrap(),
        hostname: None,
        capabilities: Vec::new(),
        living: true,
        process: None,
    }
}

/// Reading one task from the map.
#[divan::bench]
fn read_task(bencher: Bencher<'_, '_>) {
    let view = ImageView::new(board(1));
    let mut number = 0;
    bencher.bench_local(|| {
        number = (number + 7_919) % TASKS;
        view.task(&id(number)).unwrap()
    });
}

/// The first ready task in order, among so many types.
#[divan::bench(args = [1, 10, 100])]
fn first_ready(bencher: Bencher<'_, '_>, types: u64) {
    let view = ImageView::new(board(types));
    let (filter, order) = (Filter::default(), Order::Rank);
    let query = ReadyQuery { filter, reserved: Reservation::Nobody, order };
    bencher.bench_local(|| view.ready(&query, None, 1).unwrap());
}

/// What a claim's entry changes in the map: the task, its places in the lists, its timer, the counters.
#[divan::bench]
fn apply_claim(bencher: Bencher<'_, '_>) {
    let mut map = board(1);
    let now = Instant { wall: Millis(2), boot: boot(), boot_ms: 2 };
    let mut next = 0;
    bencher.bench_local(|| {
        let (claimed, entry) = (next % TASKS, next + 1);
        next += 1;
        let claim = Claim::new(&agent(), Token(entry), &now, 60_000);
        let changes = if next <= TASKS {
            vec![Change::Claimed { id: id(claimed), claim: Box::new(claim) }]
        } else {
            // Every task is claimed by now: what is left to measure is an entry that changes one of them.
            vec![Change::Kept { id: id(claimed), lease: claim.lease }]
        };
        let entry_of =
            Entry { time: now.wall, request: Request::of(Command::Claim), seed: 1, changes };
        image::apply(&mut map, Sequence(entry), &entry_of).unwrap();
    });
}

/// A claim and its release on a small board in memory, which asks a policy three times: in WebAssembly, and the least
/// policy in Rust.
#[divan::bench(args = ["standard, WebAssembly", "plain, Rust"])]
fn claim_and_release(bencher: Bencher<'_, '_>, which: &str) {
    let standard = taskhost::STANDARD_POLICY.to_vec();
    let components = BTreeMap::from([(Digest::of(&standard), standard)]);
    let store = MemoryStore::new(&policies(), components, &BoardSettings::default()).unwrap();
    let policies: Arc<dyn Policies> = if which.starts_with("plain") {
        Arc::new(PlainPolicies::default())
    } else {
        taskhost::policies(Arc::new(NoPowers)).unwrap()
    };
    let engine = Engine::new(Arc::new(store), policies, Arc::new(|| 1));
    let deadline = Deadline::now() + Duration::from_secs(600);
    engine.add(&vec![NewTask::new(Name::new("work").unwrap()); 16], deadline).unwrap();
    let request =
        ClaimRequest { agent: agent(), filter: Filter::default(), lease_ms: None, key: None };
    bencher.bench_local(|| {
        let outcome = engine.claim(&request, deadline).unwrap();
        let ClaimOutcome::Claimed { task, .. } = outcome else { panic!("{outcome:?}") };
        let proof = Proof { agent: request.agent.name.clone(), token: task.claim.map(|c| c.token) };
        engine.finish(&task.id, &proof, &Finish::Release(None), deadline).unwrap()
    });
}
