//! A board whose own policy fails, and which is set to let the standard one decide then.

use std::sync::Arc;

use crate::board::{Board, agent, id, request, soon, task};
use crate::{Kind, Plan};
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, BoardSettings, Change, Choice, Digest, Error, FailureKind, Filter, HookError, Hooked,
    Hooks, Policies, Policy, PolicyFailure, PolicyLimits, PolicySet, PrepareError, ReadError,
    Transaction, delegate_hooks, delegate_policies,
};

/// Runs the plain policy as the standard one. One that was set does as it does, but fails when somebody asks for
/// work, after it has staged something.
#[derive(Clone, Copy, Default)]
struct Failing(PlainPolicies);

struct FailingHooks(Box<dyn Hooks>);

impl Policies for Failing {
    fn ready(&self, set: &PolicySet, limits: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        match set.custom {
            Some(_) => Some(Arc::new(*self)),
            None => self.0.ready(set, limits),
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

    delegate_policies!(0: check describe check_settings check_limits);
}

impl Policy for Failing {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        Box::new(FailingHooks(self.0.enter(dry)))
    }
}

impl Hooks for FailingHooks {
    delegate_hooks!(0: classify on_event recover take_log memory_bytes close);

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
            task: None,
            mismatches: Vec::new(),
        };
        Hooked { tx, answer: Err(HookError::Policy(failure)) }
    }
}

fn board(kind: &Kind, fallback: bool) -> Board {
    let settings = BoardSettings { fallback, ..BoardSettings::default() };
    let plan = Plan::new(Some(b"failing"), b"plain", &settings);
    Board::new(kind, &plan, Arc::new(Failing::default()))
}

pub(crate) fn failure_is_an_error_unless_the_board_is_set_otherwise(kind: &Kind) {
    let board = board(kind, false);
    board.add(&[task("a")]).unwrap();
    assert!(matches!(board.claim(&request(&agent("ann"))), Err(Error::Policy(_))));
    assert_eq!(board.task("a").attempts, 0, "what was staged before is gone");
}

pub(crate) fn standard_policy_decides_in_its_place_and_the_history_says_so(kind: &Kind) {
    let board = board(kind, true);
    board.add(&[task("a")]).unwrap();
    assert_eq!(board.next("ann").unwrap().id, id("a"));
    assert_eq!(board.task("a").attempts, 1, "it was claimed once, not twice");
    let changes = board.entries().pop().unwrap().changes;
    let fell_back = changes.iter().any(|change| {
        matches!(change, Change::FellBack { hook, kind, detail }
            if hook == "assignment" && kind == "trap" && detail == "division by zero")
    });
    assert!(fell_back, "{changes:?}");
    board.engine.upkeep(soon()).unwrap();
    board.assert_sound();
}
