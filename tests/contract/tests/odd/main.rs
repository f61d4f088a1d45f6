//! The contract on stores that are odd: those that break it are found out, and those that don't pass.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

/// Writes the named functions of a store, each as the one in the field `store` does it; `rest` are those that no store
/// here does otherwise.
macro_rules! delegate_store {
    ($($function:ident)+) => { $(delegate_store!(@$function);)+ };
    (@snapshot) => {
        fn snapshot(&self) -> Result<(Box<dyn View>, Instant), BeginError> {
            self.store.snapshot()
        }
    };
    (@mark) => {
        fn mark(&self) -> Result<taskhost_board::Mark, BeginError> {
            self.store.mark()
        }
    };
    (@wait) => {
        fn wait(
            &self,
            past: taskhost_board::Mark,
            timeout: Duration,
        ) -> Result<taskhost_board::Mark, BeginError> {
            self.store.wait(past, timeout)
        }
    };
    (@history) => {
        fn history(
            &self,
            past: taskhost_board::Sequence,
            each: &mut dyn FnMut(taskhost_board::Sequence, Entry) -> bool,
        ) -> Result<(), ReadError> {
            self.store.history(past, each)
        }
    };
    (@rest) => {
        fn component(&self, digest: taskhost_board::Digest) -> Result<Vec<u8>, ReadError> {
            self.store.component(digest)
        }
        fn live(
            &self,
            session: &taskhost_board::SessionId,
        ) -> Result<Box<dyn taskhost_board::LifeGuard>, ReadError> {
            self.store.live(session)
        }
        fn lock_task(
            &self,
            task: &TaskId,
            deadline: Deadline,
        ) -> Result<Option<Box<dyn taskhost_board::LifeGuard>>, BeginError> {
            self.store.lock_task(task, deadline)
        }
        fn task_locker(&self, task: &TaskId) -> Result<Option<String>, ReadError> {
            self.store.task_locker(task)
        }
        fn contexts(&self) -> Arc<dyn taskhost_board::Contexts> {
            self.store.contexts()
        }
        fn meter(&self) -> Arc<dyn taskhost_board::Meter> {
            self.store.meter()
        }
        fn powers(&self) -> Arc<dyn taskhost_board::Powers> {
            self.store.powers()
        }
        fn switch(
            &self,
            plan: taskhost_board::SwitchPlan,
            ask: &mut taskhost_board::Ask<'_>,
            deadline: Deadline,
        ) -> Result<Committed, taskhost_board::SwitchError> {
            self.store.switch(plan, ask, deadline)
        }
    };
}

mod careless;
mod loose;
