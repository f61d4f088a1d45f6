//! A board of which something is done otherwise.

use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{
    Aim, Ask, BeginError, Begun, Committed, Contexts, Digest, Entry, Instant, LifeGuard, Mark,
    Meter, Opened, PostError, Posting, Powers, ReadError, Sequence, SessionId, Store, SwitchError,
    SwitchPlan, TaskId, View,
};

/// What is done otherwise.
pub(crate) trait Otherwise: Send + Sync {
    /// What is used in place of a transaction.
    fn opened(&self, opened: Box<dyn Opened>) -> Box<dyn Opened> {
        opened
    }
    /// What is found of a posting that was served by somebody who died, if it was.
    fn posted(&self) -> Option<Box<Entry>> {
        None
    }
}

pub(crate) struct Around<O> {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) otherwise: O,
}

impl<O: Otherwise> Store for Around<O> {
    fn begin(&self, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        Ok(self.otherwise.opened(self.store.begin(deadline)?))
    }
    fn begin_for(&self, aim: &Aim, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        Ok(self.otherwise.opened(self.store.begin_for(aim, deadline)?))
    }
    fn begin_or_post(&self, posting: &Posting<'_>, deadline: Deadline) -> Result<Begun, PostError> {
        match self.otherwise.posted() {
            Some(entry) => Ok(Begun::Found(entry)),
            None => Ok(Begun::Opened(self.begin_for(posting.aim, deadline)?)),
        }
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
    fn component(&self, digest: Digest) -> Result<Vec<u8>, ReadError> {
        self.store.component(digest)
    }
    fn live(&self, session: &SessionId) -> Result<Box<dyn LifeGuard>, ReadError> {
        self.store.live(session)
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
    fn powers(&self) -> Arc<dyn Powers> {
        self.store.powers()
    }
    fn switch(
        &self,
        plan: SwitchPlan,
        ask: &mut Ask<'_>,
        deadline: Deadline,
    ) -> Result<Committed, SwitchError> {
        self.store.switch(plan, ask, deadline)
    }
    fn history(
        &self,
        past: Sequence,
        each: &mut dyn FnMut(Sequence, Entry) -> bool,
    ) -> Result<(), ReadError> {
        self.store.history(past, each)
    }
}
