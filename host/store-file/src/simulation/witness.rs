//! A store that remembers what it was asked and what it answered, so that it can be asked again after a crash.
//!
//! - [`Witnessed`]: the store. [`Testimony`]: what it remembers, of entries, switches, answers that changed nothing, and
//!   values beside the journal (`kept`).
//!
//! What was asked for may stand in the history afterwards, unless the answer was that nothing was changed.

use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use parking_lot::Mutex;
use taskhost_board::{
    Ask, BeginError, Change, CommitError, Committed, Contexts, Digest, Entry, Instant, Keeper as _,
    LifeGuard, Mark, Meter, Millis, Opened, PolicySet, Powers, ReadError, Sequence, SessionId,
    Store, SwitchError, SwitchPlan, TaskId, TaskLocks, View, Vital,
};

use super::World;
use super::kept::{Kept, Values, WitnessedContexts, WitnessedPowers};
use crate::FileStore;

/// What a store was asked to commit, and what it said about it.
#[derive(Debug, Clone, Default)]
pub struct Testimony {
    /// Every entry that was to be committed, without those of which somebody was told that nothing was written.
    pub attempted: Vec<Entry>,
    /// Those of which somebody was told that they are.
    pub acknowledged: Vec<(Sequence, Entry)>,
    /// The policies that were to be switched to, without those of which somebody was told that nothing was changed.
    pub switching: Vec<PolicySet>,
    /// The switches to other policies of which somebody was told that they happened.
    pub switched: Vec<(Sequence, Digest)>,
    /// The newest entry on which anybody was told anything, be it that there is nothing to do.
    pub seen: Sequence,
    /// The values beside the journal.
    pub values: Values,
    /// Whether the oldest part of the history may have been removed.
    pub may_trim: bool,
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
    /// What somebody knows who has read the whole board: all of it is to be there afterwards.
    pub fn of(store: &FileStore) -> Result<Self, ReadError> {
        let mut acknowledged = Vec::new();
        store.history(Sequence(0), &mut |sequence, entry| {
            acknowledged.push((sequence, entry));
            true
        })?;
        let attempted = acknowledged.iter().map(|(_, entry)| entry.clone()).collect();
        let seen = acknowledged.last().map(|(sequence, _)| *sequence).unwrap_or_default();
        Ok(Self { attempted, acknowledged, seen, ..Self::default() })
    }

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
        let first = found.first().map_or(Sequence(u64::MAX), |(sequence, _)| *sequence);
        for acknowledged in &self.acknowledged {
            let is_trimmed = self.may_trim && acknowledged.0 < first;
            if !is_trimmed && !found.contains(acknowledged) {
                wrong.push(format!("acknowledged entry {} is missing", acknowledged.0));
            }
        }
        for (sequence, entry) in &found {
            if !self.attempted.contains(entry) && !self.is_attempted_switch(entry) {
                wrong.push(format!("entry {sequence} is one that nobody made"));
            }
        }
        for (sequence, digest) in &self.switched {
            let there = found.iter().any(|(at, entry)| {
                at == sequence
                    && entry.changes.iter().any(|change| {
                        matches!(change, Change::PoliciesSet(set)
                            if set.leading().digest == *digest)
                    })
            });
            if !there {
                wrong.push(format!("acknowledged switch {sequence} is missing"));
            }
        }
        match store.snapshot().and_then(|(view, _)| Ok(view.head()?)) {
            Ok(head) if head.sequence < self.seen => wrong.push(format!(
                "the board ends with entry {}, and somebody was told of entry {}",
                head.sequence, self.seen
            )),
            Ok(_) => {}
            Err(error) => wrong.push(format!("the board can't be read: {error}")),
        }
        wrong.extend(self.values.contradictions(store));
        let report = store.doctor();
        if !report.is_clean() {
            wrong.extend(report.findings.iter().map(|finding| format!("the doctor: {finding}")));
        }
        wrong
    }

    /// The store itself makes the entry of a switch, so only its policies are known.
    fn is_attempted_switch(&self, entry: &Entry) -> bool {
        matches!(entry.changes.first(), Some(Change::PoliciesSet(set))
            if self.switching.contains(set))
    }
}

/// Takes one of those that are equal to this away.
fn take_one<T: PartialEq>(all: &mut Vec<T>, this: &T) {
    if let Some(at) = all.iter().rposition(|other| other == this) {
        all.remove(at);
    }
}

impl Witnessed {
    /// The values beside the journal that anybody has touched or asked for.
    pub fn known_values(&self) -> Vec<Kept> {
        self.testimony.lock().values.known().cloned().collect()
    }

    /// Somebody was told something about the board as it is after this entry.
    fn told(&self, of: Sequence) {
        let mut testimony = self.testimony.lock();
        testimony.seen = testimony.seen.max(of);
    }
}

struct WitnessedTransaction {
    opened: Box<dyn Opened>,
    of: Witnessed,
    /// The newest entry that it has seen.
    seen: Sequence,
}

impl Opened for WitnessedTransaction {
    fn now(&self) -> Instant {
        self.opened.now()
    }

    fn view(&mut self) -> Box<dyn View> {
        let view = self.opened.view();
        self.seen = view.head().map(|head| head.sequence).unwrap_or_default();
        view
    }

    fn dead(&mut self, holders: &[Vital]) -> Vec<Vital> {
        self.opened.dead(holders)
    }

    fn task_locks(&mut self) -> Box<dyn TaskLocks> {
        self.opened.task_locks()
    }

    fn commit(self: Box<Self>, entry: Entry) -> Result<Committed, CommitError> {
        self.of.testimony.lock().attempted.push(entry.clone());
        let committed = self.opened.commit(entry.clone());
        if let Err(CommitError::NotWritten(_)) = committed {
            take_one(&mut self.of.testimony.lock().attempted, &entry);
        }
        let committed = committed?;
        self.of.world.answered(committed.sequence);
        self.of.testimony.lock().acknowledged.push((committed.sequence, entry));
        Ok(committed)
    }

    fn finish(self: Box<Self>) -> Result<(), CommitError> {
        self.opened.finish()?;
        self.of.told(self.seen);
        Ok(())
    }
}

impl Store for Witnessed {
    fn begin(&self, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        let opened = self.store.begin(deadline)?;
        Ok(Box::new(WitnessedTransaction { opened, of: self.clone(), seen: Sequence(0) }))
    }

    fn snapshot(&self) -> Result<(Box<dyn View>, Instant), BeginError> {
        let (view, now) = self.store.snapshot()?;
        self.told(view.head()?.sequence);
        Ok((view, now))
    }

    fn mark(&self) -> Result<Mark, BeginError> {
        self.store.mark()
    }

    fn wait(&self, past: Mark, timeout: Duration) -> Result<Mark, BeginError> {
        self.store.wait(past, timeout)
    }

    fn wall(&self) -> Millis {
        self.store.wall()
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
        let (contexts, testimony) = (self.store.contexts(), self.testimony.clone());
        Arc::new(WitnessedContexts { contexts, testimony })
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
        let (powers, testimony) = (self.store.powers(), self.testimony.clone());
        Arc::new(WitnessedPowers { powers, testimony })
    }

    fn switch(
        &self,
        plan: SwitchPlan,
        ask: &mut Ask<'_>,
        deadline: Deadline,
    ) -> Result<Committed, SwitchError> {
        let policies = plan.policies.clone();
        let digest = policies.leading().digest;
        self.testimony.lock().switching.push(policies.clone());
        let committed = self.store.switch(plan, ask, deadline);
        // Every other error says that nothing was changed.
        if committed
            .as_ref()
            .is_err_and(|e| !matches!(e, SwitchError::Commit(CommitError::Unknown(_))))
        {
            take_one(&mut self.testimony.lock().switching, &policies);
        }
        let committed = committed?;
        self.told(committed.sequence);
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
