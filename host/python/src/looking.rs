//! What happened on a board, and why a task can or can't be claimed: as the command line answers it.

use serde::Serialize;
use taskhost::{AgentKind, Board, Error, Name, SessionOptions, TaskId};
use taskhost_answers::events::Event;
use taskhost_answers::{Cursor, Explained, History};

/// Which events are wanted.
pub struct Wanted {
    pub task: Option<TaskId>,
    pub agent: Option<Name>,
    /// Of these kinds; of any if there are none.
    pub kinds: Vec<String>,
    /// After the transaction of this number.
    pub past: u64,
    /// Before this place, as the page after it said.
    pub before: Option<Cursor>,
    pub limit: usize,
}

impl Wanted {
    fn has(&self, event: &Event) -> bool {
        event.sequence > self.past
            && self.task.as_ref().is_none_or(|id| event.is_about(id))
            && self.agent.as_ref().is_none_or(|name| event.is_by(name))
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == event.event))
    }
}

/// A page of the history.
pub fn history(board: &Board, wanted: &Wanted) -> Result<impl Serialize + use<>, Error> {
    History::new(board, wanted.limit, wanted.before, |event| wanted.has(event))
}

/// Why a task can or can't be claimed now: by an agent of this name, or by anybody.
pub fn explain(
    board: &Board,
    task: &TaskId,
    agent: Option<(String, AgentKind, Vec<String>)>,
) -> Result<impl Serialize + use<>, Error> {
    let asker = agent.map(|(name, kind, capabilities)| {
        let usual = SessionOptions::new(name);
        board.session(&SessionOptions { kind, capabilities, living: false, ..usual })
    });
    let asker = asker.transpose()?;
    Explained::new(board, task, asker.as_ref().map(taskhost::Session::agent))
}
