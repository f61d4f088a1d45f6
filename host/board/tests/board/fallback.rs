//! A board whose own policy fails, and which is set to let the standard one decide then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{Board, agent, id, request, soon, task};
use taskhost_board::memory::MemoryStore;
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, BoardSettings, Cause, Change, Choice, Classified, Description, Digest, Engine, Error,
    Event, FailureKind, Filter, HookError, Hooked, Hooks, Policies, Policy, PolicyFailure,
    PolicyLimits, PolicyPin, PolicySet, PrepareError, ReadError, Rescue, TaskId, Transaction,
    Verdict,
};

/// Runs the plain policy as the standard one. One that was set does as it does, but fails when somebody asks for
/// work, after it has staged something.
struct Failing;

struct FailingHooks(PlainPolicies);

impl Policies for Failing {
    fn ready(&self, set: &PolicySet, limits: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        match set.custom {
            Some(_) => Some(Arc::new(Self)),
            None => PlainPolicies::default().ready(set, limits),
        }
    }
    fn prepare(
        &self,
        set: &PolicySet,
        limits: &PolicyLimits,
        _fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        Ok(self.ready(set, limits).expect("it is always ready"))
    }
    fn check(&self, component: &[u8]) -> Result<Description, PolicyFailure> {
        PlainPolicies::default().check(component)
    }
    fn check_settings(&self, _pin: &PolicyPin, _about: &Description) -> Result<(), String> {
        Ok(())
    }
    fn check_limits(&self, _pin: &PolicyPin, _board: &PolicyLimits) -> Result<(), String> {
        Ok(())
    }
}

impl Policy for Failing {
    fn enter(&self, _dry: bool) -> Box<dyn Hooks> {
        Box::new(FailingHooks(PlainPolicies::default()))
    }
}

impl Hooks for FailingHooks {
    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified> {
        self.0.classify(tx, task)
    }
    fn choose(
        &mut self,
        tx: Transaction,
        asker: &Agent,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        let Hooked { tx, .. } = self.0.choose(tx, asker, filter, lease_ms);
        let failure = PolicyFailure {
            kind: FailureKind::Trap,
            policy: "failing".into(),
            hook: "assignment",
            detail: "division by zero".into(),
            mismatches: Vec::new(),
        };
        Hooked { tx, answer: Err(HookError::Policy(failure)) }
    }
    fn on_event(
        &mut self,
        tx: Transaction,
        task: &TaskId,
        event: Event,
        detail: &str,
    ) -> Hooked<Verdict> {
        self.0.on_event(tx, task, event, detail)
    }
    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: Cause) -> Hooked<Rescue> {
        self.0.recover(tx, task, cause)
    }
    fn take_log(&mut self) -> Vec<String> {
        Vec::new()
    }
    fn memory_bytes(&self) -> u64 {
        0
    }
    fn close(self: Box<Self>, _committed: bool) {}
}

fn board(fallback: bool) -> Board {
    let pin = |bytes: &[u8]| PolicyPin { digest: Digest::of(bytes), settings: BTreeMap::new() };
    let set = PolicySet { custom: Some(pin(b"failing")), standard: pin(b"plain") };
    let settings = BoardSettings { fallback, ..BoardSettings::default() };
    let store = MemoryStore::new(&set, BTreeMap::new(), &settings).unwrap();
    let counter = AtomicU64::new(1);
    let entropy = Arc::new(move || counter.fetch_add(1, Ordering::Relaxed));
    let engine = Engine::new(Arc::new(store.clone()), Arc::new(Failing), entropy);
    Board { engine, store }
}

#[test]
fn failure_is_an_error_unless_the_board_is_set_otherwise() {
    let board = board(false);
    board.add(&[task("a")]).unwrap();
    assert!(matches!(board.claim(&request(&agent("ann"))), Err(Error::Policy(_))));
    assert_eq!(board.task("a").attempts, 0, "what was staged before is gone");
}

#[test]
fn standard_policy_decides_in_its_place_and_the_history_says_so() {
    let board = board(true);
    board.add(&[task("a")]).unwrap();
    assert_eq!(board.next("ann").unwrap().id, id("a"));
    assert_eq!(board.task("a").attempts, 1, "it was claimed once, not twice");
    let changes = board.store.entries().pop().unwrap().changes;
    let fell_back = changes.iter().any(|change| {
        matches!(change, Change::FellBack { hook, kind, detail }
            if hook == "assignment" && kind == "trap" && detail == "division by zero")
    });
    assert!(fell_back, "{changes:?}");
    board.engine.upkeep(soon()).unwrap();
    board.assert_sound();
}
