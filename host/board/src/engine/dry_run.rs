//! Running a command to see what it would do: on a snapshot, with hooks that may not act, and without a commit.

use std::sync::Arc;

use super::{Engine, Error, Work};
use crate::{
    CommitError, Committed, Entry, Instant, Opened, ReadError, Store, TaskId, TaskLocks, View,
    Vital,
};

/// Which tasks are locked by hand, looked at without holding any lock.
pub(super) struct LookedAt(pub(super) Arc<dyn Store>);

impl TaskLocks for LookedAt {
    fn try_hold(&mut self, task: &TaskId) -> Result<bool, ReadError> {
        Ok(self.0.task_locker(task)?.is_none())
    }
}

/// A transaction that nothing comes of. Nobody is proved dead in it, since that is proved under the board's lock.
struct Rehearsal {
    view: Option<Box<dyn View>>,
    now: Instant,
    store: Arc<dyn Store>,
}

impl Opened for Rehearsal {
    fn now(&self) -> Instant {
        self.now.clone()
    }

    fn view(&mut self) -> Box<dyn View> {
        self.view.take().expect("a transaction's view is taken once")
    }

    fn dead(&mut self, _holders: &[Vital]) -> Vec<Vital> {
        Vec::new()
    }

    fn task_locks(&mut self) -> Box<dyn TaskLocks> {
        Box::new(LookedAt(self.store.clone()))
    }

    fn commit(self: Box<Self>, _entry: Entry) -> Result<Committed, CommitError> {
        Err(CommitError::NotWritten("this is a rehearsal".into()))
    }

    fn finish(self: Box<Self>) -> Result<(), CommitError> {
        Ok(())
    }
}

impl Engine {
    /// What `body` answers, with nothing coming of it.
    pub(super) fn rehearse_command<T>(
        &self,
        body: impl Fn(&mut Work<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.look(|fell_back| self.rehearse_once(&body, fell_back))
    }

    fn rehearse_once<T>(
        &self,
        body: &impl Fn(&mut Work<'_>) -> Result<T, Error>,
        fell_back: bool,
    ) -> Result<T, Error> {
        let (snapshot, now) = self.store.snapshot()?;
        let rules = self.rules(&*snapshot, fell_back)?;
        let policy = self.prepare(&rules)?;
        let mut opened = Rehearsal { view: Some(snapshot), now, store: self.store.clone() };
        let (view, seed) = (opened.view(), (self.entropy)());
        let mut work = Work::new(self, &mut opened, view, policy.enter(true), &rules, seed)?;
        let answer = body(&mut work);
        work.hooks.close(false);
        answer
    }
}
