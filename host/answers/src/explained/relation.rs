//! What the tasks that one waits for are to it.

use std::collections::HashMap;

use taskhost::domain::View;
use taskhost::{Error, Obstacle, Task, TaskId};

/// What a task is to one that waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Its parent.
    Parent,
    /// What it comes after.
    Dependency,
    /// Its child.
    Child,
}

impl Relation {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Dependency => "dependency",
            Self::Child => "child",
        }
    }

    /// As it stands in a sentence about the one that waits.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Parent => "its parent",
            Self::Dependency => "a dependency",
            Self::Child => "its child",
        }
    }
}

/// Relations by task. A policy may name tasks that are none to the one that waits for them.
pub type Relations = HashMap<TaskId, Relation>;

/// What the tasks that `task` waits for are to it.
pub fn of(view: &dyn View, task: &Task, obstacles: &[Obstacle]) -> Result<Relations, Error> {
    let mut relations = Relations::new();
    let waited_for = obstacles.iter().flat_map(|obstacle| match obstacle {
        Obstacle::Waiting { on, .. } => on.as_slice(),
        _ => &[],
    });
    for (id, _) in waited_for {
        let relation = if task.parent.as_ref() == Some(id) {
            Relation::Parent
        } else if task.after.contains(id) {
            Relation::Dependency
        } else if view.task(id)?.is_some_and(|other| other.parent.as_ref() == Some(&task.id)) {
            Relation::Child
        } else {
            continue;
        };
        relations.insert(id.clone(), relation);
    }
    Ok(relations)
}
