//! What people do with tasks that they don't hold.

use std::collections::{BTreeMap, BTreeSet};

use super::{Model, Obstacle, Result, Task};
use crate::words::{Action, Answer, Id, No, Seen, Status, Update};

impl Model {
    /// Each by itself, or all together or none. A dry run says the same and changes nothing.
    pub(super) fn change(
        &mut self,
        ids: &[Id],
        action: &Action,
        together: bool,
        dry_run: bool,
    ) -> Result<Answer> {
        let begun = self.clone();
        let mut outcomes: Vec<(Id, Result<bool>)> = Vec::new();
        let mut touched = BTreeMap::new();
        if together && matches!(action, Action::Archive) {
            let mut named: Vec<Id> = Vec::new();
            for id in ids {
                if !named.contains(id) {
                    named.push(id.clone());
                }
            }
            self.archive_together(&named)?;
            outcomes.extend(named.into_iter().map(|id| (id, Ok(false))));
        }
        for id in ids {
            if outcomes.iter().any(|(other, _)| other == id) {
                continue;
            }
            if dry_run && !together {
                // Nothing was done, so each finds the board as it is.
                touched.append(&mut self.touched_since(&begun));
                *self = begun.clone();
            }
            let before = self.clone();
            let outcome = self.act(id, action);
            if !together {
                self.settle();
            }
            match outcome {
                Err(no) if together => return Err(no),
                Err(_) => *self = before,
                Ok(_) => {}
            }
            outcomes.push((id.clone(), outcome));
        }
        self.settle();
        touched.append(&mut self.touched_since(&begun));
        if dry_run {
            *self = begun;
        }
        Ok(Answer::Changed { outcomes, touched })
    }

    /// All that looks otherwise than on that board.
    fn touched_since(&self, begun: &Self) -> BTreeMap<Id, Option<Seen>> {
        let every: BTreeSet<&Id> = begun.tasks.keys().chain(self.tasks.keys()).collect();
        let mut touched = BTreeMap::new();
        for id in every {
            let [before, after] =
                [begun, self].map(|model| model.tasks.get(id).map(|task| task.seen.clone()));
            if before != after {
                touched.insert(id.clone(), after);
            }
        }
        touched
    }

    /// `true` if there was nothing to do.
    fn act(&mut self, id: &Id, action: &Action) -> Result<bool> {
        let now = self.now;
        let status = self.task(id)?.seen.status;
        match action {
            Action::Assign(person) => {
                let task = self.task_mut(id)?;
                // Of the same name is near enough: a reservation is for whoever comes next.
                let is_others =
                    task.seen.claim.as_ref().is_some_and(|claim| claim.agent != person.name);
                match &task.seen.assignee {
                    _ if status.is_finished() => Err(No::Invalid),
                    Some(other) if other == person => Ok(true),
                    Some(_) => Err(No::Taken),
                    None if is_others => Err(No::Taken),
                    None => {
                        task.seen.assignee = Some(person.clone());
                        task.seen.updated_at = now;
                        Ok(false)
                    }
                }
            }
            Action::Unassign(name) => {
                let task = self.task_mut(id)?;
                let Some(person) = &task.seen.assignee else { return Ok(true) };
                if name.as_ref().is_some_and(|name| *name != person.name) {
                    return Err(No::Taken);
                }
                if status.is_finished() {
                    return Err(No::Invalid);
                }
                task.seen.assignee = None;
                task.seen.updated_at = now;
                Ok(false)
            }
            Action::Update(update) => self.update(id, update),
            Action::Cancel { cascade, reason } => self.cancel(id, *cascade, reason.as_ref()),
            Action::Retry { cascade } => self.retry(id, *cascade),
            Action::Block { reason, proof, force } => {
                let holds = match proof {
                    Some(proof) if !self.check(id, proof, "block")? => return Ok(true),
                    proof => proof.is_some(),
                };
                match status {
                    Status::Blocked => {
                        let same = reason.is_none() || *reason == self.task(id)?.seen.reason;
                        return if same { Ok(true) } else { Err(No::Invalid) };
                    }
                    Status::Pending => self.set(id, Status::Blocked)?,
                    Status::InProgress if holds => {
                        self.close(id, "block", Status::Blocked)?;
                        self.task_mut(id)?.seen.attempts -= 1;
                    }
                    Status::InProgress if *force => self.take(id, Status::Blocked)?,
                    Status::InProgress => return Err(No::Taken),
                    _ => return Err(No::Invalid),
                }
                self.task_mut(id)?.seen.reason.clone_from(reason);
                Ok(false)
            }
            Action::Unblock => match status {
                Status::Blocked => self.set(id, Status::Pending).map(|()| false),
                Status::Pending => Ok(true),
                _ => Err(No::Invalid),
            },
            Action::Release => match status {
                Status::InProgress => self.take(id, Status::Pending).map(|()| false),
                Status::Pending => Ok(true),
                _ => Err(No::Invalid),
            },
            // Nothing asks for a review here.
            Action::Review { .. } => Err(No::Invalid),
            Action::Archive => self.archive(id),
        }
    }

    /// Takes a task from its holder: the attempt stays counted.
    fn take(&mut self, id: &Id, status: Status) -> Result<()> {
        let task = self.task_mut(id)?;
        if task.seen.claim.is_some() {
            task.closed = None;
        }
        self.set(id, status)
    }

    fn update(&mut self, id: &Id, update: &Update) -> Result<bool> {
        let sorted = |words: &Vec<String>| -> Vec<String> {
            words.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
        };
        let now = self.now;
        let task = self.task_mut(id)?;
        let mut seen = task.seen.clone();
        seen.priority = update.priority.unwrap_or(seen.priority);
        seen.labels = update.labels.as_ref().map_or(seen.labels, sorted);
        seen.needs = update.needs.as_ref().map_or(seen.needs, sorted);
        seen.data = update.data.clone().unwrap_or(seen.data);
        if let Some(at) = update.not_before {
            seen.not_before = Some(at).filter(|at| *at > 0);
        }
        if seen.status.is_finished() {
            return Err(No::Invalid);
        }
        if seen == task.seen {
            return Ok(true);
        }
        seen.updated_at = now;
        task.seen = seen;
        Ok(false)
    }

    fn cancel(&mut self, id: &Id, cascade: bool, reason: Option<&String>) -> Result<bool> {
        match self.task(id)?.seen.status {
            Status::Completed | Status::Failed => return Err(No::Invalid),
            _ => {}
        }
        let mut ids = vec![id.clone()];
        let mut at = 0;
        while cascade && at < ids.len() {
            let from = ids[at].clone();
            let waits = |task: &&Task| {
                let after = !task.seen.status.is_finished() && task.seen.after.contains(&from);
                let waiting = matches!(self.obstacle(task), Some(Obstacle::Waiting(on)) if on.contains(&from));
                let below =
                    !task.seen.status.is_finished() && task.seen.parent.as_ref() == Some(&from);
                (after || waiting || below) && !ids.contains(&task.seen.id)
            };
            let more: Vec<Id> =
                self.tasks.values().filter(waits).map(|task| task.seen.id.clone()).collect();
            ids.extend(more);
            at += 1;
        }
        let mut already = true;
        for (place, id) in ids.iter().enumerate() {
            if self.task(id)?.seen.status == Status::Cancelled {
                continue;
            }
            already = false;
            self.take(id, Status::Cancelled)?;
            if place == 0 {
                self.task_mut(id)?.seen.reason = reason.cloned();
            }
        }
        Ok(already)
    }

    fn retry(&mut self, id: &Id, cascade: bool) -> Result<bool> {
        match self.task(id)?.seen.status {
            Status::Failed | Status::Cancelled => {}
            Status::Completed | Status::Blocked => return Err(No::Invalid),
            // It is to be done; what is after it or below it may not be.
            _ => {}
        }
        let mut ids = vec![id.clone()];
        let mut at = 0;
        while cascade && at < ids.len() {
            let from = ids[at].clone();
            let lost = |task: &&Task| {
                task.seen.status.is_lost()
                    && (task.seen.after.contains(&from) || task.seen.parent.as_ref() == Some(&from))
                    && !ids.contains(&task.seen.id)
            };
            let more: Vec<Id> =
                self.tasks.values().filter(lost).map(|task| task.seen.id.clone()).collect();
            ids.extend(more);
            at += 1;
        }
        let mut already = true;
        for id in &ids {
            if !self.task(id)?.seen.status.is_lost() {
                continue;
            }
            already = false;
            self.set(id, Status::Pending)?;
            let task = self.task_mut(id)?;
            task.seen.attempts = 0;
            task.seen.failures = 0;
        }
        Ok(already)
    }

    fn archive(&mut self, id: &Id) -> Result<bool> {
        let family = self.family(id);
        self.may_archive(&family, &family)?;
        for id in family {
            self.tasks.remove(&id);
        }
        Ok(false)
    }

    /// All of these and what is below them, or none.
    fn archive_together(&mut self, ids: &[Id]) -> Result<()> {
        let there = ids.iter().filter(|id| self.tasks.contains_key(*id));
        let going: Vec<Id> = there.flat_map(|id| self.family(id)).collect();
        for id in ids {
            self.task(id)?;
            self.may_archive(&self.family(id), &going)?;
        }
        for id in going {
            self.tasks.remove(&id);
        }
        Ok(())
    }

    fn family(&self, id: &Id) -> Vec<Id> {
        let mut family = vec![id.clone()];
        let mut at = 0;
        while at < family.len() {
            let below: Vec<Id> =
                self.children(&family[at]).map(|task| task.seen.id.clone()).collect();
            family.extend(below);
            at += 1;
        }
        family
    }

    fn may_archive(&self, family: &[Id], going: &[Id]) -> Result<()> {
        let is_open = |id: &Id| !self.tasks[id].seen.status.is_finished();
        let needed = self.tasks.values().any(|task| {
            !going.contains(&task.seen.id)
                && task.seen.status != Status::Completed
                && task.seen.after.iter().any(|id| family.contains(id))
        });
        if needed || family.iter().any(is_open) { Err(No::Invalid) } else { Ok(()) }
    }
}
