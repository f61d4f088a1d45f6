//! Policies whose log is listened to.

use std::sync::Arc;

use parking_lot::Mutex;
use taskhost_board::{
    Agent, Cause, Choice, Classified, Description, Digest, Event, Filter, Hooked, Hooks, Policies,
    Policy, PolicyFailure, PolicyLimits, PolicyPin, PolicySet, PrepareError, ReadError, Rescue,
    TaskId, Transaction, Verdict,
};

/// Lines that policies wrote since they were last taken.
pub(super) type Lines = Arc<Mutex<Vec<String>>>;

/// The same policies, whose log lines are kept when a transaction ends.
pub(super) struct Heard {
    pub(super) policies: Arc<dyn Policies>,
    pub(super) lines: Lines,
}

struct HeardPolicy {
    policy: Arc<dyn Policy>,
    lines: Lines,
}

struct HeardHooks {
    hooks: Box<dyn Hooks>,
    lines: Lines,
}

impl Heard {
    fn listen(&self, policy: Arc<dyn Policy>) -> Arc<dyn Policy> {
        Arc::new(HeardPolicy { policy, lines: self.lines.clone() })
    }
}

impl Policies for Heard {
    fn ready(&self, set: &PolicySet, limits: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        self.policies.ready(set, limits).map(|policy| self.listen(policy))
    }

    fn prepare(
        &self,
        set: &PolicySet,
        limits: &PolicyLimits,
        fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        self.policies.prepare(set, limits, fetch).map(|policy| self.listen(policy))
    }

    fn check(&self, component: &[u8]) -> Result<Description, PolicyFailure> {
        self.policies.check(component)
    }

    fn check_settings(&self, pin: &PolicyPin, about: &Description) -> Result<(), String> {
        self.policies.check_settings(pin, about)
    }

    fn check_limits(&self, pin: &PolicyPin, board: &PolicyLimits) -> Result<(), String> {
        self.policies.check_limits(pin, board)
    }
}

impl Policy for HeardPolicy {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        Box::new(HeardHooks { hooks: self.policy.enter(dry), lines: self.lines.clone() })
    }
}

impl Hooks for HeardHooks {
    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified> {
        self.hooks.classify(tx, task)
    }

    fn choose(
        &mut self,
        tx: Transaction,
        asker: &Agent,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        self.hooks.choose(tx, asker, filter, lease_ms)
    }

    fn on_event(
        &mut self,
        tx: Transaction,
        task: &TaskId,
        event: Event,
        detail: &str,
    ) -> Hooked<Verdict> {
        self.hooks.on_event(tx, task, event, detail)
    }

    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: Cause) -> Hooked<Rescue> {
        self.hooks.recover(tx, task, cause)
    }

    fn take_log(&mut self) -> Vec<String> {
        self.hooks.take_log()
    }

    fn memory_bytes(&self) -> u64 {
        self.hooks.memory_bytes()
    }

    fn close(mut self: Box<Self>, committed: bool) {
        let said = self.hooks.take_log();
        if !said.is_empty() {
            self.lines.lock().extend(said);
        }
        self.hooks.close(committed);
    }
}
