//! A small policy without WebAssembly, under which one change brings others with it: a task is ready once what it comes
//! after is completed, and a parent is completed with its last child. What is of the type [`REVIEWED`] waits for review
//! once it is done, of the type [`RETRIED`] there is another attempt after one that failed; the second claim that is lost
//! is a task's end. The task that ended last is remembered.

use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Cause, Classified, Event, Family, HookError, Hooked, Hooks, Policy, ReadError, Readiness,
    Rescue, Space, Status, StepError, TaskId, Transaction, Verdict, delegate_hooks,
};

/// The type of what somebody looks at once it is done.
pub(crate) const REVIEWED: &str = "reviewed";
/// The type of what is tried again.
pub(crate) const RETRIED: &str = "retried";
/// How often a task is claimed before a claim that is lost is its end.
const ATTEMPTS_MAX: u32 = 2;

/// This policy, in front of the plain one.
pub(crate) struct FamilyPolicy;

impl Policy for FamilyPolicy {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        Box::new(FamilyHooks(PlainPolicies::default().enter(dry)))
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

fn verdict(tx: &mut Transaction, id: &TaskId, event: Event) -> Result<Verdict, HookError> {
    if !matches!(event, Event::Completed | Event::Failed) {
        return Ok(Verdict::Accept);
    }
    let value = Some(id.as_str().as_bytes().to_vec());
    if let Err(StepError::Read(error)) = tx.stage_remember(Space::Standard, "ended last", value) {
        return Err(error.into());
    }
    let task = tx.task(id)?;
    let is = |kind: &str| task.as_ref().is_some_and(|task| task.task_type.as_str() == kind);
    match event {
        Event::Completed if is(REVIEWED) => return Ok(Verdict::Review),
        Event::Failed if is(RETRIED) => return Ok(Verdict::Retry(None)),
        Event::Completed => complete_parent(tx, id)?,
        _ => {}
    }
    Ok(Verdict::Accept)
}

impl Hooks for FamilyHooks {
    delegate_hooks!(0: choose take_log memory_bytes close);

    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified> {
        let answer = readiness(&tx, task).map(Classified::Is).map_err(HookError::from);
        Hooked { tx, answer }
    }

    fn on_event(
        &mut self,
        mut tx: Transaction,
        task: &TaskId,
        event: Event,
        _detail: &str,
    ) -> Hooked<Verdict> {
        let answer = verdict(&mut tx, task, event);
        Hooked { tx, answer }
    }

    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: Cause) -> Hooked<Rescue> {
        match tx.task(task) {
            Ok(Some(late)) if late.attempts >= ATTEMPTS_MAX => {
                Hooked { tx, answer: Ok(Rescue::Fail("its attempts are used up".into())) }
            }
            _ => self.0.recover(tx, task, cause),
        }
    }
}
