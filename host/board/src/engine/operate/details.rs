//! For whom a task is, and what it is.

use super::super::add::{check_size, sorted};
use super::{Error, Work};
use crate::{Assignee, Change, Event, Json, Name, TaskId, TaskUpdate};

/// Checks an update before the board is touched.
pub(super) fn check(id: &TaskId, update: &TaskUpdate) -> Result<(), Error> {
    if *update == TaskUpdate::default() {
        return Err(Error::Invalid(format!("nothing is to be changed of `{id}`: say what")));
    }
    let none = Json::default();
    check_size(
        id.as_str(),
        update.labels.as_deref().unwrap_or_default(),
        update.needs.as_deref().unwrap_or_default(),
        update.data.as_ref().unwrap_or(&none),
    )
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
        let mut update = update.clone();
        update.labels = update.labels.as_deref().map(sorted);
        update.needs = update.needs.as_deref().map(sorted);
        if update.is_idle(&task) {
            return Ok(false);
        }
        self.tx_mut().apply(Change::Updated { id: id.clone(), update: Box::new(update) })?;
        self.tell(id, Event::Updated, "")?;
        Ok(true)
    }
}
