//! What an answer stands on is durable before it is given, refusals and errors included; and it is given of one board.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::Kind;
use crate::around::{Around, Otherwise};
use crate::board::{Board, agent, board, id, name, request, soon, task, token};
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, AgentKind, Assignee, Cell, ClaimOutcome, ClaimRequest, CommitError, Committed, Engine,
    Entry, Error, Finish, Instant, NewTask, Numbers, Opened, Proof, TaskLocks, View, Vital,
};

/// Counts the transactions that ended with everything durable that was read. In none of them it is time to look for dead
/// holders by the way.
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
    fn is_time_to_look_for_dead(&mut self) -> bool {
        false
    }
    fn dead(&mut self, holders: &[Vital]) -> Vec<Vital> {
        self.opened.dead(holders)
    }
    fn task_locks(&mut self) -> Box<dyn TaskLocks> {
        self.opened.task_locks()
    }
    fn numbers(&mut self) -> Option<Box<dyn Numbers>> {
        self.opened.numbers()
    }
    fn lost(&mut self) -> Option<BTreeSet<Cell>> {
        self.opened.lost()
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

impl Otherwise for Arc<AtomicU32> {
    fn opened(&self, opened: Box<dyn Opened>) -> Box<dyn Opened> {
        Box::new(WatchedTransaction { opened, ended: self.clone() })
    }
}

/// An engine, and how many transactions have ended.
fn watched(kind: &Kind) -> (Board, Engine, impl Fn() -> u32) {
    let ended = Arc::<AtomicU32>::default();
    let board = board(kind);
    let around = Around { store: board.store.clone(), otherwise: ended.clone() };
    let engine = Engine::new(Arc::new(around), Arc::new(PlainPolicies::default()), Arc::new(|| 1));
    (board, engine, move || ended.load(Ordering::Relaxed))
}

/// "Somebody else has it" was said, without waiting, of a claim that a power failure could still take back.
pub(crate) fn refusals_wait_for_what_they_stand_on_too(kind: &Kind) {
    let (_board, engine, ended) = watched(kind);
    engine.add(&[task("t")], soon()).unwrap();
    let claimed = engine.claim(&request(&agent("ann")), soon()).unwrap();
    let ClaimOutcome::Claimed { task: held, .. } = claimed else { panic!("nothing to claim") };

    let before = ended();
    let mut wanted = request(&agent("bob"));
    wanted.filter.only = Some(id("t"));
    assert!(matches!(engine.claim(&wanted, soon()), Err(Error::Held { .. })));
    assert_eq!(ended(), before + 1);
    let stale = Proof { agent: name("bob"), token: Some(token(&held.claim).next()) };
    let late = engine.finish(&id("t"), &stale, &Finish::Complete(None), soon());
    assert!(matches!(late, Err(Error::Stale { .. })));
    assert_eq!(ended(), before + 2);
    assert!(matches!(engine.add(&[task("t")], soon()), Err(Error::Transition { .. })));
    assert_eq!(ended(), before + 3);
}

pub(crate) fn claim_that_finds_nothing_until_it_looks_for_the_dead_is_one_transaction(kind: &Kind) {
    // It was two: what had come due in the first one was seen by others before the claim was answered, and the answer
    // came from a board that others had changed meanwhile. (Found by `cargo xtask torture`.)
    let (board, engine, ended) = watched(kind);
    let assignee = Assignee { name: name("bob"), kind: AgentKind::Agent, hostname: None, by: None };
    let for_bob = NewTask { assignee: Some(assignee), ..task("for-bob") };
    engine.add(&[for_bob, task("held")], soon()).unwrap();
    let brief = ClaimRequest { lease_ms: Some(100_000), ..request(&agent("bob")) };
    engine.claim(&brief, soon()).unwrap();
    let dying = Agent { living: true, ..agent("dying") };
    let life = board.live(&dying);
    engine.claim(&request(&dying), soon()).unwrap();
    board.let_die(life);
    board.advance(Duration::from_secs(200));

    let before = ended();
    let ClaimOutcome::Claimed { task, .. } = engine.claim(&request(&agent("ann")), soon()).unwrap()
    else {
        panic!("the dead one's task is free")
    };
    assert_eq!(task.id, id("held"));
    assert_eq!(ended(), before + 1);
    let for_bob = engine.task(&id("for-bob")).unwrap();
    assert!(for_bob.claim.is_none(), "its lease was over");
}
