//! What an answer stands on is durable before it is given, refusals and errors included.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant as Deadline};

use crate::common::{agent, id, name, request, soon, task};
use taskhost_board::memory::MemoryStore;
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Ask, BeginError, BoardSettings, CommitError, Committed, Contexts, Digest, Engine, Entry, Error,
    Finish, Instant, LifeGuard, Mark, Meter, Opened, PolicyPin, PolicySet, Powers, Proof,
    ReadError, Sequence, SessionId, Store, SwitchError, SwitchPlan, TaskId, TaskLocks, Token, View,
    Vital,
};

/// A store that counts the transactions that ended with everything durable that was read.
#[derive(Clone)]
struct Watched {
    store: MemoryStore,
    ended: Arc<AtomicU32>,
}

struct WatchedTransaction {
    opened: Box<dyn Opened>,
    ended: Arc<AtomicU32>,
}

impl Opened for WatchedTransaction {
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
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.opened.commit(entry)
    }
    fn finish(self: Box<Self>) -> Result<(), CommitError> {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.opened.finish()
    }
}

impl Store for Watched {
    fn begin(&self, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        let opened = self.store.begin(deadline)?;
        Ok(Box::new(WatchedTransaction { opened, ended: self.ended.clone() }))
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

/// "Somebody else has it" was said, without waiting, of a claim that a power failure could still take back.
#[test]
fn refusals_wait_for_what_they_stand_on_too() {
    let pin = PolicyPin { digest: Digest::of(b"plain"), settings: BTreeMap::new() };
    let set = PolicySet { custom: None, standard: pin };
    let store = MemoryStore::new(&set, BTreeMap::new(), &BoardSettings::default()).unwrap();
    let store = Watched { store, ended: Arc::default() };
    let engine =
        Engine::new(Arc::new(store.clone()), Arc::new(PlainPolicies::default()), Arc::new(|| 1));
    engine.add(&[task("t")], soon()).unwrap();
    engine.claim(&request(&agent("ann")), soon()).unwrap();
    let ended = || store.ended.load(Ordering::Relaxed);

    let before = ended();
    let mut wanted = request(&agent("bob"));
    wanted.filter.only = Some(id("t"));
    assert!(matches!(engine.claim(&wanted, soon()), Err(Error::Held { .. })));
    assert_eq!(ended(), before + 1);
    let stale = Proof { agent: name("bob"), token: Some(Token(9)) };
    let late = engine.finish(&id("t"), &stale, &Finish::Complete(None), soon());
    assert!(matches!(late, Err(Error::Stale { .. })));
    assert_eq!(ended(), before + 2);
    assert!(matches!(engine.add(&[task("t")], soon()), Err(Error::Transition { .. })));
    assert_eq!(ended(), before + 3);
}
