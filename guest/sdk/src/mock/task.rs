//! A task of a mock board.

use crate::{Claim, Millis, Status, Summary, TaskId};

/// A task: pending and ready, of type `task`, unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are those that `taskhost_sdk::Task` reads")]
pub struct Task {
    pub id: TaskId,
    pub task_type: String,
    pub status: Status,
    /// What `readiness` answered: its rank, or nothing if it isn't ready.
    pub rank: Option<i32>,
    pub priority: i32,
    pub parent: Option<TaskId>,
    pub after: Vec<TaskId>,
    pub labels: Vec<String>,
    pub needs: Vec<String>,
    pub assignee: Option<String>,
    pub claim: Option<Claim>,
    pub not_before: Option<Millis>,
    pub attempts: u32,
    pub failures: u32,
    pub reason: Option<String>,
    /// JSON text.
    pub data: String,
    /// Set when it is added, if it is 0.
    pub created_at: Millis,
    /// The place in the order of creation.
    pub(super) born: u64,
}

impl Task {
    /// A ready task.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            task_type: "task".to_owned(),
            status: Status::Pending,
            rank: Some(0),
            priority: 0,
            parent: None,
            after: Vec::new(),
            labels: Vec::new(),
            needs: Vec::new(),
            assignee: None,
            claim: None,
            not_before: None,
            attempts: 0,
            failures: 0,
            reason: None,
            data: "null".to_owned(),
            created_at: 0,
            born: 0,
        }
    }

    /// Of this type.
    #[must_use]
    pub fn of_type(self, task_type: &str) -> Self {
        Self { task_type: task_type.to_owned(), ..self }
    }

    /// In this status. A task in progress is held by nobody: see [`Board::choose`](super::Board::choose).
    #[must_use]
    pub fn status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// Ready with this rank.
    #[must_use]
    pub fn rank(self, rank: i32) -> Self {
        Self { rank: Some(rank), ..self }
    }

    /// Pending, and not to be claimed.
    #[must_use]
    pub fn not_ready(self) -> Self {
        Self { rank: None, ..self }
    }

    /// With this priority.
    #[must_use]
    pub fn priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    /// The child of this task.
    #[must_use]
    pub fn parent(self, parent: &str) -> Self {
        Self { parent: Some(parent.to_owned()), ..self }
    }

    /// After these tasks.
    #[must_use]
    pub fn after<const N: usize>(self, after: [&str; N]) -> Self {
        Self { after: after.map(str::to_owned).into(), ..self }
    }

    /// With these labels.
    #[must_use]
    pub fn labels<const N: usize>(self, labels: [&str; N]) -> Self {
        Self { labels: labels.map(str::to_owned).into(), ..self }
    }

    /// For agents with these capabilities.
    #[must_use]
    pub fn needs<const N: usize>(self, needs: [&str; N]) -> Self {
        Self { needs: needs.map(str::to_owned).into(), ..self }
    }

    /// Reserved for this agent.
    #[must_use]
    pub fn assignee(self, agent: &str) -> Self {
        Self { assignee: Some(agent.to_owned()), ..self }
    }

    /// With this data, as JSON text.
    #[must_use]
    pub fn data(self, json: &str) -> Self {
        Self { data: json.to_owned(), ..self }
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            id: self.id.clone(),
            task_type: self.task_type.clone(),
            priority: self.priority,
            rank: self.rank.unwrap_or_default(),
            created_at: self.created_at,
            attempts: self.attempts,
        }
    }
}
