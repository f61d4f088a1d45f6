//! Why a task can or can't be claimed now, and by whom.

mod obstacle;
mod relation;
mod root;

use serde::Serialize;
use serde_json::Value;
use taskhost::wire::{WireAssignee, WireTask};
use taskhost::{Agent, Board, Error, Explanation, TaskId};

pub use self::obstacle::json as obstacle;
pub use self::relation::{Relation, Relations};
pub use self::root::json as root;

/// Why a task can or can't be claimed now. `roots`: where the waiting begins, the first 10. `by`: who may claim it once
/// nothing else is in the way.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Explained {
    pub task: WireTask,
    pub agent: Option<String>,
    pub claimable: bool,
    pub obstacles: Vec<Value>,
    pub roots: Vec<Value>,
    pub by: By,
    pub log: Vec<String>,
    /// Whether whoever holds it is known to have ended, so that the next claim takes it back.
    pub holder_ended: bool,
    /// What it was made of, for people's words.
    #[serde(skip)]
    pub explanation: Explanation,
    /// What the tasks that it waits for are to it.
    #[serde(skip)]
    pub relations: Relations,
}

/// Who may claim a task.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct By {
    pub assignee: Option<WireAssignee>,
    pub needs: Vec<String>,
}

impl Explained {
    /// Why this task can or can't be claimed now: by `agent`, or by anybody.
    pub fn new(board: &Board, id: &TaskId, agent: Option<&Agent>) -> Result<Self, Error> {
        let explanation = board.explain(id, agent)?;
        let relations = relation::of(&*board.view()?, &explanation.task, &explanation.obstacles)?;
        let task = WireTask::from(&explanation.task);
        let obstacles = explanation.obstacles.iter();
        Ok(Self {
            agent: agent.map(|agent| agent.name.to_string()),
            claimable: explanation.obstacles.is_empty(),
            obstacles: obstacles.map(|seen| obstacle::json(seen, &relations)).collect(),
            roots: explanation.roots.iter().map(root::json).collect(),
            by: By { assignee: task.assignee.clone(), needs: task.needs.clone() },
            log: explanation.log.clone(),
            holder_ended: explanation
                .task
                .claim
                .as_ref()
                .is_some_and(|claim| board.has_ended(claim)),
            task,
            explanation,
            relations,
        })
    }
}
