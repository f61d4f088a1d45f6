//! What a board promises, shown on one in files. Its clock stands still unless it is moved.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{InitPlan, Instant, Keeper as _, LifeGuard, Store, TaskId};
use taskhost_contract::{Bench, Kind, Plan};
use taskhost_store_file::{Clock, FileStore, OpenOptions};

const KIND: Kind = Kind { new: |plan| Arc::new(FileBench::new(plan)), cases: 8, is_serial: true };

mod files {
    taskhost_contract::suite!(&crate::KIND);
}

struct FileBench {
    store: FileStore,
    options: OpenOptions,
    /// By how many milliseconds the clock was moved.
    moved: Arc<AtomicU64>,
    directory: tempfile::TempDir,
}

/// A clock that stands still, but for what it is moved by.
fn clock(moved: Arc<AtomicU64>) -> Clock {
    let start = OnceLock::<Instant>::new();
    Arc::new(move |now| {
        let start = start.get_or_init(|| now);
        let ms = moved.load(Ordering::SeqCst);
        Instant { wall: start.wall.plus(ms), boot: start.boot.clone(), boot_ms: start.boot_ms + ms }
    })
}

impl FileBench {
    fn new(plan: &Plan) -> Self {
        let Plan { policies, components, settings } = plan.clone();
        let moved = Arc::new(AtomicU64::new(0));
        let options = OpenOptions { clock: Some(clock(moved.clone())), ..OpenOptions::default() };
        let directory = tempfile::tempdir().unwrap();
        let plan = InitPlan { policies, components, settings };
        let path = directory.path().join("board");
        let store = FileStore::init(&path, &plan, options.clone()).unwrap();
        Self { store, options, moved, directory }
    }
}

impl Bench for FileBench {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn handle(&self) -> Arc<dyn Store> {
        let path = self.directory.path().join("board");
        Arc::new(FileStore::open(&path, self.options.clone()).unwrap())
    }

    fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.moved.fetch_add(ms, Ordering::SeqCst);
    }

    fn lock_by_hand(&self, task: &TaskId) -> Box<dyn Any> {
        let deadline = Deadline::now() + Duration::from_secs(10);
        Box::new(self.store.hold_task(task, None, deadline).unwrap())
    }

    fn let_die(&self, life: Box<dyn LifeGuard>) {
        drop(life);
        // Whoever was found alive an instant ago isn't looked at again so soon.
        self.advance(Duration::from_secs(1));
    }

    fn check(&self) -> Vec<String> {
        let report = self.store.doctor();
        if report.is_clean() {
            return Vec::new();
        }
        report.findings.iter().map(|finding| format!("{finding:?}")).collect()
    }
}
