//! A session goes on with a claim that an earlier session of the same agent made: it presents the token, and from then
//! on its own life is what the claim stands on.
//!
//! A session that is known to live keeps its claims: two sessions of one name never have the same task, whatever either
//! of them has read. Where nothing proves that the earlier one lives, the token decides, as it does for every other
//! request about a claim.

use std::time::Instant as Deadline;

use super::hold::{Standing, Verb, check_lease, request};
use super::{Engine, Error, Held, Proof, Work};
use crate::{Agent, Aim, Change, Claim, Command, Task, TaskId, Token};

impl Engine {
    /// Takes up again the claim with this token for the session that `agent` is, and extends its lease to `lease_ms` from
    /// now, or by its own length.
    pub fn resume(
        &self,
        id: &TaskId,
        token: Token,
        agent: &Agent,
        lease_ms: Option<u64>,
        deadline: Deadline,
    ) -> Result<Held, Error> {
        check_lease(lease_ms)?;
        let proof = Proof { agent: agent.name.clone(), token: Some(token) };
        let mut entry = request(Command::Heartbeat, &proof);
        entry.session = Some(agent.session.clone());
        let aim = Aim::at([id.clone()]);
        self.transact(&entry, aim, deadline, |work| work.resume(id, &proof, agent, lease_ms))
    }
}

impl Work<'_> {
    fn resume(
        &mut self,
        id: &TaskId,
        proof: &Proof,
        agent: &Agent,
        lease_ms: Option<u64>,
    ) -> Result<Held, Error> {
        let Standing::Holds(held) = self.standing(id, proof, Verb::Heartbeat)? else {
            return Err(Error::Invalid("a heartbeat is never answered from memory".into()));
        };
        // Who names a session doesn't show that it is that one; who holds its life lock does.
        let is_own = held.session == agent.session && agent.living;
        if !is_own {
            self.refuse_if_living(id, &held)?;
        }
        let lease_ms = lease_ms.unwrap_or(held.lease_ms);
        let task = self.hand_over(id, &held, agent, lease_ms)?;
        Ok(Held { task: Box::new(task), repeated: false })
    }

    /// The claim that `agent`'s request made before, answered again: to a later session only if the one that made it has
    /// ended, and then it is the later one's.
    pub(super) fn go_on(&mut self, task: Task, agent: &Agent) -> Result<Task, Error> {
        let Some(held) = task.claim.clone() else { return Ok(task) };
        let is_same_process = held.process.is_some() && held.process == agent.process;
        if held.session == agent.session || is_same_process {
            return Ok(task);
        }
        self.refuse_if_living(&task.id, &held)?;
        if !agent.living && agent.process.is_none() {
            // Nothing is known of either: the request was repeated.
            return Ok(task);
        }
        self.hand_over(&task.id, &held, agent, held.lease_ms)
    }

    fn hand_over(
        &mut self,
        id: &TaskId,
        held: &Claim,
        agent: &Agent,
        lease_ms: u64,
    ) -> Result<Task, Error> {
        let now = self.tx().now();
        let claim = Claim { since: held.since, ..Claim::new(agent, held.token, now, lease_ms) };
        self.tx_mut().apply(Change::Resumed { id: id.clone(), claim: Box::new(claim) })?;
        self.task(id)
    }

    /// Leaves the claim with its holder if something vouches for them, and isn't known to have ended.
    fn refuse_if_living(&mut self, id: &TaskId, held: &Claim) -> Result<(), Error> {
        let mut vitals = held.vitals().peekable();
        if vitals.peek().is_none() || vitals.any(|vital| self.opened.is_dead(&vital)) {
            return Ok(());
        }
        let lease_until = held.lease.ends(self.tx().now());
        Err(Error::Held { id: id.clone(), claim: Box::new(held.clone()), lease_until })
    }
}
