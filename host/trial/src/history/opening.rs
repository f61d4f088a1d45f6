//! What stood on a board before its history begins, where the older journals aren't kept any more.
//!
//! Nothing tells how it stood then; what can be said is worked out from how it stands now, and from the first thing
//! that the history has of each task.

use std::collections::{HashMap, HashSet};

use taskhost_board::{
    AgentKind, Change, Claim, Entry, Instant, Lease, ListQuery, Millis, Name, ReadError, Readiness,
    SessionId, Status, Task, TaskId, Token, View,
};

/// Looks through a history for what it doesn't begin with.
#[derive(Debug, Default)]
pub(super) struct Opening {
    added: HashSet<TaskId>,
    first: HashMap<TaskId, (Status, Option<Name>)>,
    archived: HashMap<TaskId, Task>,
}

/// How long claims hold that were made before the history begins, unless it says how they ended.
const LEASE_MS: u64 = 30 * 24 * 60 * 60 * 1000;

impl Opening {
    pub(super) fn look(&mut self, entry: &Entry) {
        for change in &entry.changes {
            let Some(id) = change.task() else { continue };
            if let Change::Added(_) = change {
                self.added.insert(id.clone());
            }
            if self.added.contains(id) {
                continue;
            }
            if let Some(status) = status_before(change)
                && !self.first.contains_key(id)
            {
                self.first.insert(id.clone(), (status, entry.request.agent.clone()));
            }
            if let Change::Archived(task) = change {
                self.archived.insert(id.clone(), (**task).clone());
            }
        }
    }

    /// The tasks that there were at `start`, in the order of their creation; `now` is the board as it is.
    pub(super) fn tasks(self, now: &dyn View, start: &Instant) -> Result<Vec<Task>, ReadError> {
        let Self { added, first, archived } = self;
        let all = now.list(&ListQuery { limit: usize::MAX, ..ListQuery::default() })?.tasks;
        let known = all.into_iter().chain(archived.into_values());
        let mut tasks: Vec<Task> = known
            .filter(|task| !added.contains(&task.id))
            .map(|task| as_it_was(task, &first, start))
            .collect();
        tasks.sort_unstable_by_key(|task| task.born);
        Ok(tasks)
    }
}

/// In which status a task was for this to happen to it; `None` if it tells nothing.
fn status_before(change: &Change) -> Option<Status> {
    match change {
        Change::Claimed { .. } => Some(Status::Pending),
        Change::Renewed { .. }
        | Change::Resumed { .. }
        | Change::Kept { .. }
        | Change::Released { .. }
        | Change::Recovered { .. }
        | Change::Retried { .. }
        | Change::Finished { verb: Some(_), .. }
        | Change::Blocked { verb: Some(_), .. } => Some(Status::InProgress),
        Change::Finished { verb: None, .. } | Change::Blocked { verb: None, .. } => {
            Some(Status::Pending)
        }
        Change::Unblocked { .. } => Some(Status::Blocked),
        Change::Accepted { .. } | Change::Reopened { afresh: false, .. } => Some(Status::InReview),
        Change::Reopened { afresh: true, .. } => Some(Status::Failed),
        Change::Archived(task) => Some(task.status),
        _ => None,
    }
}

fn as_it_was(
    mut task: Task,
    first: &HashMap<TaskId, (Status, Option<Name>)>,
    start: &Instant,
) -> Task {
    let Some((status, agent)) = first.get(&task.id) else {
        // Nothing happened to it, so it stood as it does now.
        task.readiness = Readiness::Unasked;
        return task;
    };
    task.status = *status;
    task.readiness = Readiness::Unasked;
    (task.claim, task.closed, task.result) = (None, None, None);
    (task.attempts, task.failures) = (0, 0);
    if !status.is_finished() {
        task.completed_at = None;
    }
    if let (Status::InProgress, Some(agent)) = (*status, agent) {
        task.attempts = 1;
        task.claim = Some(claim_of(agent, start));
    } else if *status == Status::InProgress {
        task.status = Status::Pending;
    }
    task
}

/// A claim of which only the agent is known.
fn claim_of(agent: &Name, start: &Instant) -> Claim {
    let session =
        SessionId::new("before-the-history").expect("a constant that keeps the rule for ids");
    Claim {
        agent: agent.clone(),
        kind: AgentKind::Agent,
        hostname: None,
        session,
        living: false,
        process: None,
        token: Token(0),
        since: Millis(start.wall.0),
        lease: Lease::starting(start, LEASE_MS),
        lease_ms: LEASE_MS,
    }
}
