//! A store that keeps the contract and does nothing beyond it passes: its numbers have gaps, its clock goes on by itself,
//! and it takes a session for dead only if it was found without life twice, with some time in between.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Deadline};

use taskhost_board::memory::MemoryStore;
use taskhost_board::{
    BeginError, CommitError, Committed, Entry, Instant, LifeGuard, Mark, Numbers, Opened,
    ReadError, Sequence, Store, TaskId, TaskLocks, Token, View, Vital,
};
use taskhost_contract::{Bench, Kind, Plan};

const KIND: Kind = Kind { new: |plan| Arc::new(Loose::new(plan)), cases: 8, is_serial: true };

taskhost_contract::suite!(&crate::loose::KIND);

/// Of how many numbers one is used.
const STRIDE: u64 = 7;
/// How long somebody must have been without life.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Loose {
    store: MemoryStore,
    /// The last token or place that was given.
    number: Arc<AtomicU64>,
    /// When holders were first found without life, by the clock of the boot.
    lifeless: Arc<Mutex<BTreeMap<Vital, u64>>>,
}

impl Loose {
    fn new(plan: &Plan) -> Self {
        let Plan { policies, components, settings } = plan;
        let store = MemoryStore::new(policies, components.clone(), settings).unwrap();
        Self { store, number: Arc::default(), lifeless: Arc::default() }
    }

    /// Every look at the clock takes a moment.
    fn tick(&self) {
        self.store.advance(Duration::from_millis(1));
    }
}

impl Bench for Loose {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn handle(&self) -> Arc<dyn Store> {
        self.store()
    }

    fn advance(&self, by: Duration) {
        self.store.advance(by);
    }

    fn lock_by_hand(&self, task: &TaskId) -> Box<dyn Any> {
        Box::new(self.store.lock_by_hand(task).unwrap())
    }

    fn let_die(&self, life: Box<dyn LifeGuard>) {
        drop(life);
        let mut opened = self.begin(Deadline::now() + GRACE).unwrap();
        let holders = opened.view().vitals(1_000).unwrap();
        assert_eq!(opened.dead(&holders), [], "not at once");
        self.advance(GRACE);
    }

    fn check(&self) -> Vec<String> {
        self.store.check().unwrap()
    }
}

struct Gaps(Arc<AtomicU64>);

impl Numbers for Gaps {
    fn token(&mut self, _task: &TaskId) -> Result<Token, ReadError> {
        Ok(Token(self.born()?))
    }

    fn born(&mut self) -> Result<u64, ReadError> {
        Ok(self.0.fetch_add(STRIDE, Ordering::SeqCst) + STRIDE)
    }
}

struct LooseOpened {
    of: Loose,
    opened: Box<dyn Opened>,
}

fn spread(sequence: Sequence) -> Sequence {
    Sequence(sequence.0 * STRIDE)
}

impl Opened for LooseOpened {
    fn now(&self) -> Instant {
        self.opened.now()
    }

    fn view(&mut self) -> Box<dyn View> {
        self.opened.view()
    }

    fn dead(&mut self, holders: &[Vital]) -> Vec<Vital> {
        let now = self.now().boot_ms;
        let found = self.opened.dead(holders);
        let mut lifeless = self.of.lifeless.lock().unwrap();
        lifeless.retain(|vital, _| found.contains(vital) || !holders.contains(vital));
        let long = u64::try_from(GRACE.as_millis()).unwrap();
        let mut is_dead =
            |vital: &Vital| now >= *lifeless.entry(vital.clone()).or_insert(now) + long;
        found.into_iter().filter(|vital| is_dead(vital)).collect()
    }

    fn task_locks(&mut self) -> Box<dyn TaskLocks> {
        self.opened.task_locks()
    }

    fn numbers(&mut self) -> Option<Box<dyn Numbers>> {
        Some(Box::new(Gaps(self.of.number.clone())))
    }

    fn commit(self: Box<Self>, entry: Entry) -> Result<Committed, CommitError> {
        let Committed { sequence } = self.opened.commit(entry)?;
        Ok(Committed { sequence: spread(sequence) })
    }

    fn finish(self: Box<Self>) -> Result<(), CommitError> {
        self.opened.finish()
    }
}

impl Store for Loose {
    fn begin(&self, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        self.tick();
        Ok(Box::new(LooseOpened { of: self.clone(), opened: self.store.begin(deadline)? }))
    }

    fn snapshot(&self) -> Result<(Box<dyn View>, Instant), BeginError> {
        self.tick();
        self.store.snapshot()
    }

    fn mark(&self) -> Result<Mark, BeginError> {
        let mark = self.store.mark()?;
        Ok(Mark { newest: spread(mark.newest), ..mark })
    }

    fn wait(&self, past: Mark, timeout: Duration) -> Result<Mark, BeginError> {
        let past = Mark { newest: Sequence(past.newest.0 / STRIDE), ..past };
        let mark = self.store.wait(past, timeout)?;
        Ok(Mark { newest: spread(mark.newest), ..mark })
    }

    fn history(
        &self,
        past: Sequence,
        each: &mut dyn FnMut(Sequence, Entry) -> bool,
    ) -> Result<(), ReadError> {
        let mut spread = |sequence, entry| each(spread(sequence), entry);
        self.store.history(Sequence(past.0 / STRIDE), &mut spread)
    }

    delegate_store!(rest);
}
