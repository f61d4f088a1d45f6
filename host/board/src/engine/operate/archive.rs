//! Taking finished families off the board. Their last state stands in the journal, and so in the history for as long
//! as that is kept.

use super::{Error, Work};
use crate::{Change, Event, Status, TaskId};

impl Work<'_> {
    /// Archives a task and everything below it. All of it must have ended, and nothing that stays may still need it:
    /// a task that isn't completed could be retried, and then wait for what nobody can find any more.
    pub(super) fn archive(&mut self, id: &TaskId) -> Result<bool, Error> {
        let mut family = vec![self.task(id)?];
        for id in self.descendants(id)? {
            family.push(self.task(&id)?);
        }
        if let Some(open) = family.iter().find(|task| !task.status.is_finished()) {
            let which = if open.id == *id { "it" } else { "everything below it" };
            let detail = format!("`{id}` can be archived once {which} has ended");
            return Err(Self::wrong_status(open, &detail));
        }
        for task in &family {
            for other in self.dependents_of(&task.id)? {
                if family.iter().any(|task| task.id == other) {
                    continue;
                }
                let other = self.task(&other)?;
                if other.status != Status::Completed {
                    return Err(Self::wrong_status(
                        &other,
                        &format!(
                            "it comes after `{}`, which must stay until it is completed",
                            task.id
                        ),
                    ));
                }
            }
        }
        for task in family {
            // Told while the policy can still look at it.
            self.tell(&task.id, Event::Archived, "")?;
            let task = self.task(&task.id)?;
            self.tx_mut().apply(Change::Archived(Box::new(task)))?;
        }
        Ok(true)
    }
}
