//! For whom a task is, and what it is.

use super::super::add::{check_size, sorted};
use super::{Error, Work};
use crate::{Assignee, Change, Event, Json, Name, Task, TaskId, TaskUpdate};

/// Checks an update before the board is touched.
pub(super) fn check(id: &TaskId, update: &TaskUpdate) -> Result<(), Error> {
    if *update == TaskUpdate::default() {
        return Err(Error::Invalid(format!("nothing is to be changed of `{id}`: say what")));
    }
    if let Some(both) = update.add_labels.iter().find(|add| update.remove_labels.contains(add)) {
        return Err(Error::Invalid(format!(
            "label `{both}` can't be added and removed at once: say which of the two"
        )));
    }
    check_sizes(id, update)
}

fn check_sizes(id: &TaskId, update: &TaskUpdate) -> Result<(), Error> {
    let none = Json::default();
    check_size(
        id.as_str(),
        update.labels.as_deref().unwrap_or_default(),
        update.needs.as_deref().unwrap_or_default(),
        update.data.as_ref().unwrap_or(&none),
    )
}

/// The update as it stands in the journal: whole lists, in order.
fn resolved(update: &TaskUpdate, task: &Task) -> TaskUpdate {
    let mut update = update.clone();
    let add = std::mem::take(&mut update.add_labels);
    let remove = std::mem::take(&mut update.remove_labels);
    if !add.is_empty() || !remove.is_empty() {
        let mut labels = update.labels.take().unwrap_or_else(|| task.labels.clone());
        labels.retain(|label| !remove.contains(label));
        labels.extend(add);
        update.labels = Some(labels);
    }
    update.labels = update.labels.as_deref().map(sorted);
    update.needs = update.needs.as_deref().map(sorted);
    update
}

impl Work<'_> {
    /// Reserves a task. It makes no claim, and takes the task from nobody.
    pub(super) fn assign(&mut self, id: &TaskId, assignee: &Assignee) -> Result<bool, Error> {
        let task = self.task(id)?;
        if task.status.is_finished() {
            return Err(Self::wrong_status(&task, "a finished task can't be assigned"));
        }
        if let Some(now) = &task.assignee {
            let same = (&now.name, now.kind, &now.hostname)
                == (&assignee.name, assignee.kind, &assignee.hostname);
            return if same {
                Ok(false)
            } else {
                let assignee = Box::new(now.clone());
                Err(Error::Assigned { id: id.clone(), assignee })
            };
        }
        if let Some(claim) = task.claim.filter(|claim| claim.agent != assignee.name) {
            let lease_until = claim.lease.ends(self.tx().now());
            return Err(Error::Held { id: id.clone(), claim: Box::new(claim), lease_until });
        }
        let change = Change::Assigned { id: id.clone(), assignee: Some(assignee.clone()) };
        self.tx_mut().apply(change)?;
        self.tell(id, Event::Assigned, assignee.name.as_str())?;
        Ok(true)
    }

    pub(super) fn unassign(&mut self, id: &TaskId, from: Option<&Name>) -> Result<bool, Error> {
        let task = self.task(id)?;
        let Some(now) = &task.assignee else { return Ok(false) };
        if from.is_some_and(|from| *from != now.name) {
            let assignee = Box::new(now.clone());
            return Err(Error::Assigned { id: id.clone(), assignee });
        }
        if task.status.is_finished() {
            return Err(Self::wrong_status(&task, "a finished task stays as it is"));
        }
        self.tx_mut().apply(Change::Assigned { id: id.clone(), assignee: None })?;
        self.tell(id, Event::Assigned, "")?;
        Ok(true)
    }

    pub(super) fn update(&mut self, id: &TaskId, update: &TaskUpdate) -> Result<bool, Error> {
        let task = self.task(id)?;
        if task.status.is_finished() {
            return Err(Self::wrong_status(
                &task,
                "a finished task stays as it is: retry it first, or add another",
            ));
        }
        let update = resolved(update, &task);
        check_sizes(id, &update)?;
        if update.is_idle(&task) {
            return Ok(false);
        }
        self.tx_mut().apply(Change::Updated { id: id.clone(), update: Box::new(update) })?;
        self.tell(id, Event::Updated, "")?;
        Ok(true)
    }
}
