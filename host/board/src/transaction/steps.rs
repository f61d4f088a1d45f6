//! The steps that a policy may stage. Each is checked against the board's invariants first, and one that fails
//! leaves no trace.

use super::{
    Access, Asking, Happened, LEASE_MS_DEFAULT, LEASE_MS_MAX, MEMORY_KEY_BYTES_MAX,
    MEMORY_KEYS_MAX, MEMORY_VALUE_BYTES_MAX, StepError, Transaction, finish,
};
use crate::{Cause, Change, Claim, Event, Millis, Reservation, Space, Status, Task, TaskId, Token};

impl Transaction {
    /// Gives the task to the asker.
    pub fn stage_claim(&mut self, id: &TaskId, lease_ms: Option<u64>) -> Result<Token, StepError> {
        let Access::Assign(asking) = self.inner.access.clone() else {
            return Err(StepError::Invalid("only the hook `assignment` may stage a claim".into()));
        };
        if let Some(claimed) = &self.inner.claimed {
            return Err(StepError::Limit(format!(
                "`{claimed}` is claimed already: one request gets one task"
            )));
        }
        let Asking { asker, filter } = *asking;
        let lease_ms = lease_ms.unwrap_or(LEASE_MS_DEFAULT);
        if lease_ms == 0 || lease_ms > LEASE_MS_MAX {
            return Err(StepError::Invalid(format!(
                "a lease of {lease_ms} ms: it must be 1 ms to 30 days"
            )));
        }
        let task = self.existing(id)?;
        if let Some(claim) = &task.claim {
            return Err(StepError::Conflict(format!("`{id}` is claimed by `{}`", claim.agent)));
        }
        if task.ready_rank().is_none() {
            return Err(StepError::Conflict(format!("`{id}` is {} and not ready", task.status)));
        }
        if !filter.matches(&task) {
            return Err(StepError::Conflict(format!("`{id}` isn't what was asked for")));
        }
        if !Reservation::Either(asker.clone()).matches(&task) {
            return Err(StepError::Conflict(format!("`{id}` is reserved for somebody else")));
        }
        if !self.inner.locks.try_hold(id)? {
            return Err(StepError::Conflict(format!("`{id}` is locked by hand")));
        }
        self.take_step()?;
        let token = self.next_token(id)?;
        let claim = Claim::new(&asker, token, &self.inner.now, lease_ms);
        self.apply(Change::Claimed { id: id.clone(), claim: Box::new(claim) })?;
        self.inner.claimed = Some(id.clone());
        Ok(token)
    }

    /// Takes the task from its holder.
    pub fn stage_release(
        &mut self,
        id: &TaskId,
        not_before: Option<Millis>,
    ) -> Result<(), StepError> {
        let task = self.changing(id)?;
        if task.status != Status::InProgress {
            return Err(StepError::Conflict(format!(
                "`{id}` is {}, so nobody holds it",
                task.status
            )));
        }
        self.take_step()?;
        self.happen(id, Event::Released, "");
        let cause = Cause::Policy;
        self.apply(Change::Recovered { id: id.clone(), cause, reason: None, not_before })?;
        Ok(())
    }

    /// Finishes or parks another task.
    pub fn stage_status(&mut self, id: &TaskId, to: Status, why: &str) -> Result<(), StepError> {
        let task = self.changing(id)?;
        let (change, event) = match (task.status, to) {
            (from, _) if from.is_finished() => {
                return Err(StepError::Conflict(format!(
                    "`{id}` is {from}: a finished task is never changed"
                )));
            }
            (_, Status::Completed | Status::Failed | Status::Cancelled) => {
                let event = match to {
                    Status::Completed => Event::Completed,
                    Status::Failed => Event::Failed,
                    _ => Event::Cancelled,
                };
                (finish(id, to, why), event)
            }
            (Status::Pending | Status::InProgress, Status::Blocked) => (
                Change::Blocked { id: id.clone(), reason: Some(why.to_owned()), verb: None },
                Event::Blocked,
            ),
            (Status::Blocked, Status::Pending) => (
                Change::Unblocked { id: id.clone(), reason: Some(why.to_owned()) },
                Event::Unblocked,
            ),
            (from, to) => {
                return Err(StepError::Conflict(format!(
                    "`{id}` can't go from {from} to {to} by a policy's step"
                )));
            }
        };
        self.take_step()?;
        self.happen(id, event, why);
        self.apply(change)?;
        Ok(())
    }

    /// Asks `readiness` about a pending task again.
    pub fn stage_reconsider(&mut self, id: &TaskId) -> Result<(), StepError> {
        let task = self.changing(id)?;
        if task.status != Status::Pending {
            return Err(StepError::Conflict(format!(
                "`{id}` is {}, and only pending tasks are asked about",
                task.status
            )));
        }
        self.take_step()?;
        self.inner.reconsider.insert(id.clone());
        Ok(())
    }

    /// Remembers a value, or forgets it.
    pub fn stage_remember(
        &mut self,
        space: Space,
        key: &str,
        value: Option<Vec<u8>>,
    ) -> Result<(), StepError> {
        self.may_change()?;
        if key.is_empty() || key.len() > MEMORY_KEY_BYTES_MAX {
            return Err(StepError::Limit(format!(
                "a key has 1 to {MEMORY_KEY_BYTES_MAX} bytes, not {}",
                key.len()
            )));
        }
        if value.as_ref().is_some_and(|value| value.len() > MEMORY_VALUE_BYTES_MAX) {
            return Err(StepError::Limit(format!(
                "a value has at most {MEMORY_VALUE_BYTES_MAX} bytes"
            )));
        }
        if value.is_some() && self.recall(space, key)?.is_none() {
            let keys = self.inner.view.remembered(space)? + self.inner.memory_keys_added;
            if keys >= MEMORY_KEYS_MAX {
                return Err(StepError::Limit(format!(
                    "a policy remembers at most {MEMORY_KEYS_MAX} keys"
                )));
            }
            self.inner.memory_keys_added += 1;
        }
        self.take_step()?;
        self.inner.memory.insert((space, key.to_owned()), value.clone());
        self.inner.changes.push(Change::Remembered { space, key: key.to_owned(), value });
        Ok(())
    }

    /// How many steps were counted for the policy of this space.
    pub fn steps_staged(&self, space: Space) -> u32 {
        self.inner.steps_staged.get(&space).copied().unwrap_or(0)
    }

    /// Counts a step for the policy of this space: its own settings may bound them, and a decision that is made again
    /// goes on from there.
    pub fn count_step(&mut self, space: Space) {
        let steps = self.inner.steps_staged.entry(space).or_default();
        *steps = steps.saturating_add(1);
    }

    fn may_change(&self) -> Result<(), StepError> {
        match self.inner.access {
            Access::Read => Err(StepError::Invalid("this hook only reads".into())),
            Access::Assign(_) | Access::Change => Ok(()),
        }
    }

    fn existing(&self, id: &TaskId) -> Result<Task, StepError> {
        self.task(id)?.ok_or_else(|| StepError::Invalid(format!("there is no task `{id}`")))
    }

    fn changing(&self, id: &TaskId) -> Result<Task, StepError> {
        self.may_change()?;
        self.existing(id)
    }

    fn take_step(&mut self) -> Result<(), StepError> {
        match self.inner.steps_left.checked_sub(1) {
            Some(left) => {
                self.inner.steps_left = left;
                Ok(())
            }
            None => Err(StepError::Limit("the bound on staged steps is reached".into())),
        }
    }

    fn happen(&mut self, task: &TaskId, event: Event, detail: &str) {
        self.inner.happened.push_back(Happened {
            task: task.clone(),
            event,
            detail: detail.to_owned(),
        });
    }
}
