//! The boards that are edited: small, with everything in them that there is, and the same each time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant as Deadline};

use taskhost_board::image::{self, Record};
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Action, Agent, AgentKind, BoardSettings, BootId, Change, ChangeRequest, ClaimOutcome,
    ClaimRequest, Command, Digest, Engine, Entry, Filter, Finish, Generation, InitPlan, Json,
    Keeper as _, Millis, Name, NewTask, Owner, PolicyChange, PolicyPin, PolicySet, PolicyTarget,
    Process as Holder, Proof, ReadError, Request, Sequence, SessionId, Space, Store, TaskId,
    TaskUpdate, Token,
};

use super::{Files, edits};
use crate::format::names;
use crate::simulation::World;
use crate::{FileStore, OpenOptions};

pub(super) const STANDARD: &[u8] = b"the standard policy";
const OTHER: &[u8] = b"another policy";

/// A board as it was before anybody edited it.
pub(super) struct Sample {
    pub(super) files: Files,
    /// Its whole history.
    pub(super) entries: Vec<(Sequence, Entry)>,
    /// What it holds after that.
    pub(super) records: Vec<Record>,
    /// Its export.
    pub(super) stream: Vec<u8>,
    pub(super) generation: Generation,
}

impl Sample {
    /// The names of its journals, the current one first.
    pub(super) fn journals(&self) -> Vec<String> {
        let retired = (1..self.generation.0).rev().map(|of| names::retired(Generation(of)));
        std::iter::once(names::journal(self.generation)).chain(retired).collect()
    }
}

/// The board that is edited.
pub(super) fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| make("5a17", "t"))
}

/// Another one, whose lines may get into it.
pub(super) fn other() -> &'static Sample {
    static OTHER: OnceLock<Sample> = OnceLock::new();
    OTHER.get_or_init(|| make("07e4", "o"))
}

pub(super) fn far() -> Deadline {
    Deadline::now() + Duration::from_secs(20)
}

pub(super) fn engine(store: &FileStore) -> Engine {
    let counter = AtomicU64::new(1);
    let entropy = move || counter.fetch_add(1, Ordering::Relaxed);
    Engine::new(Arc::new(store.clone()), Arc::new(PlainPolicies::default()), Arc::new(entropy))
}

pub(super) fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("it is an id")
}

fn name(text: &str) -> Name {
    Name::new(text).expect("it is a name")
}

fn json(text: &str) -> Json {
    Json::parse(text).expect("it is JSON")
}

/// All that a board holds.
pub(super) fn records(store: &FileStore) -> Vec<Record> {
    let (_, reading, _) = store.inner.snapshot(far()).expect("the board can be read");
    let mut all = Vec::new();
    image::dump(&reading, Millis(0), |record| {
        all.push(record);
        Ok::<_, ReadError>(())
    })
    .expect("the board can be read");
    all
}

fn make(board: &str, stem: &str) -> Sample {
    let world = World::new();
    let digest = Digest::of(STANDARD);
    let standard = PolicyPin { digest, settings: BTreeMap::new() };
    let plan = InitPlan {
        policies: PolicySet { custom: None, standard },
        components: BTreeMap::from([(digest, STANDARD.to_vec())]),
        settings: BoardSettings::default(),
    };
    let store = world.process().init(&plan, OpenOptions::default()).expect("a board is made");
    Author { world: &world, store: &store, engine: engine(&store), stem }.write();
    drop(store);
    // The id of a board is drawn at random, and would make every run another one.
    let files = edits::renamed(&world.files(), board);
    let world = World::holding(files);
    let store = world.process().open(OpenOptions::default()).expect("it is still a board");
    let (mut entries, mut stream) = (Vec::new(), Vec::new());
    let read = store.history(Sequence(0), &mut |sequence, entry| {
        entries.push((sequence, entry));
        true
    });
    read.expect("it has a history");
    let exported = store.export(&mut |line| {
        stream.extend(line.encode()?);
        Ok(())
    });
    exported.expect("it is exported");
    let report = store.doctor();
    assert!(report.is_clean(), "{:#?}", report.findings);
    let generation = edits::generation(&world.files());
    Sample { files: world.files(), entries, records: records(&store), stream, generation }
}

/// Writes a board's history.
struct Author<'a> {
    world: &'a Arc<World>,
    store: &'a FileStore,
    engine: Engine,
    /// What the ids begin with.
    stem: &'a str,
}

impl Author<'_> {
    fn write(&self) {
        self.first_generation();
        self.store.compact(far()).expect("it is compacted");
        self.second_generation();
        let change = PolicyChange {
            target: PolicyTarget::Component(OTHER.to_vec()),
            settings: BTreeMap::new(),
            standard_settings: BTreeMap::new(),
            expect: None,
        };
        self.engine.set_policy(&change, far()).expect("a policy is set");
        self.third_generation();
    }

    fn first_generation(&self) {
        let labels = vec![name("red"), name("green")];
        let details = NewTask {
            labels,
            needs: vec![name("rust")],
            priority: 3,
            data: json(r#"{"n":12345678901234567890,"text":"ä\u0000","list":[1.50,null,true]}"#),
            key: Some("once".into()),
            ..self.task("a", &[])
        };
        self.add(&[details, self.task("b", &["a"])]);
        let child = NewTask { parent: Some(self.id("a")), ..self.task("c", &[]) };
        self.add(&[child, self.task("d", &[]), self.task("e", &["d"])]);
        let (task, token) = self.claim("x");
        self.finish(&task, "x", token, Finish::Complete(Some(json("[1]"))));
        let (task, token) = self.claim("y");
        self.finish(&task, "y", token, Finish::Release(Some("not mine".into())));
    }

    fn second_generation(&self) {
        let (task, token) = self.claim("x");
        self.world.advance(Duration::from_secs(5));
        let proof = Proof { agent: name("x"), token: Some(token) };
        self.engine.heartbeat(&task, &proof, None, far()).expect("the lease is extended");
        self.finish(&task, "x", token, Finish::Fail(Some("it broke".into())));
        self.change(&task, Action::Retry { cascade: false, reason: Some("again".into()) });
        let update = TaskUpdate {
            priority: Some(-1),
            add_labels: vec![name("blue")],
            ..TaskUpdate::default()
        };
        self.change(&self.id("e"), Action::Update(Box::new(update)));
        self.add(&[self.task("f", &[]), self.task("g", &["f"])]);
        self.change(&self.id("f"), Action::Cancel { cascade: true, reason: None });
        self.change(&self.id("g"), Action::Archive);
        self.change(&self.id("f"), Action::Archive);
        self.set_context("k", b"a large value");
    }

    fn third_generation(&self) {
        self.commit(vec![
            Change::MetaSet { key: id("release"), value: Some(json(r#"{"n":1.50}"#)) },
            Change::Remembered { space: Space::Custom, key: "c".into(), value: Some(vec![0, 255]) },
            Change::Remembered { space: Space::Standard, key: "s".into(), value: Some(vec![1]) },
            Change::Wake { on: self.id("d"), past: Some(self.id("e")) },
            Change::SettingsSet(BoardSettings {
                compact_bytes: Some(1 << 30),
                ..Default::default()
            }),
        ]);
        let late = NewTask { not_before: Some(Millis(2_000_000_000_000)), ..self.task("h", &[]) };
        self.add(&[late, self.task("i", &[]), self.task("j", &["i"])]);
        let block = Action::Block { reason: Some("why?".into()), proof: None, force: false };
        self.change(&self.id("j"), block);
        self.change(&self.id("j"), Action::Unblock { reason: Some("because".into()) });
        let (task, _) = self.claim("z");
        self.change(&task, Action::Release { reason: None });
        let (task, token) = self.claim("z");
        self.finish(&task, "z", token, Finish::Complete(Some(json("null"))));
        self.claim("y");
        self.claim("x");
        self.commit(vec![Change::FellBack {
            hook: "assignment".into(),
            kind: "trap".into(),
            detail: "unreachable".into(),
        }]);
    }

    fn id(&self, text: &str) -> TaskId {
        id(&format!("{}{text}", self.stem))
    }

    fn task(&self, text: &str, after: &[&str]) -> NewTask {
        NewTask {
            id: Some(self.id(text)),
            after: after.iter().map(|text| self.id(text)).collect(),
            ..NewTask::new(name("work"))
        }
    }

    fn add(&self, tasks: &[NewTask]) {
        self.engine.add(tasks, far()).expect("tasks are added");
    }

    fn claim(&self, who: &str) -> (TaskId, Token) {
        let process = Holder { pid: 7, started: 9, boot: BootId("boot-1".into()), namespace: 1 };
        let agent = Agent {
            name: name(who),
            kind: AgentKind::Agent,
            session: SessionId::new(format!("{who}-session")).expect("it is a session"),
            hostname: Some(name("host")),
            capabilities: vec![name("rust")],
            living: false,
            process: Some(process).filter(|_| who == "y"),
        };
        let key =
            Some(format!("{who}-{}", self.engine.store().mark().expect("there is one").newest));
        let request =
            ClaimRequest { agent, filter: Filter::default(), lease_ms: Some(3_600_000), key };
        match self.engine.claim(&request, far()).expect("it can be claimed") {
            ClaimOutcome::Claimed { task, .. } => {
                (task.id.clone(), task.claim.expect("it was claimed").token)
            }
            ClaimOutcome::Nothing { .. } => panic!("there is nothing to claim"),
        }
    }

    fn finish(&self, task: &TaskId, who: &str, token: Token, how: Finish) {
        let proof = Proof { agent: name(who), token: Some(token) };
        self.engine.finish(task, &proof, &how, far()).expect("it is finished");
    }

    fn change(&self, task: &TaskId, action: Action) {
        let ids = vec![task.clone()];
        let request = ChangeRequest { ids, action, by: None, together: false, dry_run: false };
        let changed = self.engine.change(&request, far()).expect("it is changed");
        assert!(changed.first_failure().is_none(), "{:?}", changed.first_failure());
    }

    fn set_context(&self, key: &str, value: &[u8]) {
        let owner = Owner::Task(self.id("a"));
        self.store.contexts().set(&owner, &id(key), value, far()).expect("it is kept");
    }

    fn commit(&self, changes: Vec<Change>) {
        let opened = self.store.begin(far()).expect("it begins");
        let entry = Entry {
            time: opened.now().wall,
            request: Request::of(Command::Upkeep),
            seed: 3,
            changes,
        };
        opened.commit(entry).expect("it is committed");
    }
}
