//! What has come due: leases that ran out, holders that died, tasks whose time has come. Every claim takes a
//! bounded number of them first, so that no daemon is needed.

use super::{Error, Work};
use crate::transaction::finish;
use crate::{Access, Cause, Change, Due, Lease, Measure, Rescue, Status, Tally, TaskId, Vital};

/// How many holders are checked for life in one transaction.
const VITALS_CHECKED_MAX: usize = 64;
/// Out of how many those are drawn. They are drawn at random, because a process that claims once and ends can't
/// remember where the last one stopped: the first 64 in order would be checked by everybody, the rest by nobody.
const VITALS_DRAWN_FROM_MAX: usize = 4_096;

/// Whether holders are asked if they live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookForDead {
    /// Now and then: of many claims in quick succession, one does it for those after it.
    Sometimes,
    /// The same, and before anybody is told that there is nothing.
    BeforeNothing,
    /// At once.
    Surely,
}

impl Work<'_> {
    /// Takes what is due, and `wanted` from a holder that is late or dead, with all that follows. It stays, even if
    /// the command is refused then.
    pub(super) fn keep_up(
        &mut self,
        wanted: Option<&TaskId>,
        look: LookForDead,
    ) -> Result<(), Error> {
        self.take_due()?;
        if look == LookForDead::Surely || self.opened.is_time_to_look_for_dead() {
            self.take_from_dead()?;
        }
        if let Some(id) = wanted {
            self.take_late(id)?;
        }
        self.settle()?;
        self.upkept = self.tx().changes().len();
        Ok(())
    }

    fn take_due(&mut self) -> Result<(), Error> {
        self.take_backlog()?;
        let now = self.tx().now().clone();
        let limit = self.engine.limits.due_max;
        // As a rule there is nothing, and one costs less to look for than a page.
        if self.tx().view().due(&now, 1)?.is_empty() {
            return Ok(());
        }
        let all_due = self.tx().view().due(&now, limit)?;
        if all_due.len() == limit {
            self.queue.leave_over();
        }
        for due in all_due {
            match due {
                Due::Lease(id) => self.recover(&id, Cause::LeaseOver)?,
                Due::Ask(id) => self.queue.ask(id),
            }
        }
        Ok(())
    }

    /// Takes what the dead held, before somebody is told that there is nothing; says whether anything came of it.
    pub(super) fn look_for_dead_before_nothing(&mut self) -> Result<bool, Error> {
        if self.looked_for_dead {
            return Ok(false);
        }
        let before = self.tx().changes().len();
        self.take_from_dead()?;
        self.settle()?;
        let after = self.tx().changes().len();
        // Unless the policy has staged something of its own in between.
        if self.upkept == before {
            self.upkept = after;
        }
        Ok(after > before)
    }

    fn take_from_dead(&mut self) -> Result<(), Error> {
        self.looked_for_dead = true;
        let limit = self.engine.limits.due_max;
        let mut vitals = self.tx().view().vitals(VITALS_DRAWN_FROM_MAX)?;
        if vitals.is_empty() {
            return Ok(());
        }
        let first = self.tx().seed() as usize % vitals.len();
        vitals.rotate_left(first);
        vitals.truncate(VITALS_CHECKED_MAX);
        for vital in self.opened.dead(&vitals) {
            for id in self.tx().view().vital_claims(&vital, limit)? {
                self.recover(&id, Cause::HolderDead)?;
            }
        }
        Ok(())
    }

    /// Takes one task from a holder that is late or dead, wherever it stands among those that are due.
    fn take_late(&mut self, id: &TaskId) -> Result<(), Error> {
        let Some(claim) = self.tx().task(id)?.and_then(|task| task.claim) else { return Ok(()) };
        if claim.lease.is_over(self.tx().now()) {
            return self.recover(id, Cause::LeaseOver);
        }
        let vitals: Vec<Vital> = claim.vitals().collect();
        if !vitals.is_empty() && !self.opened.dead(&vitals).is_empty() {
            return self.recover(id, Cause::HolderDead);
        }
        Ok(())
    }

    /// Asks the policy what becomes of a claim whose holder is late or dead. `recovery` is the hook for this;
    /// `lifecycle` isn't asked too, because its refusal would leave the task with nobody for ever.
    fn recover(&mut self, id: &TaskId, cause: Cause) -> Result<(), Error> {
        if self.task(id)?.claim.is_none() {
            return Ok(());
        }
        let now = self.tx().now().clone();
        let change = match self
            .hook(Measure::Recovery, Access::Change, |hooks, tx| hooks.recover(tx, id, cause))?
        {
            Rescue::Release => {
                Change::Recovered { id: id.clone(), cause, reason: None, not_before: None }
            }
            Rescue::KeepUntil(until) => {
                let lease = Lease::starting(&now, until.0.saturating_sub(now.wall.0));
                Change::Kept { id: id.clone(), lease }
            }
            Rescue::Fail(why) => finish(id, Status::Failed, &why),
        };
        // The hook may have finished the task by a step of its own.
        if self.task(id)?.claim.is_some() {
            self.engine.meter.count(Tally::Recoveries);
            self.tx_mut().apply(change)?;
        }
        Ok(())
    }
}
