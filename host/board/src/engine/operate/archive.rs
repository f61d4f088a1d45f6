//! Taking finished families off the board. Their last state stands in the journal, and so in the history for as long
//! as that is kept.

use std::collections::BTreeSet;

use super::{Error, Work};
use crate::{Change, Event, Status, TaskId};

impl Work<'_> {
    /// Archives these tasks and everything below them. All of it must have ended, and nothing that stays may still
    /// need it: a task that isn't completed could be retried, and then wait for what nobody can find any more.
    pub(super) fn archive(&mut self, ids: &[TaskId]) -> Result<(), Error> {
        let family = self.families(ids)?;
        for id in &family.members {
            for other in self.dependents_of(id)? {
                if family.seen.contains(&other) {
                    continue;
                }
                let other = self.task(&other)?;
                if other.status != Status::Completed {
                    return Err(Self::wrong_status(
                        &other,
                        &format!("it comes after `{id}`, which must stay until it is completed"),
                    ));
                }
            }
        }
        for id in family.members {
            // Told while the policy can still look at it.
            self.tell(&id, Event::Archived, "")?;
            let task = self.task(&id)?;
            self.tx_mut().apply(Change::Archived(Box::new(task)))?;
        }
        Ok(())
    }

    /// These tasks and everything below them, each once.
    fn families(&self, ids: &[TaskId]) -> Result<Family, Error> {
        let mut family = Family::default();
        for id in ids {
            for member in [id.clone()].into_iter().chain(self.descendants(id)?) {
                let task = self.task(&member)?;
                if !task.status.is_finished() {
                    let which = if member == *id { "it" } else { "everything below it" };
                    let detail = format!("`{id}` can be archived once {which} has ended");
                    return Err(Self::wrong_status(&task, &detail));
                }
                if family.seen.insert(member.clone()) {
                    family.members.push(member);
                }
            }
        }
        Ok(family)
    }
}

/// Tasks that go together, those that were named and what is below them.
#[derive(Default)]
struct Family {
    members: Vec<TaskId>,
    seen: BTreeSet<TaskId>,
}
