//! Compiling a policy keeps nobody waiting.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    BoardSettings, ClaimOutcome, Digest, Engine, Policies, Policy, PolicyLimits, PolicySet,
    PrepareError, ReadError, Store, delegate_policies,
};

use crate::board::{Board, agent, id, request, soon, task};
use crate::{Kind, Plan};

/// Policies that this process hasn't met: each transaction finds so anew, until it was tried often enough.
struct Unmet {
    plain: PlainPolicies,
    store: OnceLock<Arc<dyn Store>>,
    finds_none: AtomicU64,
    compiled: Arc<AtomicU64>,
}

impl Policies for Unmet {
    fn ready(&self, set: &PolicySet, limits: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        let left = self.finds_none.load(Ordering::Relaxed);
        self.finds_none.store(left.saturating_sub(1), Ordering::Relaxed);
        if left > 0 { None } else { self.plain.ready(set, limits) }
    }
    fn prepare(
        &self,
        set: &PolicySet,
        limits: &PolicyLimits,
        fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        // Somebody else changes the board meanwhile, which he couldn't if the lock were held here.
        let count = self.compiled.fetch_add(1, Ordering::Relaxed);
        let policies = Arc::new(self.plain);
        let other = Engine::new(self.store.get().unwrap().clone(), policies, Arc::new(|| 7));
        other.add(&[task(&format!("meanwhile-{count}"))], soon()).expect("the lock is free");
        self.plain.prepare(set, limits, fetch)
    }

    delegate_policies!(plain: check describe check_settings check_limits);
}

// A process that met a new policy after it had locked the board compiled it under the lock: eleven seconds in which
// nobody else got a task.
pub(crate) fn policy_that_a_process_has_not_met_is_compiled_while_others_change_the_board(
    kind: &Kind,
) {
    let compiled = Arc::new(AtomicU64::new(0));
    let unmet = Arc::new(Unmet {
        plain: PlainPolicies::default(),
        store: OnceLock::new(),
        finds_none: AtomicU64::new(2),
        compiled: compiled.clone(),
    });
    let plan = Plan::new(None, b"plain", &BoardSettings::default());
    let board = Board::new(kind, &plan, unmet.clone());
    assert!(unmet.store.set(board.store.clone()).is_ok());
    let claimed = board.claim(&request(&agent("a"))).unwrap();
    assert!(compiled.load(Ordering::Relaxed) >= 2, "it was compiled after the lock was let go");
    // It started over, so it sees what happened meanwhile.
    let ClaimOutcome::Claimed { task: given, .. } = claimed else { panic!("{claimed:?}") };
    assert_eq!(given.id, id("meanwhile-0"));
    assert!(board.engine.task(&id("meanwhile-1")).is_ok());
}
