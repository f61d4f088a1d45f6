//! A board in memory that foreign tasks are adopted on, and files to read them from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use taskhost_board::memory::MemoryStore;
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, AgentKind, Arrival, BoardSettings, ClaimOutcome, ClaimRequest, Digest, Engine, Filter,
    Millis, Name, PolicyPin, PolicySet, SessionId, Task, TaskId,
};
use taskhost_formats::{Foreign, Format, ReadOptions, read, read_one};
use tempfile::TempDir;

/// The wall clock of a board in memory.
pub const NOW: Millis = Millis(1_000_000_000_000);

pub fn options() -> ReadOptions {
    ReadOptions::at(NOW)
}

pub struct Board {
    pub engine: Engine,
    pub store: MemoryStore,
}

impl Board {
    pub fn new() -> Self {
        let pin = PolicyPin { digest: Digest::of(b"plain"), settings: BTreeMap::new() };
        let set = PolicySet { custom: None, standard: pin };
        let store = MemoryStore::new(&set, BTreeMap::new(), &BoardSettings::default()).unwrap();
        let counter = AtomicU64::new(1);
        let entropy = Arc::new(move || counter.fetch_add(1, Ordering::Relaxed));
        let policies = Arc::new(PlainPolicies::default());
        Self { engine: Engine::new(Arc::new(store.clone()), policies, entropy), store }
    }

    pub fn adopt(&self, arrivals: &[Arrival]) -> Vec<Task> {
        let adopted = self.engine.adopt(arrivals, soon()).unwrap();
        assert_eq!(self.store.check().unwrap(), Vec::<String>::new());
        adopted.into_iter().map(|adoption| adoption.task).collect()
    }

    pub fn task(&self, id: &str) -> Task {
        self.engine.task(&TaskId::new(id).unwrap()).unwrap()
    }

    pub fn claim(&self, agent: &str) -> Option<Task> {
        let agent = Agent {
            name: Name::new(agent).unwrap(),
            kind: AgentKind::Agent,
            session: SessionId::new(format!("s-{agent}")).unwrap(),
            hostname: None,
            capabilities: Vec::new(),
            living: false,
            process: None,
        };
        let request = ClaimRequest { agent, filter: Filter::default(), lease_ms: None, key: None };
        match self.engine.claim(&request, soon()).unwrap() {
            ClaimOutcome::Claimed { task, .. } => Some(*task),
            ClaimOutcome::Nothing { .. } => None,
        }
    }
}

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// What becomes of one task of a system, on a board of its own.
pub fn adopted(format: Format, value: &Value) -> Task {
    let (mut arrival, _) = read_one(format, value, &options()).unwrap();
    // What it names isn't on this board.
    let stay = (arrival.new.parent.take(), std::mem::take(&mut arrival.new.after));
    let mut task = Board::new().adopt(&[arrival]).remove(0);
    (task.parent, task.after) = stay;
    task
}

/// A directory with this file in it.
pub fn file(name: &str, content: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

pub fn read_text(format: Format, content: &str) -> Foreign {
    let (_directory, path) = file("tasks.json", content);
    read(format, &path, &options()).unwrap()
}

pub fn arrival<'a>(foreign: &'a Foreign, id: &str) -> &'a Arrival {
    let found = foreign
        .arrivals
        .iter()
        .find(|arrival| arrival.new.id.as_ref().is_some_and(|own| own.as_str() == id));
    found.unwrap_or_else(|| panic!("there is no `{id}`"))
}

/// The remarks as text.
pub fn remarks(foreign: &Foreign) -> Vec<String> {
    foreign.remarks.iter().map(ToString::to_string).collect()
}
