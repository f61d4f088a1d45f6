//! A small policy without WebAssembly, under which one change brings others with it: a task is ready once what it comes
//! after is completed, and a parent is completed with its last child.

use std::sync::Arc;

use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, Cause, Choice, Classified, Description, Digest, Event, Family, Filter, HookError,
    Hooked, Hooks, Policies, Policy, PolicyFailure, PolicyLimits, PolicyPin, PolicySet,
    PrepareError, ReadError, Readiness, Rescue, Status, StepError, TaskId, Transaction, Verdict,
};

/// Runs this policy, whatever a board is set to, and takes every setting.
#[derive(Clone, Copy, Default)]
pub(crate) struct FamilyPolicies(PlainPolicies);

impl Policies for FamilyPolicies {
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

    fn check(&self, component: &[u8]) -> Result<Description, PolicyFailure> {
        self.0.check(component)
    }

    fn check_settings(&self, _pin: &PolicyPin, _about: &Description) -> Result<(), String> {
        Ok(())
    }
}

impl Policy for FamilyPolicies {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        Box::new(FamilyHooks(self.0.enter(dry)))
    }
}

struct FamilyHooks(Box<dyn Hooks>);

fn readiness(tx: &Transaction, id: &TaskId) -> Result<Readiness, ReadError> {
    let Some(task) = tx.task(id)? else { return Ok(Readiness::Never("it is gone".into())) };
    for before in &task.after {
        if tx.task(before)?.is_none_or(|task| task.status != Status::Completed) {
            return Ok(Readiness::Waiting { on: vec![before.clone()], why: None });
        }
    }
    Ok(Readiness::Ready(0))
}

/// Completes the parent of a task if it was the last one.
fn complete_parent(tx: &mut Transaction, id: &TaskId) -> Result<(), HookError> {
    let Some(parent) = tx.task(id)?.and_then(|task| task.parent) else { return Ok(()) };
    let is_open = tx.task(&parent)?.is_some_and(|parent| !parent.status.is_finished());
    if !is_open || !tx.children(&parent, Family::Open, None, 1)?.is_empty() {
        return Ok(());
    }
    match tx.stage_status(&parent, Status::Completed, "its children are") {
        Err(StepError::Read(error)) => Err(error.into()),
        // The host's invariants have the last word.
        _ => Ok(()),
    }
}

impl Hooks for FamilyHooks {
    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified> {
        let answer = readiness(&tx, task).map(Classified::Is).map_err(HookError::from);
        Hooked { tx, answer }
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
        mut tx: Transaction,
        task: &TaskId,
        event: Event,
        _detail: &str,
    ) -> Hooked<Verdict> {
        let done = match event {
            Event::Completed => complete_parent(&mut tx, task),
            _ => Ok(()),
        };
        Hooked { tx, answer: done.map(|()| Verdict::Accept) }
    }

    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: Cause) -> Hooked<Rescue> {
        self.0.recover(tx, task, cause)
    }

    fn take_log(&mut self) -> Vec<String> {
        self.0.take_log()
    }

    fn close(self: Box<Self>, committed: bool) {
        self.0.close(committed);
    }
}
