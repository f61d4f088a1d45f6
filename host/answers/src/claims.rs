//! What an agent that asks for work, and a holder, is answered.

use serde::Serialize;
use taskhost::wire::{self, WireTask};
use taskhost::{AddOutcome, ClaimOutcome, Held, Task};

/// The answer to an agent that asks for work.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ClaimAnswer {
    /// It has this task.
    Claimed(Claimed),
    /// There is nothing for it now.
    Nothing(Nothing),
}

/// A task that is the asker's. `repeated`: the same request had claimed it before.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Claimed {
    pub task: WireTask,
    pub token: Option<u64>,
    pub repeated: bool,
}

impl Claimed {
    /// A claim that the asker had before.
    pub fn again(task: &Task) -> Self {
        let token = task.claim.as_ref().map(|claim| claim.token.0);
        Self { task: WireTask::from(task), token, repeated: true }
    }
}

/// Why there is nothing for the asker. `task` is null.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Nothing {
    pub task: Option<WireTask>,
    pub reason: &'static str,
    pub detail: Option<String>,
    pub next_ready_at: Option<String>,
}

impl From<&ClaimOutcome> for ClaimAnswer {
    fn from(outcome: &ClaimOutcome) -> Self {
        match outcome {
            ClaimOutcome::Claimed { task, repeated } => Self::Claimed(Claimed {
                task: WireTask::from(&**task),
                token: task.claim.as_ref().map(|claim| claim.token.0),
                repeated: *repeated,
            }),
            ClaimOutcome::Nothing { why, detail, next_ready_at, .. } => Self::Nothing(Nothing {
                task: None,
                reason: why.as_str(),
                detail: detail.clone(),
                next_ready_at: next_ready_at.map(wire::time),
            }),
        }
    }
}

/// The answer to a holder, or to who adds a task. `repeated`: the same request was answered so before.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct TaskAnswer {
    pub task: WireTask,
    pub repeated: bool,
}

impl From<&Held> for TaskAnswer {
    fn from(held: &Held) -> Self {
        Self { task: WireTask::from(&*held.task), repeated: held.repeated }
    }
}

impl From<&AddOutcome> for TaskAnswer {
    fn from(outcome: &AddOutcome) -> Self {
        Self { task: WireTask::from(&outcome.task), repeated: outcome.repeated }
    }
}
