//! Taking finished families off the board. Their last state stands in the journal, and so in the history for as long
//! as that is kept.

use std::collections::BTreeSet;

use super::{Error, Work};
use crate::{Change, Event, Status, TaskId};

impl Work<'_> {
    /// Archives these tasks and everything below them. All of it must have ended, and nothing that stays may still
    /// need it: a task that isn't completed could be retried, and then wait for what nobody can find any more.
    pub(super) fn archive(&mut self, ids: &[TaskId]) -> Result<(), Error> {
        let mut members: Vec<TaskId> = Vec::new();
        let mut going = BTreeSet::new();
        for id in ids {
            for member in self.family(id)? {
                if going.insert(member.clone()) {
                    members.push(member);
                }
            }
        }
        for id in ids {
            self.check_archive(id, &going)?;
        }
        for id in members {
            // Told while the policy can still look at it.
            self.tell(&id, Event::Archived, "")?;
            let task = self.task(&id)?;
            self.tx_mut().apply(Change::Archived(Box::new(task)))?;
        }
        Ok(())
    }

    /// A task and everything below it; nothing, if there is no such task.
    fn family(&self, id: &TaskId) -> Result<Vec<TaskId>, Error> {
        if self.tx().task(id)?.is_none() {
            return Ok(Vec::new());
        }
        Ok([id.clone()].into_iter().chain(self.descendants(id)?).collect())
    }

    /// Whether a family may go, together with all that is `going`.
    fn check_archive(&self, id: &TaskId, going: &BTreeSet<TaskId>) -> Result<(), Error> {
        self.task(id)?;
        let family = self.family(id)?;
        for member in &family {
            let task = self.task(member)?;
            if !task.status.is_finished() {
                let which = if member == id { "it" } else { "everything below it" };
                let detail = format!("`{id}` can be archived once {which} has ended");
                return Err(Self::wrong_status(&task, &detail));
            }
        }
        for member in &family {
            for other in self.dependents_of(member)? {
                if going.contains(&other) {
                    continue;
                }
                let other = self.task(&other)?;
                if other.status != Status::Completed {
                    return Err(Self::wrong_status(
                        &other,
                        &format!(
                            "it comes after `{member}`, which must stay until it is completed"
                        ),
                    ));
                }
            }
        }
        Ok(())
    }
}
