//! Claims that were posted, and decided by somebody who died before it could say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant as Deadline};

use crate::common::{Board, agent, board, id, request, soon, task};
use taskhost_board::memory::MemoryStore;
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Ask, BeginError, Begun, Change, ClaimOutcome, Committed, Contexts, Digest, Engine, Entry,
    Instant, LifeGuard, Mark, Meter, Opened, PostError, Posting, Powers, ReadError, Sequence,
    SessionId, Store, SwitchError, SwitchPlan, Task, TaskId, View,
};

/// A store whose first posting is decided by somebody who dies; all that is found of it is its entry.
struct AnswerLost {
    store: MemoryStore,
    /// Decides, and does what happens until the entry is found.
    decide: Box<dyn Fn() + Send + Sync>,
    is_decided: AtomicBool,
}

impl AnswerLost {
    fn entry(&self) -> Box<Entry> {
        let mut found = None;
        let mut look = |_: Sequence, entry: Entry| {
            let is_claim = |change: &Change| matches!(change, Change::Claimed { .. });
            found = entry.changes.iter().any(is_claim).then_some(entry);
            found.is_none()
        };
        self.store.history(Sequence(0), &mut look).unwrap();
        Box::new(found.expect("somebody claimed"))
    }
}

impl Store for AnswerLost {
    fn begin_or_post(&self, _: &Posting<'_>, deadline: Deadline) -> Result<Begun, PostError> {
        if self.is_decided.swap(true, Ordering::Relaxed) {
            return Ok(Begun::Opened(self.begin(deadline)?));
        }
        (self.decide)();
        Ok(Begun::Found(self.entry()))
    }

    fn begin(&self, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        self.store.begin(deadline)
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

/// What an agent `a` is told on a board of two tasks where somebody claims the first one for it, and dies; then comes what
/// `then` does.
fn told(then: impl Fn(&Board) + Send + Sync + 'static) -> (MemoryStore, Task) {
    let board = board();
    board.add(&[task("first"), task("second")]).unwrap();
    let store = board.store.clone();
    let decide = Box::new(move || {
        assert_eq!(board.next("a").unwrap().id, id("first"));
        then(&board);
    });
    let lost = AnswerLost { store: store.clone(), decide, is_decided: AtomicBool::new(false) };
    let engine = Engine::new(Arc::new(lost), Arc::new(PlainPolicies::default()), Arc::new(|| 4711));
    match engine.claim(&request(&agent("a")), soon()).unwrap() {
        ClaimOutcome::Claimed { task, .. } => (store, *task),
        ClaimOutcome::Nothing { .. } => panic!("it got nothing"),
    }
}

fn claims(store: &MemoryStore) -> usize {
    let mut claims = 0;
    let mut count = |_: Sequence, entry: Entry| {
        let is_claim = |change: &&Change| matches!(change, Change::Claimed { .. });
        claims += entry.changes.iter().filter(is_claim).count();
        true
    };
    store.history(Sequence(0), &mut count).unwrap();
    claims
}

#[test]
fn claim_of_which_only_the_entry_is_known_is_told() {
    let (store, task) = told(|_| {});
    assert_eq!(task.id, id("first"));
    assert_eq!(claims(&store), 1);
}

#[test]
fn claim_that_has_ended_before_anybody_was_told_of_it_is_made_anew() {
    // The asker was told that the outcome was unknown because writing to disk had failed, which was true of neither.
    let (store, task) = told(|board| {
        board.store.advance(Duration::from_secs(2 * 60 * 60));
        assert_eq!(board.next("b").unwrap().id, id("first"));
    });
    assert_eq!(task.id, id("second"));
    assert_eq!(task.claim.unwrap().agent, agent("a").name);
    assert_eq!(claims(&store), 3);
}
