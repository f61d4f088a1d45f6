//! Calling a policy's hooks on the board that is up. Where a hook is about a task, there is no answer if the board has
//! none of that id.

use super::board::{Task, View};
use super::transactions::Transaction;
use crate::{
    Assignment, Lifecycle, Readiness, Recovery, Request, assignment, lifecycle, readiness, recovery,
};

/// Calls `readiness.classify`.
pub fn classify<P: Readiness>(task: &str) -> Option<readiness::Answer> {
    let task = Task::open(task)?;
    Some(P::classify(&View::HERE, &task))
}

/// Calls `assignment.choose`.
pub fn choose<P: Assignment>(request: Request) -> assignment::Answer {
    P::choose(&View::HERE, &Transaction::HERE, request)
}

/// Calls `lifecycle.on-event`.
pub fn on_event<P: Lifecycle>(task: &str, event: &str, detail: &str) -> Option<lifecycle::Answer> {
    let task = Task::open(task)?;
    let (event, detail) = (event.to_owned(), detail.to_owned());
    Some(P::on_event(&View::HERE, &Transaction::HERE, &task, event, detail))
}

/// Calls `recovery.recover`.
pub fn recover<P: Recovery>(task: &str, cause: recovery::Cause) -> Option<recovery::Answer> {
    let task = Task::open(task)?;
    Some(P::recover(&View::HERE, &Transaction::HERE, &task, cause))
}
