//! The least policy there is, in Rust: a task is ready once its parent and its dependencies are completed, the
//! first in rank order goes to whoever asks, and what is lost comes back.
//!
//! It runs without WebAssembly: for tests of stores, and as the yardstick for what running a policy costs. No
//! board that people use is decided by it.

use std::sync::Arc;

use crate::{
    Agent, Cause, Choice, Classified, Description, Digest, Event, Filter, HookError, Hooked, Hooks,
    Order, Policies, Policy, PolicyFailure, PolicyLimits, PolicyPin, PolicySet, PrepareError,
    ReadError, Readiness, ReadyQuery, Rescue, Reservation, Status, StepError, TaskId, Transaction,
    Verdict,
};

/// Runs nothing but [`crate::plain`]'s policy, whatever a board is set to.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainPolicies {
    /// In which order tasks are given out.
    pub order: Order,
}

impl Policies for PlainPolicies {
    fn ready(&self, _set: &PolicySet, _limits: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        Some(Arc::new(*self))
    }

    fn prepare(
        &self,
        _set: &PolicySet,
        _limits: &PolicyLimits,
        _fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        Ok(Arc::new(*self))
    }

    fn check(&self, _component: &[u8]) -> Result<Description, PolicyFailure> {
        Ok(Description {
            name: "plain".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "first come, first served".into(),
            settings: Vec::new(),
            hooks: Vec::new(),
        })
    }

    fn describe(&self, component: &[u8]) -> Result<Description, PolicyFailure> {
        self.check(component)
    }

    fn check_settings(&self, pin: &PolicyPin, _about: &Description) -> Result<(), String> {
        match pin.settings.keys().next() {
            Some(name) => Err(format!("the plain policy has no setting `{name}`")),
            None => Ok(()),
        }
    }

    fn check_limits(&self, _pin: &PolicyPin, _board: &PolicyLimits) -> Result<(), String> {
        Ok(())
    }
}

impl Policy for PlainPolicies {
    fn enter(&self, _dry: bool) -> Box<dyn Hooks> {
        Box::new(*self)
    }
}

/// Runs this one policy, whatever a board is set to, and takes every setting and limit.
#[derive(Clone)]
pub struct OnlyPolicy(Arc<dyn Policy>);

impl OnlyPolicy {
    /// Runs `policy`.
    pub fn new(policy: impl Policy + 'static) -> Self {
        Self(Arc::new(policy))
    }
}

impl Policies for OnlyPolicy {
    fn ready(&self, _set: &PolicySet, _limits: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        Some(self.0.clone())
    }

    fn prepare(
        &self,
        _set: &PolicySet,
        _limits: &PolicyLimits,
        _fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        Ok(self.0.clone())
    }

    fn check(&self, component: &[u8]) -> Result<Description, PolicyFailure> {
        PlainPolicies::default().check(component)
    }

    fn describe(&self, component: &[u8]) -> Result<Description, PolicyFailure> {
        self.check(component)
    }

    fn check_settings(&self, _pin: &PolicyPin, _about: &Description) -> Result<(), String> {
        Ok(())
    }

    fn check_limits(&self, _pin: &PolicyPin, _board: &PolicyLimits) -> Result<(), String> {
        Ok(())
    }
}

impl PlainPolicies {
    fn readiness(tx: &Transaction, id: &TaskId) -> Result<Readiness, ReadError> {
        let Some(task) = tx.task(id)? else { return Ok(Readiness::Never("it is gone".into())) };
        for before in task.parent.iter().chain(&task.after) {
            if tx.task(before)?.is_none_or(|task| task.status != Status::Completed) {
                return Ok(Readiness::Waiting { on: vec![before.clone()], why: None });
            }
        }
        Ok(match task.not_before {
            Some(at) if at > tx.now().wall => Readiness::Until(at),
            _ => Readiness::Ready(0),
        })
    }

    fn first(
        self,
        tx: &mut Transaction,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Result<Choice, HookError> {
        let Some(asker) = tx.asker().cloned() else {
            return Ok(Choice::Nothing(None));
        };
        let query = ReadyQuery {
            filter: filter.clone(),
            reserved: Reservation::Either(asker),
            order: self.order,
        };
        let mut past = None;
        while let Some(candidate) = tx.ready(&query, past, 1)?.pop() {
            match tx.stage_claim(&candidate.id, lease_ms) {
                Ok(_) => return Ok(Choice::Staged),
                Err(StepError::Read(error)) => return Err(error.into()),
                // Somebody has locked it by hand.
                Err(StepError::Conflict(_)) => past = Some(candidate.place),
                Err(refused) => return Ok(Choice::Refused(refused.to_string())),
            }
        }
        Ok(Choice::Nothing(None))
    }
}

impl Hooks for PlainPolicies {
    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified> {
        let answer = Self::readiness(&tx, task).map(Classified::Is).map_err(HookError::from);
        Hooked { tx, answer }
    }

    fn choose(
        &mut self,
        mut tx: Transaction,
        _asker: &Agent,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        let answer = self.first(&mut tx, filter, lease_ms);
        Hooked { tx, answer }
    }

    fn on_event(
        &mut self,
        tx: Transaction,
        _task: &TaskId,
        _event: Event,
        _detail: &str,
    ) -> Hooked<Verdict> {
        Hooked { tx, answer: Ok(Verdict::Accept) }
    }

    fn recover(&mut self, tx: Transaction, _task: &TaskId, _cause: Cause) -> Hooked<Rescue> {
        Hooked { tx, answer: Ok(Rescue::Release) }
    }

    fn take_log(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn memory_bytes(&self) -> u64 {
        0
    }

    fn close(self: Box<Self>, _committed: bool) {}
}
