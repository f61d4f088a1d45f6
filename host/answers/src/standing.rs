//! Where a task stands, in words: its status, and for a pending one whether it may be claimed.

use serde::Serialize;
use taskhost::wire::{self, WireTask};
use taskhost::{Readiness, Status, Task};

use crate::reserved_for;

/// A task, and whether it may be claimed. `readiness` is null where the task isn't pending.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Standing {
    #[serde(flatten)]
    pub task: WireTask,
    pub readiness: Option<&'static str>,
    pub ready_at: Option<String>,
    pub waits_for: Vec<String>,
}

impl From<&Task> for Standing {
    fn from(task: &Task) -> Self {
        let ready_at = match &task.readiness {
            Readiness::Until(at) if task.status == Status::Pending => Some(wire::time(*at)),
            _ => None,
        };
        let waits_for = match &task.readiness {
            Readiness::Waiting { on, .. } if task.status == Status::Pending => {
                on.iter().map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        };
        Self { task: WireTask::from(task), readiness: readiness(task), ready_at, waits_for }
    }
}

impl Standing {
    /// Who holds it, or for whom it is.
    pub fn who(&self) -> Option<String> {
        let reserved =
            || self.task.assignee.as_ref().map(|who| format!("for {}", reserved_for(who)));
        self.task.claim.as_ref().map(|claim| claim.agent.clone()).or_else(reserved)
    }
}

/// One task, and beside it whether it may be claimed: there the task has the published names and no others.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Shown {
    pub task: WireTask,
    pub readiness: Option<&'static str>,
    pub ready_at: Option<String>,
    pub waits_for: Vec<String>,
}

impl From<&Task> for Shown {
    fn from(task: &Task) -> Self {
        let Standing { task, readiness, ready_at, waits_for } = Standing::from(task);
        Self { task, readiness, ready_at, waits_for }
    }
}

/// The word for whether a pending task may be claimed.
fn readiness(task: &Task) -> Option<&'static str> {
    (task.status == Status::Pending).then_some(match &task.readiness {
        Readiness::Ready(_) => "ready",
        Readiness::Waiting { .. } => "waiting",
        Readiness::Until(_) => "until",
        Readiness::Never(_) => "never",
        Readiness::Unasked => "unasked",
    })
}

#[cfg(test)]
mod tests {
    use taskhost::{Millis, TaskId};

    use super::*;
    use crate::sample;

    fn pending(readiness: Readiness) -> Standing {
        let status = Status::Pending;
        Standing::from(&Task { status, claim: None, readiness, ..sample::task() })
    }

    #[test]
    fn pending_task_says_what_it_waits_for() {
        let on = vec![TaskId::new("a").unwrap()];
        let waiting = pending(Readiness::Waiting { on, why: None });
        assert_eq!((waiting.readiness, waiting.waits_for), (Some("waiting"), vec!["a".into()]));
        let later = pending(Readiness::Until(Millis(0)));
        assert_eq!(later.ready_at.as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(pending(Readiness::Ready(0)).readiness, Some("ready"));
    }

    #[test]
    fn what_was_ready_before_somebody_took_it_is_not_ready() {
        let held = Standing::from(&sample::task());
        assert_eq!((held.readiness, held.who().as_deref()), (None, Some("alice")));
    }
}
