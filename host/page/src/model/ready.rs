//! Since when tasks can be claimed.

use std::collections::HashMap;

use taskhost_board::{Change, Millis, Readiness};

use super::tasks::Row;

/// Tasks that can be claimed, or will be at a time, as far as the history was read.
#[derive(Debug, Default)]
pub(super) struct Ready(HashMap<Row, Since>);

#[derive(Debug, Clone, Copy)]
enum Since {
    /// It can be claimed since then.
    Ready(Millis),
    /// It will be asked about then. The answer comes when somebody next asks for work, which may be later.
    Until(Millis),
}

impl Ready {
    /// Takes note of what happened to the task.
    pub(super) fn note(&mut self, task: Row, change: &Change, time: Millis) {
        match change {
            Change::Answered { readiness, .. } => self.answered(task, readiness, time),
            Change::Added(added) => {
                self.0.remove(&task);
                self.answered(task, &added.readiness, time);
            }
            _ if change.reopens()
                && !matches!(change, Change::Updated { .. } | Change::Assigned { .. }) =>
            {
                self.0.remove(&task);
            }
            Change::Finished { .. } | Change::Blocked { .. } | Change::Archived(_) => {
                self.0.remove(&task);
            }
            _ => {}
        }
    }

    fn answered(&mut self, task: Row, readiness: &Readiness, time: Millis) {
        match (readiness, self.0.get(&task).copied()) {
            (Readiness::Ready(_), Some(Since::Ready(_))) => {}
            (Readiness::Ready(_), Some(Since::Until(at))) => {
                self.0.insert(task, Since::Ready(at.min(time)));
            }
            (Readiness::Ready(_), None) => {
                self.0.insert(task, Since::Ready(time));
            }
            (Readiness::Until(at), _) => {
                self.0.insert(task, Since::Until((*at).max(time)));
            }
            _ => {
                self.0.remove(&task);
            }
        }
    }

    /// Since when the task that is claimed now could have been.
    pub(super) fn taken(&mut self, task: Row) -> Option<Millis> {
        match self.0.remove(&task) {
            Some(Since::Ready(since)) => Some(since),
            _ => None,
        }
    }

    /// Since when it can be claimed.
    pub(super) fn since(&self, task: Row) -> Option<Millis> {
        match self.0.get(&task) {
            Some(Since::Ready(since)) => Some(*since),
            _ => None,
        }
    }
}
