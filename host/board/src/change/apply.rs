//! What a change does to its task. A board is the fold of its entries, so this is what a journal means.

use super::{Cause, Change, TaskUpdate};
use crate::{Millis, Readiness, Status, Task, Verb};

impl Change {
    /// Does this change to `task`, at `time`. Changes about other tasks leave it alone, and so does
    /// [`Change::Archived`], after which there is no task.
    pub fn apply(&self, task: &mut Task, time: Millis) {
        if self.task() != Some(&task.id) {
            return;
        }
        if !matches!(self, Self::Answered { .. } | Self::Archived(_)) {
            task.updated_at = time;
        }
        match self {
            Self::Added(added) => *task = (**added).clone(),
            Self::Claimed { claim, .. } => {
                task.status = Status::InProgress;
                // Its reason stays: the answer that it was unblocked with, or why its last holder gave it up, is for
                // the next one.
                task.attempts = task.attempts.saturating_add(1);
                task.claim = Some((**claim).clone());
            }
            Self::Renewed { lease, .. } => {
                if let Some(claim) = &mut task.claim {
                    claim.lease = lease.clone();
                }
            }
            Self::Resumed { claim, .. } => task.claim = Some((**claim).clone()),
            Self::Kept { lease, .. } => {
                if let Some(claim) = &mut task.claim {
                    claim.lease = lease.clone();
                    // A death that was proved once needn't be proved again: the lease is the last word now.
                    claim.living = false;
                }
            }
            Self::Released { reason, .. } => {
                task.attempts = task.attempts.saturating_sub(1);
                end_claim(task, Some(Verb::Release));
                reopen(task, reason.clone(), None);
            }
            Self::Recovered { cause, reason, not_before, .. } => {
                end_claim(task, None);
                let usual = match cause {
                    Cause::LeaseOver => "its last holder's lease ran out",
                    Cause::HolderDead => "its last holder died",
                    Cause::Policy => "the policy took it from its last holder",
                    Cause::Operator => "an operator took it from its last holder",
                };
                let reason = reason.as_deref().unwrap_or(usual);
                reopen(task, Some(reason.to_owned()), *not_before);
            }
            Self::Retried { error, not_before, .. } => {
                task.failures = task.failures.saturating_add(1);
                task.error.clone_from(error);
                end_claim(task, Some(Verb::Fail));
                reopen(task, None, *not_before);
            }
            Self::Finished { status, verb, reason, result, error, .. } => {
                if *status == Status::Failed && verb.is_some() {
                    task.failures = task.failures.saturating_add(1);
                }
                end_claim(task, *verb);
                task.status = *status;
                task.reason.clone_from(reason);
                task.result.clone_from(result);
                // Who failed and said nothing mustn't be taken to have said what an earlier attempt did.
                if error.is_some() || *verb == Some(Verb::Fail) {
                    task.error.clone_from(error);
                }
                task.completed_at = status.is_finished().then_some(time);
            }
            Self::Updated { update, .. } => update.apply(task),
            Self::Reopened { reason, afresh, .. } => {
                if *afresh {
                    (task.attempts, task.failures) = (0, 0);
                }
                task.result = None;
                reopen(task, reason.clone(), None);
            }
            Self::Accepted { reason, .. } => {
                task.status = Status::Completed;
                task.reason.clone_from(reason);
                task.completed_at = Some(time);
            }
            Self::Blocked { reason, verb, .. } => {
                if verb.is_some() {
                    task.attempts = task.attempts.saturating_sub(1);
                }
                end_claim(task, *verb);
                task.status = Status::Blocked;
                task.reason.clone_from(reason);
            }
            Self::Unblocked { reason, .. } => reopen(task, reason.clone(), None),
            Self::Assigned { assignee, .. } => task.assignee.clone_from(assignee),
            Self::Answered { readiness, .. } => task.readiness = readiness.clone(),
            Self::Archived(_)
            | Self::Wake { .. }
            | Self::Woken { .. }
            | Self::Remembered { .. }
            | Self::Keyed { .. }
            | Self::PoliciesSet(_)
            | Self::SettingsSet(_)
            | Self::MetaSet { .. }
            | Self::FellBack { .. } => {}
        }
    }
}

impl TaskUpdate {
    /// Whether it changes nothing of `task`.
    pub fn is_idle(&self, task: &Task) -> bool {
        let mut updated = task.clone();
        self.apply(&mut updated);
        updated == *task
    }

    fn apply(&self, task: &mut Task) {
        if let Some(priority) = self.priority {
            task.priority = priority;
        }
        if let Some(labels) = &self.labels {
            task.labels.clone_from(labels);
        }
        if let Some(needs) = &self.needs {
            task.needs.clone_from(needs);
        }
        if let Some(data) = &self.data {
            task.data.clone_from(data);
        }
        if let Some(at) = self.not_before {
            task.not_before = Some(at).filter(|at| at.0 > 0);
        }
    }
}

fn end_claim(task: &mut Task, verb: Option<Verb>) {
    if let Some(claim) = task.claim.take() {
        task.closed = Some(crate::Closed { token: claim.token, agent: claim.agent, verb });
    }
}

fn reopen(task: &mut Task, reason: Option<String>, not_before: Option<Millis>) {
    task.status = Status::Pending;
    task.readiness = Readiness::Unasked;
    task.reason = reason;
    task.completed_at = None;
    if not_before.is_some() {
        task.not_before = not_before;
    }
}
