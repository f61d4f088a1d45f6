//! A store that remembers what it was asked and what it answered, so that it can be asked again after a crash.

use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use parking_lot::Mutex;
use taskhost_board::{
    Ask, BeginError, CommitError, Committed, Contexts, Digest, Entry, Instant, LifeGuard, Mark,
    Meter, Opened, Powers, ReadError, Sequence, SessionId, Store, SwitchError, SwitchPlan, TaskId,
    TaskLocks, View, Vital,
};

use super::World;
use crate::FileStore;

/// What a store was asked to commit, and what it said about it.
#[derive(Debug, Default)]
pub struct Testimony {
    /// Every entry that was to be committed.
    pub attempted: Vec<Entry>,
    /// Those of which somebody was told that they are.
    pub acknowledged: Vec<(Sequence, Entry)>,
    /// The switches to other policies of which somebody was told that they happened.
    pub switched: Vec<(Sequence, Digest)>,
}

/// A store with a witness.
#[derive(Clone)]
pub struct Witnessed {
    store: FileStore,
    world: Arc<World>,
    testimony: Arc<Mutex<Testimony>>,
}

impl Witnessed {
    /// Watches `store`, which is in `world`; `testimony` may be shared between stores.
    pub fn new(store: FileStore, world: &Arc<World>, testimony: &Arc<Mutex<Testimony>>) -> Self {
        Self { store, world: world.clone(), testimony: testimony.clone() }
    }
}

impl Testimony {
    /// What is wrong with a board that is said to be the one that this is about: acknowledged changes that are
    /// missing, and others that aren't there whole.
    pub fn contradictions(&self, store: &FileStore) -> Vec<String> {
        let mut found = Vec::new();
        let mut wrong = Vec::new();
        let read = store.history(Sequence(0), &mut |sequence, entry| {
            found.push((sequence, entry));
            true
        });
        if let Err(error) = read {
            return vec![format!("the history can't be read: {error}")];
        }
        for acknowledged in &self.acknowledged {
            if !found.contains(acknowledged) {
                wrong.push(format!("acknowledged entry {} is missing", acknowledged.0));
            }
        }
        for (sequence, entry) in &found {
            let is_switch =
                matches!(entry.changes.first(), Some(taskhost_board::Change::PoliciesSet(_)));
            if !is_switch && !self.attempted.contains(entry) {
                wrong.push(format!("entry {sequence} is one that nobody made"));
            }
        }
        for (sequence, digest) in &self.switched {
            let there = found.iter().any(|(at, entry)| {
                at == sequence
                    && entry.changes.iter().any(|change| {
                        matches!(change, taskhost_board::Change::PoliciesSet(set)
                            if set.leading().digest == *digest)
                    })
            });
            if !there {
                wrong.push(format!("acknowledged switch {sequence} is missing"));
            }
        }
        let report = store.doctor();
        if !report.is_clean() {
            wrong.extend(report.findings.iter().map(|finding| format!("the doctor: {finding}")));
        }
        wrong
    }
}

struct WitnessedTransaction {
    opened: Box<dyn Opened>,
    of: Witnessed,
}

impl Opened for WitnessedTransaction {
    fn now(&self) -> Instant {
        self.opened.now()
    }

    fn view(&mut self) -> Box<dyn View> {
        self.opened.view()
    }

    fn dead(&mut self, holders: &[Vital]) -> Vec<Vital> {
        self.opened.dead(holders)
    }

    fn task_locks(&mut self) -> Box<dyn TaskLocks> {
        self.opened.task_locks()
    }

    fn commit(self: Box<Self>, entry: Entry) -> Result<Committed, CommitError> {
        self.of.testimony.lock().attempted.push(entry.clone());
        let committed = self.opened.commit(entry.clone())?;
        self.of.world.answered(committed.sequence);
        self.of.testimony.lock().acknowledged.push((committed.sequence, entry));
        Ok(committed)
    }

    fn finish(self: Box<Self>) -> Result<(), CommitError> {
        self.opened.finish()
    }
}

impl Store for Witnessed {
    fn begin(&self, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        let opened = self.store.begin(deadline)?;
        Ok(Box::new(WitnessedTransaction { opened, of: self.clone() }))
    }

    fn snapshot(&self) -> Result<(Box<dyn View>, Instant), BeginError> {
        self.store.snapshot()
    }

    fn mark(&self) -> Result<Mark, BeginError> {
        self.store.mark()
    }

    fn wait(&self, past: Mark, timeout: Duration) -> Result<Mark, BeginError> {
        self.store.wait(past, timeout)
    }

    fn lock_task(
        &self,
        task: &TaskId,
        deadline: Deadline,
    ) -> Result<Option<Box<dyn LifeGuard>>, BeginError> {
        self.store.lock_task(task, deadline)
    }

    fn task_locker(&self, task: &TaskId) -> Result<Option<String>, ReadError> {
        self.store.task_locker(task)
    }

    fn contexts(&self) -> Arc<dyn Contexts> {
        self.store.contexts()
    }

    fn meter(&self) -> Arc<dyn Meter> {
        self.store.meter()
    }

    fn component(&self, digest: Digest) -> Result<Vec<u8>, ReadError> {
        self.store.component(digest)
    }

    fn live(&self, session: &SessionId) -> Result<Box<dyn LifeGuard>, ReadError> {
        self.store.live(session)
    }

    fn powers(&self) -> Arc<dyn Powers> {
        self.store.powers()
    }

    fn switch(
        &self,
        plan: SwitchPlan,
        ask: &mut Ask<'_>,
        deadline: Deadline,
    ) -> Result<Committed, SwitchError> {
        let digest = plan.policies.leading().digest;
        let committed = self.store.switch(plan, ask, deadline)?;
        self.world.answered(committed.sequence);
        self.testimony.lock().switched.push((committed.sequence, digest));
        Ok(committed)
    }

    fn history(
        &self,
        past: Sequence,
        each: &mut dyn FnMut(Sequence, Entry) -> bool,
    ) -> Result<(), ReadError> {
        self.store.history(past, each)
    }
}
