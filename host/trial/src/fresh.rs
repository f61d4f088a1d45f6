//! Policies whose instances live for one transaction only.

use std::sync::Arc;

use taskhost_board::{
    Agent, Cause, Choice, Classified, Event, Filter, Hooked, Rescue, TaskId, Transaction, Verdict,
};
use taskhost_board::{
    Description, Digest, Hooks, Policies, Policy, PolicyFailure, PolicyLimits, PolicyPin,
    PolicySet, PrepareError, ReadError,
};

/// The same policies, every transaction in fresh instances.
pub(crate) struct Fresh(pub(crate) Arc<dyn Policies>);

struct FreshPolicy(Arc<dyn Policy>);

struct FreshHooks(Box<dyn Hooks>);

impl Policies for Fresh {
    fn ready(&self, set: &PolicySet, limits: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        self.0.ready(set, limits).map(|policy| Arc::new(FreshPolicy(policy)) as Arc<dyn Policy>)
    }

    fn prepare(
        &self,
        set: &PolicySet,
        limits: &PolicyLimits,
        fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        Ok(Arc::new(FreshPolicy(self.0.prepare(set, limits, fetch)?)))
    }

    fn check(&self, component: &[u8]) -> Result<Description, PolicyFailure> {
        self.0.check(component)
    }

    fn check_settings(&self, pin: &PolicyPin, about: &Description) -> Result<(), String> {
        self.0.check_settings(pin, about)
    }

    fn check_limits(&self, pin: &PolicyPin, board: &PolicyLimits) -> Result<(), String> {
        self.0.check_limits(pin, board)
    }
}

impl Policy for FreshPolicy {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        Box::new(FreshHooks(self.0.enter(dry)))
    }
}

impl Hooks for FreshHooks {
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
        self.0.choose(tx, asker, filter, lease_ms)
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
        self.0.take_log()
    }

    fn memory_bytes(&self) -> u64 {
        self.0.memory_bytes()
    }

    fn close(self: Box<Self>, _committed: bool) {
        // An instance of a transaction that was not committed is never asked again.
        self.0.close(false);
    }
}
