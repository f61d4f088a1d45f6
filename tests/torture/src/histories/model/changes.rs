//! New tasks, and what people do with tasks that they don't hold.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Reply, Result, State};
use crate::histories::words::{Action, Id, New, No, ParentRule, Proof, Status, Task, Verb};

impl State {
    pub(super) fn add(&mut self, new: &New) -> Result<Reply> {
        if let Some((before, id)) = new.key.and_then(|key| self.adds.get(&key)) {
            // Another task may have got the id of one that was archived: it isn't the one that was added so.
            let is_it = self.task(*id).is_ok_and(|task| task.key == new.key);
            return if before == new && is_it {
                Ok(Reply::Task(*id, true))
            } else {
                Err(No::Invalid)
            };
        }
        let mut named = new.parent.iter().chain(&new.after);
        if named.any(|other| *other == new.id) {
            return Err(No::Invalid);
        }
        for other in new.parent.iter().chain(&new.after) {
            self.task(*other)?;
        }
        if self.task(new.id).is_ok() {
            return Err(No::Invalid);
        }
        if self.settings.parent == ParentRule::ChildrenFirst && self.comes_after_ancestor(new) {
            return Err(No::Refused);
        }
        self.tasks.push(Arc::new(added(new)));
        if let Some(key) = new.key {
            Arc::make_mut(&mut self.adds).insert(key, (new.clone(), new.id));
        }
        self.settle();
        Ok(Reply::Task(new.id, false))
    }

    /// The ancestor waits for its children, and this one for the ancestor: both would wait for ever.
    fn comes_after_ancestor(&self, new: &New) -> bool {
        let mut next = new.parent;
        while let Some(id) = next {
            if new.after.contains(&id) && !self.is_completed(id) {
                return true;
            }
            next = self.task(id).ok().and_then(|task| task.parent);
        }
        false
    }

    /// One by itself, or several together or none.
    pub(super) fn change(&mut self, ids: &[Id], action: &Action) -> Result<Reply> {
        if matches!(action, Action::Archive) {
            self.archive(ids)?;
            self.settle();
            return Ok(Reply::Changed(vec![true; ids.len()]));
        }
        let done: Result<Vec<bool>> = ids.iter().map(|id| self.act(*id, action)).collect();
        self.settle();
        done.map(Reply::Changed)
    }

    /// Whether there was something to do.
    fn act(&mut self, id: Id, action: &Action) -> Result<bool> {
        let status = self.task(id)?.status;
        let finished = status.is_finished();
        match *action {
            Action::Assign(agent) => {
                let task = self.task_mut(id)?;
                // Of the same name is near enough: a reservation is for whoever comes next.
                let is_others = task.claim.as_ref().is_some_and(|claim| claim.agent != agent);
                match task.assignee {
                    _ if finished => Err(No::Invalid),
                    Some(other) if other == agent => Ok(false),
                    Some(_) => Err(No::Taken),
                    None if is_others => Err(No::Taken),
                    None => {
                        task.assignee = Some(agent);
                        Ok(true)
                    }
                }
            }
            Action::Unassign => {
                let task = self.task_mut(id)?;
                match task.assignee {
                    None => Ok(false),
                    Some(_) if finished => Err(No::Invalid),
                    Some(_) => Ok(task.assignee.take().is_some()),
                }
            }
            Action::Prioritize(_) | Action::Need(_) if finished => Err(No::Invalid),
            Action::Prioritize(priority) => {
                let task = self.task_mut(id)?;
                Ok(std::mem::replace(&mut task.priority, priority) != priority)
            }
            Action::Need(needs) => {
                let task = self.task_mut(id)?;
                Ok(std::mem::replace(&mut task.needs, needs) != needs)
            }
            Action::Cancel { cascade, reason } => self.cancel(id, cascade, reason),
            Action::Retry { cascade } => self.retry(id, cascade),
            Action::Block { reason, proof, force } => self.block(id, reason, proof, force),
            Action::Unblock => match status {
                Status::Blocked => self.set(id, Status::Pending).map(|()| true),
                Status::Pending => Ok(false),
                _ => Err(No::Invalid),
            },
            Action::Release => match status {
                Status::InProgress => self.take(id, Status::Pending).map(|()| true),
                Status::Pending => Ok(false),
                _ => Err(No::Invalid),
            },
            Action::Archive => Err(No::Invalid),
        }
    }

    fn block(
        &mut self,
        id: Id,
        reason: Option<u8>,
        proof: Option<Proof>,
        force: bool,
    ) -> Result<bool> {
        let holds = match &proof {
            Some(proof) if !self.check(id, proof, Verb::Block)? => return Ok(false),
            proof => proof.is_some(),
        };
        let task = self.task(id)?;
        match task.status {
            Status::Blocked => {
                let same = reason.is_none() || reason == task.reason;
                return if same { Ok(false) } else { Err(No::Invalid) };
            }
            Status::Pending => self.set(id, Status::Blocked)?,
            Status::InProgress if holds => {
                self.close(id, Verb::Block, Status::Blocked)?;
                self.task_mut(id)?.attempts -= 1;
            }
            Status::InProgress if force => self.take(id, Status::Blocked)?,
            Status::InProgress => return Err(No::Taken),
            _ => return Err(No::Invalid),
        }
        self.task_mut(id)?.reason = reason;
        Ok(true)
    }

    fn cancel(&mut self, id: Id, cascade: bool, reason: Option<u8>) -> Result<bool> {
        if matches!(self.task(id)?.status, Status::Completed | Status::Failed) {
            return Err(No::Invalid);
        }
        let ids = self.closure(id, cascade, |state, task, from| {
            let waiting = task.status == Status::Pending && state.waits(task).any(|on| on == from);
            let named = task.after.contains(&from) || task.parent == Some(from);
            waiting || (named && !task.status.is_finished())
        });
        let mut done = false;
        for (place, id) in ids.into_iter().enumerate() {
            if self.task(id)?.status == Status::Cancelled {
                continue;
            }
            done = true;
            self.take(id, Status::Cancelled)?;
            if place == 0 {
                self.task_mut(id)?.reason = reason;
            }
        }
        Ok(done)
    }

    fn retry(&mut self, id: Id, cascade: bool) -> Result<bool> {
        if matches!(self.task(id)?.status, Status::Completed | Status::Blocked) {
            return Err(No::Invalid);
        }
        let ids = self.closure(id, cascade, |_, task, from| {
            task.status.is_lost() && (task.after.contains(&from) || task.parent == Some(from))
        });
        let mut done = false;
        for id in ids {
            if !self.task(id)?.status.is_lost() {
                continue;
            }
            done = true;
            self.set(id, Status::Pending)?;
            let task = self.task_mut(id)?;
            task.attempts = 0;
            task.failures = 0;
        }
        Ok(done)
    }

    /// A task, and, if asked for, all that follow from it, each once.
    fn closure(
        &self,
        id: Id,
        cascade: bool,
        follows: impl Fn(&Self, &Task, Id) -> bool,
    ) -> Vec<Id> {
        let mut ids = vec![id];
        let mut left = VecDeque::from([id]);
        while let Some(from) = left.pop_front().filter(|_| cascade) {
            for task in &self.tasks {
                if !ids.contains(&task.id) && follows(self, task, from) {
                    ids.push(task.id);
                    left.push_back(task.id);
                }
            }
        }
        ids
    }

    /// All of these and what is below them, or none.
    fn archive(&mut self, ids: &[Id]) -> Result<()> {
        let below = |id: &Id| self.closure(*id, true, |_, task, from| task.parent == Some(from));
        let there = ids.iter().filter(|id| self.task(**id).is_ok());
        let going: Vec<Id> = there.flat_map(below).collect();
        for id in ids {
            self.task(*id)?;
            let family = below(id);
            let needed = self.tasks.iter().any(|task| {
                !going.contains(&task.id)
                    && task.status != Status::Completed
                    && task.after.iter().any(|on| family.contains(on))
            });
            let is_open =
                |task: &Arc<Task>| family.contains(&task.id) && !task.status.is_finished();
            if needed || self.tasks.iter().any(is_open) {
                return Err(No::Invalid);
            }
        }
        self.tasks.retain(|task| !going.contains(&task.id));
        Ok(())
    }
}

fn added(new: &New) -> Task {
    Task {
        id: new.id,
        kind: new.kind,
        status: Status::Pending,
        reason: None,
        parent: new.parent,
        after: new.after.clone(),
        priority: new.priority,
        labels: new.labels,
        needs: new.needs,
        assignee: new.assignee,
        data: new.data,
        key: new.key,
        attempts: 0,
        failures: 0,
        claim: None,
        closed: None,
        result: None,
        error: None,
    }
}
