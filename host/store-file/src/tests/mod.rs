//! Tests of the store as a whole: with real files where that is what is tested, and in a simulated world where
//! something has to go wrong at an exact moment.

mod basics;
mod clocks;
mod combine;
mod compact;
mod contexts;
mod damage;
mod drafts;
mod figures;
mod forks;
mod full;
mod hand;
mod irregular;
mod late;
mod lives;
mod locks;
mod namespaces;
mod numbers;
mod outside;
mod past;
mod poison;
mod power;
mod races;
mod repair;
mod replaced;
mod retain;
mod room;
mod still;
mod transfer;
mod travel;
mod tried;
mod turns;
mod twin;
mod upgrade;
mod usage;
mod waiting;
mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Deadline};

use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, AgentKind, BoardSettings, Change, ClaimOutcome, ClaimRequest, Command, CommitError,
    Digest, Engine, Entry, Filter, Finish, InitPlan, Keeper as _, Name, NewTask, PolicyChange,
    PolicyPin, PolicySet, PolicyTarget, Proof, Request, Sequence, SessionId, Space, Store, TaskId,
    Token, View,
};

use crate::{FileStore, OpenOptions};

const STANDARD: &[u8] = b"the standard policy";
const OTHER: &[u8] = b"another policy";

fn far() -> Deadline {
    Deadline::now() + Duration::from_secs(20)
}

fn plan() -> InitPlan {
    let digest = Digest::of(STANDARD);
    InitPlan {
        policies: PolicySet {
            custom: None,
            standard: PolicyPin { digest, settings: BTreeMap::new() },
        },
        components: BTreeMap::from([(digest, STANDARD.to_vec())]),
        settings: BoardSettings::default(),
    }
}

/// A fresh board in a directory of its own.
fn fresh() -> (tempfile::TempDir, FileStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::init(&board(&directory), &plan(), OpenOptions::default()).unwrap();
    (directory, store)
}

fn board(directory: &tempfile::TempDir) -> std::path::PathBuf {
    directory.path().join("board")
}

fn open(path: &Path) -> FileStore {
    FileStore::open(path, OpenOptions::default()).unwrap()
}

fn engine(store: &FileStore) -> Engine {
    engine_on(Arc::new(store.clone()))
}

fn engine_on(store: Arc<dyn Store>) -> Engine {
    let counter = AtomicU64::new(1);
    let entropy = move || counter.fetch_add(1, Ordering::Relaxed);
    Engine::new(store, Arc::new(PlainPolicies::default()), Arc::new(entropy))
}

fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn new_task(text: &str, after: &[&str]) -> NewTask {
    NewTask {
        id: Some(id(text)),
        after: after.iter().map(|text| id(text)).collect(),
        ..NewTask::new(name("work"))
    }
}

fn add(engine: &Engine, text: &str, after: &[&str]) {
    engine.add(&[new_task(text, after)], far()).unwrap();
}

fn agent(text: &str) -> Agent {
    Agent {
        name: name(text),
        kind: AgentKind::Agent,
        session: SessionId::new(format!("{text}-session")).unwrap(),
        hostname: None,
        capabilities: Vec::new(),
        living: false,
        process: None,
    }
}

fn claim_request(who: &str) -> ClaimRequest {
    ClaimRequest { agent: agent(who), filter: Filter::default(), lease_ms: None, key: None }
}

fn claim(engine: &Engine, who: &str) -> Option<(TaskId, Token)> {
    match engine.claim(&claim_request(who), far()).unwrap() {
        ClaimOutcome::Claimed { task, .. } => Some((task.id.clone(), task.claim.unwrap().token)),
        ClaimOutcome::Nothing { .. } => None,
    }
}

fn complete(engine: &Engine, who: &str, task: &TaskId, token: Token) {
    let proof = Proof { agent: name(who), token: Some(token) };
    engine.finish(task, &proof, &Finish::Complete(None), far()).unwrap();
}

fn set_policy(engine: &Engine, component: &[u8]) -> Result<Sequence, taskhost_board::Error> {
    let change = PolicyChange {
        target: PolicyTarget::Component(component.to_vec()),
        settings: BTreeMap::new(),
        standard_settings: BTreeMap::new(),
        expect: None,
    };
    engine.set_policy(&change, far()).map(|(_, committed)| committed.sequence)
}

/// Commits an entry that remembers something, without an engine.
fn remember(store: &FileStore, key: &str) -> Result<Sequence, CommitError> {
    loop {
        match remember_in(Box::new(store.inner.begin(far()).unwrap()), key) {
            // The index was full, which comes early in tests.
            Err(CommitError::Conflict) => {}
            result => return result,
        }
    }
}

/// The same where it may already fail to begin.
fn try_to_remember(store: &FileStore, key: &str, deadline: Deadline) -> Result<Sequence, String> {
    let opened = store.begin(deadline).map_err(|error| error.to_string())?;
    remember_in(opened, key).map_err(|error| error.to_string())
}

fn remember_in(
    opened: Box<dyn taskhost_board::Opened>,
    key: &str,
) -> Result<Sequence, CommitError> {
    remember_value_in(opened, key, key.as_bytes().to_vec())
}

fn remember_value_in(
    mut opened: Box<dyn taskhost_board::Opened>,
    key: &str,
    value: Vec<u8>,
) -> Result<Sequence, CommitError> {
    let change =
        Change::Remembered { space: Space::Standard, key: key.to_owned(), value: Some(value) };
    let entry = Entry {
        time: opened.now().wall,
        request: Request::of(Command::Upkeep),
        seed: 7,
        changes: vec![change],
    };
    drop(opened.view());
    opened.commit(entry).map(|committed| committed.sequence)
}

fn recalls(view: &dyn View, key: &str) -> bool {
    view.recall(Space::Standard, key).unwrap().is_some()
}

/// Every entry's number.
fn history(store: &FileStore) -> Vec<Sequence> {
    let mut all = Vec::new();
    store
        .history(Sequence(0), &mut |sequence, _| {
            all.push(sequence);
            true
        })
        .unwrap();
    all
}

/// How many entries there are, each once.
fn whole_history(store: &FileStore) -> u64 {
    let all = history(store);
    let through = all.len() as u64;
    assert!(all == numbers(through), "the history has gaps or repeats");
    through
}

fn numbers(through: u64) -> Vec<Sequence> {
    (1..=through).map(Sequence).collect()
}

fn assert_clean(store: &FileStore) {
    let report = store.doctor();
    assert!(report.is_clean(), "{:#?}", report.findings);
}

/// All lines of the board, as bytes.
fn export(store: &FileStore) -> Vec<u8> {
    let mut all = Vec::new();
    store
        .export(&mut |line| {
            all.extend(line.encode()?);
            Ok(())
        })
        .unwrap();
    all
}

/// The directory's files with their contents, the index left out.
fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let content = std::fs::read(entry.path()).unwrap();
            files.insert(entry.file_name().into_string().unwrap(), content);
        }
    }
    files
}

/// The names of what is in a directory, in order.
fn names_in(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every file of a board with its content, by its path, the index left out.
fn all_files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = files(path);
    for directory in std::fs::read_dir(path).unwrap() {
        let directory = directory.unwrap();
        let place = directory.file_name().into_string().unwrap();
        if directory.file_type().unwrap().is_dir() && place != "index" {
            let inside = files(&directory.path());
            all.extend(inside.into_iter().map(|(name, it)| (format!("{place}/{name}"), it)));
        }
    }
    all
}

/// Every entry, with its number.
fn entries(store: &FileStore) -> Vec<(Sequence, Entry)> {
    let mut all = Vec::new();
    store
        .history(Sequence(0), &mut |sequence, entry| {
            all.push((sequence, entry));
            true
        })
        .unwrap();
    all
}

/// All that a board holds, as a snapshot would keep it.
fn records(store: &FileStore) -> Vec<taskhost_board::image::Record> {
    let (_, reading, _) = store.inner.snapshot(far()).unwrap();
    let mut all = Vec::new();
    taskhost_board::image::dump(&reading, taskhost_board::Millis(0), |record| {
        all.push(record);
        Ok::<_, taskhost_board::ReadError>(())
    })
    .unwrap();
    all
}
