//! Who gets what, what a holder does about it, and what becomes of a holder that is late or dead.

use std::cmp::Reverse;

use super::{Closed, Flaw, KEYS_KEPT, LEASE_MAX, Model, Result, Task};
use crate::words::{
    Answer, Ask, Finish, Hold, Id, No, Obstacle, Proof, Status, WORKERS, Why, Worker,
};

impl Model {
    /// Leases that ran out and holders that died. That a task's time has come needs nobody to note it here.
    pub(super) fn take_due(&mut self) {
        let lost: Vec<Id> = self.tasks.values().filter(|task| self.is_lost(task)).map(id).collect();
        for id in lost {
            let max = self.settings.limit("max_attempts", 5);
            let used_up = max.is_some_and(|max| self.tasks[&id].seen.attempts >= max);
            if let Some(task) = self.tasks.get_mut(&id) {
                task.closed = None;
            }
            let _ = self.set(&id, if used_up { Status::Failed } else { Status::Pending });
        }
        self.settle();
    }

    fn is_lost(&self, task: &Task) -> bool {
        let Some(claim) = &task.seen.claim else { return false };
        let over = self.now >= claim.lease_until && !self.has(Flaw::LeasesNeverEnd);
        let alive = (0..WORKERS.len()).any(|worker| self.session(worker) == claim.session);
        over || (task.living && !alive)
    }

    pub(super) fn claim(&mut self, ask: &Ask) -> Result<Answer> {
        // A claim that nobody has recovered yet still holds, however late it is.
        if let Some(id) = self.claimed_before(ask)?.map(id) {
            return self.go_on(&id, ask.worker);
        }
        self.take_due();
        self.upkept = Some(Box::new(self.clone()));
        if let Some(id) = &ask.only {
            let task = self.task(id)?;
            if task.seen.status.is_finished() {
                return Err(No::Invalid);
            }
            let is_parked = matches!(task.seen.status, Status::Blocked | Status::InReview);
            if !is_parked
                && (task.seen.claim.is_some() || self.is_for_others(task, WORKERS[ask.worker]))
            {
                return Err(No::Taken);
            }
        }
        let id = match self.choose(ask) {
            Ok(id) => id,
            Err(why) => {
                return Ok(Answer::Nothing { why, next_ready_at: self.next_ready_at() });
            }
        };
        self.token += 1;
        let worker = WORKERS[ask.worker];
        let lease = ask.lease.unwrap_or_else(|| {
            let set = self.settings.length("lease", 30 * 60 * 1_000);
            if set == 0 { LEASE_MAX } else { set.min(LEASE_MAX) }
        });
        let hold = Hold {
            agent: worker.name.into(),
            kind: worker.kind,
            hostname: worker.hostname.map(Into::into),
            session: self.session(ask.worker),
            token: self.token,
            since: self.now,
            lease_until: self.now + lease,
        };
        self.set(&id, Status::InProgress)?;
        if let Some(key) = &ask.key {
            self.claims.insert(key.clone(), (ask.clone(), id.clone(), self.token, self.now));
        }
        let task = self.task_mut(&id)?;
        task.seen.claim = Some(hold);
        task.seen.attempts += 1;
        task.closed = None;
        task.lease = lease;
        task.living = worker.living;
        Ok(Answer::Task(Box::new(task.seen.clone()), false))
    }

    /// A claim is answered again to a later session only if the one that made it doesn't live; it is then the later one's,
    /// if that one's life can be told.
    fn go_on(&mut self, id: &Id, asker: usize) -> Result<Answer> {
        let (worker, session, now) = (WORKERS[asker], self.session(asker), self.now);
        let sessions: Vec<String> = (0..WORKERS.len()).map(|other| self.session(other)).collect();
        let task = self.task_mut(id)?;
        let is_living = task.living;
        if let Some(claim) = &mut task.seen.claim
            && claim.session != session
        {
            if is_living && sessions.contains(&claim.session) {
                return Err(No::Taken);
            }
            if worker.living {
                claim.session = session;
                claim.kind = worker.kind;
                claim.hostname = worker.hostname.map(Into::into);
                claim.lease_until = now + task.lease;
                task.living = true;
                task.seen.updated_at = now;
            }
        }
        Ok(Answer::Task(Box::new(task.seen.clone()), true))
    }

    /// The claim that the ask's key stands for.
    fn claimed_before(&self, ask: &Ask) -> Result<Option<&Task>> {
        let known = ask.key.as_ref().and_then(|key| self.claims.get(key));
        let Some((before, id, token, at)) = known.filter(|_| !self.has(Flaw::KeysForgotten)) else {
            return Ok(None);
        };
        if self.now >= at + KEYS_KEPT {
            return Ok(None);
        }
        // Whoever asks again may be another session, or on another machine: the name is what counts.
        let same = WORKERS[before.worker].name == WORKERS[ask.worker].name
            && Ask { worker: ask.worker, ..before.clone() } == *ask;
        if !same {
            return Err(No::Invalid);
        }
        let task = self.tasks.get(id).ok_or(No::Invalid)?;
        let holds = task.seen.claim.as_ref().is_some_and(|claim| claim.token == *token);
        if holds { Ok(Some(task)) } else { Err(No::Taken) }
    }

    /// The task that is given to whoever asks so, or why there is none.
    pub(super) fn choose(&self, ask: &Ask) -> std::result::Result<Id, Why> {
        let worker = WORKERS[ask.worker];
        let only = |task: &&Task| ask.only.as_ref().is_none_or(|only| *only == task.seen.id);
        let ready: Vec<&Task> =
            self.tasks.values().filter(only).filter(|task| self.is_ready(task)).collect();
        if self.tasks.values().all(|task| task.seen.status.is_finished()) {
            return Err(Why::Empty);
        }
        if ready.is_empty() {
            return Err(Why::Waiting);
        }
        let held = self.tasks.values().filter(|task| {
            task.seen.claim.as_ref().is_some_and(|claim| claim.agent == worker.name)
        });
        let limit = self.settings.limit("max_claims_per_agent", 0);
        if limit.is_some_and(|limit| held.count() >= limit as usize) {
            return Err(Why::NoMatch);
        }
        let wanted = ready.into_iter().filter(|task| {
            let able = task.seen.needs.iter().all(|need| ask.capabilities.contains(need));
            (ask.types.is_empty() || ask.types.contains(&task.seen.task_type))
                && ask.labels.iter().all(|label| task.seen.labels.contains(label))
                && (able || self.has(Flaw::NeedsIgnored))
                && !self.is_for_others(task, worker)
        });
        let place = |task: &&Task| {
            let reserved = task.seen.assignee.is_some() && !self.has(Flaw::ReservationsIgnored);
            let priority = if self.has(Flaw::PriorityIgnored) { 0 } else { task.seen.priority };
            (Reverse(reserved), Reverse(priority), task.born)
        };
        wanted.min_by_key(place).map(id).ok_or(Why::NoMatch)
    }

    fn is_for_others(&self, task: &Task, worker: Worker) -> bool {
        task.seen.assignee.as_ref().is_some_and(|person| {
            let host = person.hostname.as_deref();
            person.name != worker.name
                || person.kind != worker.kind
                || (host.is_some() && host != worker.hostname)
        })
    }

    /// When a lease ends or a task's time comes.
    fn next_ready_at(&self) -> Option<u64> {
        let leases =
            self.tasks.values().filter_map(|task| Some(task.seen.claim.as_ref()?.lease_until));
        let times = self.tasks.values().filter_map(|task| match self.obstacle(task) {
            Some(Obstacle::Until(at)) => Some(at),
            _ => None,
        });
        leases.chain(times).min()
    }

    /// Whether the proof holds the task (`true`), or held it until the same was asked.
    pub(super) fn check(&self, id: &Id, proof: &Proof, verb: &'static str) -> Result<bool> {
        let task = self.task(id)?;
        let token = proof.token.ok_or(No::Usage)?;
        let token_is = |other| token == other || self.has(Flaw::TokensNotCompared);
        let holds = task.seen.claim.as_ref();
        if holds.is_some_and(|claim| claim.agent == proof.agent && token_is(claim.token)) {
            return Ok(true);
        }
        match &task.closed {
            Some(closed) if closed.agent == proof.agent && closed.token == token => {
                if closed.verb == verb { Ok(false) } else { Err(No::Invalid) }
            }
            _ => Err(No::Taken),
        }
    }

    pub(super) fn heartbeat(
        &mut self,
        id: &Id,
        proof: &Proof,
        lease: Option<u64>,
    ) -> Result<Answer> {
        self.check(id, proof, "heartbeat")?;
        let now = self.now;
        let task = self.task_mut(id)?;
        let lease = lease.unwrap_or(task.lease);
        if let Some(claim) = &mut task.seen.claim {
            claim.lease_until = now + lease;
        }
        task.seen.updated_at = now;
        Ok(Answer::Task(Box::new(task.seen.clone()), false))
    }

    pub(super) fn finish(&mut self, id: &Id, proof: &Proof, how: &Finish) -> Result<Answer> {
        let verb = match how {
            Finish::Complete(_) => "complete",
            Finish::Fail(_) => "fail",
            Finish::Release(_) => "release",
        };
        if !self.check(id, proof, verb)? {
            let task = self.task(id)?;
            return match how {
                Finish::Complete(result) if *result != task.seen.result => Err(No::Invalid),
                _ => Ok(Answer::Task(Box::new(task.seen.clone()), true)),
            };
        }
        match how {
            Finish::Complete(result) => {
                // One that was lost keeps it from being ready, but not who has it already from completing it.
                let open = |child: &Task| !child.seen.status.is_finished();
                if self.parent_rule() == "children-first" && self.children(id).any(open) {
                    return Err(No::Refused);
                }
                self.close(id, verb, Status::Completed)?;
                self.task_mut(id)?.seen.result.clone_from(result);
            }
            Finish::Fail(error) => self.fail(id, error.clone())?,
            Finish::Release(_) => {
                let keeps = self.has(Flaw::ReleaseKeepsAttempt);
                self.close(id, verb, Status::Pending)?;
                self.task_mut(id)?.seen.attempts -= u32::from(!keeps);
            }
        }
        self.settle();
        Ok(Answer::Task(Box::new(self.task(id)?.seen.clone()), false))
    }

    fn fail(&mut self, id: &Id, error: Option<String>) -> Result<()> {
        let retries = self.settings.number("retries", 0);
        let max = self.settings.limit("max_attempts", 5);
        let backoff =
            if self.has(Flaw::BackoffForgotten) { 0 } else { self.settings.length("backoff", 0) };
        let now = self.now;
        self.close(id, "fail", Status::Failed)?;
        let task = self.task_mut(id)?;
        task.seen.failures += 1;
        task.seen.error = error;
        let failures = task.seen.failures;
        let again =
            i64::from(failures) <= retries && max.is_none_or(|max| task.seen.attempts < max);
        if again {
            self.set(id, Status::Pending)?;
            if backoff > 0 {
                self.task_mut(id)?.seen.not_before = Some(now + backoff * u64::from(failures));
            }
        }
        Ok(())
    }

    /// Ends a claim as its holder asks.
    pub(super) fn close(&mut self, id: &Id, verb: &'static str, status: Status) -> Result<()> {
        let task = self.task_mut(id)?;
        if let Some(claim) = &task.seen.claim {
            task.closed = Some(Closed { token: claim.token, agent: claim.agent.clone(), verb });
        }
        self.set(id, status)
    }
}

fn id(task: &Task) -> Id {
    task.seen.id.clone()
}
