//! What people did to the board, and others about tasks that they didn't hold.
//!
//! - [`Told`]: something that comes at its recorded time. [`Answer`]: something that comes after what it answers.
//! - [`told`]: reads an entry.

use taskhost_board::{
    Action, Arrival, Change, Command, Entry, Json, Name, NewTask, Past, PastClaim, Proof, Status,
    Task, TaskId,
};

/// Something that comes at its recorded time.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// Tasks come onto the board, all or none.
    Add(Vec<NewTask>),
    /// Tasks come from elsewhere, with their past, all or none.
    Adopt(Vec<Arrival>),
    /// Something is done with tasks, by this name.
    Change(Vec<TaskId>, Box<Action>, Option<Name>),
    /// A value of the workflow's own metadata.
    Meta(TaskId, Option<Json>),
    /// What was claimed before the history begins is ended by its holder.
    End(TaskId, Proof, taskhost_board::Finish),
}

/// Something that comes after what it answers: as long after it as in the history.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) delay_ms: u64,
    pub(crate) sequence: u64,
    pub(crate) action: Action,
    pub(crate) by: Option<Name>,
}

/// What an entry says of operators: what comes at its time, and what answers a status that the task came into.
pub(super) fn told(
    entry: &Entry,
    status: impl Fn(&TaskId) -> Option<Status>,
) -> (Vec<Told>, Vec<(TaskId, Status, Action)>) {
    let (mut events, mut answers) = (Vec::new(), Vec::new());
    let by = entry.request.agent.clone();
    let mut change = |id: &TaskId, action| {
        events.push(Told::Change(vec![id.clone()], Box::new(action), by.clone()));
    };
    let command = entry.request.command;
    match command {
        Command::Add => {
            let added = || {
                entry.changes.iter().filter_map(|change| match change {
                    Change::Added(task) => Some(&**task),
                    _ => None,
                })
            };
            let has_past = |task: &Task| task.status != Status::Pending || task.attempts > 0;
            let is_claimed = |change: &Change| matches!(change, Change::Claimed { .. });
            events.push(if added().any(has_past) || entry.changes.iter().any(is_claimed) {
                Told::Adopt(added().map(|task| as_arrival(task, entry)).collect())
            } else {
                Told::Add(added().map(as_new).collect())
            });
        }
        Command::Cancel => cancelled(entry).for_each(|(id, action)| change(id, action)),
        Command::Archive => {
            let ids = entry.changes.iter().filter_map(|change| match change {
                Change::Archived(task) => Some(task.id.clone()),
                _ => None,
            });
            events.push(Told::Change(ids.collect(), Box::new(Action::Archive), by.clone()));
        }
        _ => {
            let first_reason = entry.changes.iter().find_map(|change| match change {
                Change::Blocked { reason, .. } => Some(reason.clone()),
                _ => None,
            });
            for one in &entry.changes {
                match (command, one) {
                    (Command::Assign, Change::Assigned { id, assignee: Some(assignee) }) => {
                        change(id, Action::Assign(assignee.clone()));
                    }
                    (Command::Unassign, Change::Assigned { id, assignee: None }) => {
                        change(id, Action::Unassign(None));
                    }
                    (Command::Update, Change::Updated { id, update }) => {
                        change(id, Action::Update(update.clone()));
                    }
                    // A policy may park what hangs on it; those have other reasons.
                    (Command::Block, Change::Blocked { id, reason, verb: None })
                        if Some(reason) == first_reason.as_ref() =>
                    {
                        let force = status(id) == Some(Status::InProgress);
                        change(id, Action::Block { reason: reason.clone(), proof: None, force });
                    }
                    (Command::Release, Change::Recovered { id, reason, .. }) => {
                        change(id, Action::Release { reason: reason.clone() });
                    }
                    (Command::Unblock, Change::Unblocked { id, reason }) => {
                        let action = Action::Unblock { reason: reason.clone() };
                        answers.push((id.clone(), Status::Blocked, action));
                    }
                    (Command::Review, Change::Accepted { id, reason }) => {
                        let action = Action::Review { accept: true, reason: reason.clone() };
                        answers.push((id.clone(), Status::InReview, action));
                    }
                    (Command::Review, Change::Reopened { id, reason, afresh: false, .. }) => {
                        let action = Action::Review { accept: false, reason: reason.clone() };
                        answers.push((id.clone(), Status::InReview, action));
                    }
                    (Command::Retry, Change::Reopened { id, reason, afresh: true, .. }) => {
                        let from = status(id).unwrap_or(Status::Failed);
                        let action = Action::Retry { cascade: false, reason: reason.clone() };
                        answers.push((id.clone(), from, action));
                    }
                    (Command::MetaSet, Change::MetaSet { key, value }) => {
                        events.push(Told::Meta(key.clone(), value.clone()));
                        return (events, answers);
                    }
                    _ => {}
                }
            }
        }
    }
    (events, answers)
}

/// What was cancelled by hand. What a policy made of it has other reasons, and is the policy's.
fn cancelled(entry: &Entry) -> impl Iterator<Item = (&TaskId, Action)> {
    let all = || {
        entry.changes.iter().filter_map(|change| match change {
            Change::Finished { id, status: Status::Cancelled, verb: None, reason, .. } => {
                Some((id, reason.as_deref()))
            }
            _ => None,
        })
    };
    let first = all().next().and_then(|(_, reason)| reason);
    let ids: Vec<&TaskId> = all().map(|(id, _)| id).collect();
    // `cancel --cascade` gives these reasons itself.
    let by_cascade = move |reason: Option<&str>| {
        reason.is_some_and(|reason| ids.iter().any(|id| reason == format!("`{id}` was cancelled")))
    };
    all().filter(move |(_, reason)| *reason == first || by_cascade(*reason)).map(|(id, reason)| {
        let reason = reason.map(str::to_owned);
        (id, Action::Cancel { cascade: false, reason })
    })
}

/// The task as it came from elsewhere, by the entry with which it did.
fn as_arrival(task: &Task, entry: &Entry) -> Arrival {
    let claim = entry.changes.iter().find_map(|change| match change {
        Change::Claimed { id, claim } if *id == task.id => Some(PastClaim {
            agent: claim.agent.clone(),
            kind: claim.kind,
            hostname: claim.hostname.clone(),
            since: Some(claim.since),
            lease_ms: claim.lease_ms,
        }),
        _ => None,
    });
    let status = if claim.is_some() { Status::InProgress } else { task.status };
    let past = Past {
        status,
        reason: task.reason.clone(),
        attempts: task.attempts.saturating_add(u32::from(claim.is_some())),
        claim,
        result: task.result.clone(),
        error: task.error.clone(),
        failures: task.failures,
        created_at: Some(task.created_at),
        updated_at: Some(task.updated_at),
        completed_at: task.completed_at,
    };
    Arrival { new: as_new(task), past }
}

/// The task as it was added.
pub(super) fn as_new(task: &Task) -> NewTask {
    NewTask {
        id: Some(task.id.clone()),
        task_type: task.task_type.clone(),
        parent: task.parent.clone(),
        after: task.after.clone(),
        priority: task.priority,
        labels: task.labels.clone(),
        needs: task.needs.clone(),
        assignee: task.assignee.clone(),
        data: task.data.clone(),
        key: None,
        not_before: task.not_before,
    }
}
