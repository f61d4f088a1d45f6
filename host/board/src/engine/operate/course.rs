//! Where a task goes: stopped, reopened, parked, taken back, accepted.

use super::super::Proof;
use super::super::hold::Standing;
use super::{Error, Work};
use crate::transaction::finish;
use crate::{Cause, Change, Event, Name, Status, Task, TaskId, Verb};

impl Work<'_> {
    /// Cancels a task, and with `cascade` what waits for it. Whoever holds it finds out at the next heartbeat.
    pub(super) fn cancel(
        &mut self,
        id: &TaskId,
        cascade: bool,
        reason: Option<&str>,
    ) -> Result<bool, Error> {
        let task = self.task(id)?;
        match task.status {
            // Whoever forgot `cascade` asks again with it.
            Status::Cancelled if !cascade => return Ok(false),
            Status::Completed | Status::Failed => {
                return Err(Self::wrong_status(&task, "a finished task can't be cancelled"));
            }
            Status::Cancelled
            | Status::Pending
            | Status::InProgress
            | Status::InReview
            | Status::Blocked => {}
        }
        let waiting = if cascade { self.waiting_for(id)? } else { Vec::new() };
        let is_open = task.status != Status::Cancelled;
        if is_open {
            self.end_as_cancelled(&task, reason)?;
        }
        let changed = is_open || !waiting.is_empty();
        for (waiter, on) in waiting {
            // The policy may have cancelled it by now.
            let task = self.task(&waiter)?;
            if !task.status.is_finished() {
                self.end_as_cancelled(&task, Some(&format!("`{on}` was cancelled")))?;
            }
        }
        Ok(changed)
    }

    fn end_as_cancelled(&mut self, task: &Task, reason: Option<&str>) -> Result<(), Error> {
        let why = reason.unwrap_or("cancelled by hand");
        self.tx_mut().apply(finish(&task.id, Status::Cancelled, why))?;
        self.tell(&task.id, Event::Cancelled, why)
    }

    pub(super) fn retry(
        &mut self,
        id: &TaskId,
        cascade: bool,
        reason: Option<&str>,
    ) -> Result<bool, Error> {
        let task = self.task(id)?;
        let is_lost = matches!(task.status, Status::Failed | Status::Cancelled);
        match task.status {
            Status::Failed | Status::Cancelled => {}
            Status::Pending | Status::InProgress | Status::InReview if !cascade => {
                return Ok(false);
            }
            Status::Pending | Status::InProgress | Status::InReview => {}
            Status::Completed => {
                return Err(Self::wrong_status(
                    &task,
                    "what is completed isn't done again: add another task",
                ));
            }
            Status::Blocked => {
                return Err(Self::wrong_status(&task, "it is parked: unblock it"));
            }
        }
        let after = if cascade { self.lost_after(id)? } else { Vec::new() };
        let lost: Vec<&TaskId> = is_lost.then_some(id).into_iter().chain(&after).collect();
        for id in lost.iter().copied() {
            let change = Change::Reopened {
                id: id.clone(),
                reason: reason.map(str::to_owned),
                afresh: true,
            };
            self.tx_mut().apply(change)?;
            self.tell(id, Event::Retried, reason.unwrap_or_default())?;
        }
        Ok(!lost.is_empty())
    }

    /// Parks a task. Its holder gets the attempt back; whoever else holds it keeps it, unless it is forced.
    pub(super) fn block(
        &mut self,
        id: &TaskId,
        reason: Option<&str>,
        proof: Option<&Proof>,
        force: bool,
    ) -> Result<bool, Error> {
        let mut verb = None;
        if let Some(proof) = proof {
            match self.standing(id, proof, Verb::Block)? {
                Standing::Holds(_) => verb = Some(Verb::Block),
                Standing::Repeats => return Ok(false),
            }
        }
        let task = self.task(id)?;
        match (task.status, task.claim.clone()) {
            (Status::Blocked, _) if reason.is_none() || task.reason.as_deref() == reason => {
                return Ok(false);
            }
            (Status::Pending, _) => {}
            (Status::InProgress, Some(claim)) if verb.is_none() && !force => {
                let lease_until = claim.lease.ends(self.tx().now());
                return Err(Error::Held { id: id.clone(), claim: Box::new(claim), lease_until });
            }
            (Status::InProgress, _) => {}
            _ => {
                let detail = "only a pending task, or one that is worked on, can be parked";
                return Err(Self::wrong_status(&task, detail));
            }
        }
        let reason = reason.map(str::to_owned);
        let detail = reason.clone().unwrap_or_default();
        self.tx_mut().apply(Change::Blocked { id: id.clone(), reason, verb })?;
        self.tell(id, Event::Blocked, &detail)?;
        Ok(true)
    }

    pub(super) fn unblock(&mut self, id: &TaskId, reason: Option<&str>) -> Result<bool, Error> {
        let task = self.task(id)?;
        if task.status == Status::Pending {
            return Ok(false);
        }
        if task.status != Status::Blocked {
            return Err(Self::wrong_status(&task, "it isn't parked"));
        }
        let change = Change::Unblocked { id: id.clone(), reason: reason.map(str::to_owned) };
        self.tx_mut().apply(change)?;
        self.tell(id, Event::Unblocked, reason.unwrap_or_default())?;
        Ok(true)
    }

    /// Takes a task from its holder. The attempt stays counted, as with every loss.
    pub(super) fn release_by_force(
        &mut self,
        id: &TaskId,
        reason: Option<&str>,
    ) -> Result<bool, Error> {
        let task = self.task(id)?;
        if task.claim.is_none() {
            return if task.status == Status::Pending {
                Ok(false)
            } else {
                Err(Self::wrong_status(&task, "nobody holds it"))
            };
        }
        self.tx_mut().apply(Change::Recovered {
            id: id.clone(),
            cause: Cause::Operator,
            reason: reason.map(str::to_owned),
            not_before: None,
        })?;
        self.tell(id, Event::Released, reason.unwrap_or("an operator took it from its holder"))?;
        Ok(true)
    }

    /// Accepts a task, or sends it back. Whoever completed it doesn't accept it, under whatever policy: that a second
    /// one looks is what a review is, and a policy isn't told who reviews.
    pub(super) fn review(
        &mut self,
        id: &TaskId,
        accept: bool,
        reason: Option<&str>,
        by: Option<&Name>,
    ) -> Result<bool, Error> {
        let task = self.task(id)?;
        if task.status != Status::InReview {
            return Err(Self::wrong_status(&task, "it doesn't wait for a review"));
        }
        let completed_by = task.closed.as_ref().map(|closed| &closed.agent);
        if accept && by.is_some() && by == completed_by {
            let why = "its own agent can't accept it: an agent or person of another name has to";
            return Err(Self::wrong_status(&task, why));
        }
        let reason = reason.map(str::to_owned);
        let detail = reason.clone().unwrap_or_default();
        self.tx_mut().apply(if accept {
            Change::Accepted { id: id.clone(), reason }
        } else {
            Change::Reopened { id: id.clone(), reason, afresh: false }
        })?;
        self.tell(id, Event::Reviewed, &detail)?;
        Ok(true)
    }
}
