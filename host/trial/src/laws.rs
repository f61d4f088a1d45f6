//! What must hold of every board, whatever its policy decides.

use std::collections::{BTreeMap, BTreeSet};

use taskhost_board::{Change, Entry, Name, ReadError, TaskId, Token};

use crate::scenario::Step;
use crate::world::{Came, World};

/// Follows a board's history, on its own.
#[derive(Debug, Default)]
pub(crate) struct Laws {
    held: BTreeMap<TaskId, Name>,
    finished: BTreeSet<TaskId>,
    token: Token,
}

impl Laws {
    /// Looks at what came of a step; says which law it broke, if it did.
    pub(crate) fn look(
        &mut self,
        step: &Step,
        entries: &[Entry],
        came: &Came,
        world: &World,
    ) -> Result<Option<String>, ReadError> {
        for change in entries.iter().flat_map(|entry| &entry.changes) {
            if let Err(broken) = self.follow(change) {
                return Ok(Some(broken));
            }
        }
        let mut changes = entries.iter().flat_map(|entry| &entry.changes);
        if let Came::Refused(why) = came
            && (why.trim().is_empty() || changes.any(is_of_a_command))
        {
            return Ok(Some("a refusal says why, and leaves nothing".into()));
        }
        if !entries.is_empty() && matches!(step, Step::Explain { .. }) {
            return Ok(Some("looking at a task changed the board".into()));
        }
        for (id, holder) in &self.held {
            let found = world.task(id)?.and_then(|task| task.claim).map(|claim| claim.agent);
            if found.as_ref() != Some(holder) {
                return Ok(Some(format!(
                    "`{id}` was given to `{holder}`, and the board says otherwise"
                )));
            }
        }
        Ok(world.store.check()?.into_iter().next())
    }

    fn follow(&mut self, change: &Change) -> Result<(), String> {
        let Some(id) = change.task() else { return Ok(()) };
        match change {
            Change::Claimed { claim, .. } => {
                if claim.token <= self.token {
                    return Err(format!(
                        "token {} of `{id}` isn't higher than the one before it",
                        claim.token
                    ));
                }
                self.token = claim.token;
                if let Some(holder) = self.held.insert(id.clone(), claim.agent.clone()) {
                    return Err(format!(
                        "`{id}` is given to `{}`, and `{holder}` holds it",
                        claim.agent
                    ));
                }
                if self.finished.contains(id) {
                    return Err(format!(
                        "`{id}` is given to `{}`, and it is finished",
                        claim.agent
                    ));
                }
            }
            Change::Finished { status, .. } if !status.is_finished() => {
                self.held.remove(id);
            }
            Change::Finished { .. } | Change::Accepted { .. } => {
                self.held.remove(id);
                if !self.finished.insert(id.clone()) {
                    return Err(format!("`{id}` is finished twice"));
                }
            }
            Change::Reopened { .. } | Change::Archived(_) => {
                self.held.remove(id);
                self.finished.remove(id);
            }
            Change::Released { .. }
            | Change::Recovered { .. }
            | Change::Retried { .. }
            | Change::Blocked { .. } => {
                self.held.remove(id);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether somebody asked for it. What was due anyway is taken up first, and stays even if the rest is refused.
fn is_of_a_command(change: &Change) -> bool {
    matches!(
        change,
        Change::Added(_)
            | Change::Claimed { .. }
            | Change::Renewed { .. }
            | Change::Resumed { .. }
            | Change::Released { .. }
            | Change::Finished { verb: Some(_), .. }
            | Change::Updated { .. }
            | Change::Accepted { .. }
            | Change::Archived(_)
            | Change::Blocked { .. }
            | Change::Unblocked { .. }
            | Change::Assigned { .. }
            | Change::Keyed { .. }
    )
}
