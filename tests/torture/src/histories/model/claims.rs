//! Who gets what, and what a holder does about it.

use std::cmp::Reverse;
use std::sync::Arc;

use super::{Outcome, Reply, Result, State, When, is_for_others, lease_end};
use crate::histories::words::{
    Ask, Claim, Finish, Id, No, ParentRule, Proof, Status, Task, Verb, Why,
};

/// The lease that the standard policy gives if nobody asks for another one.
const LEASE_MS: u64 = 30 * 60 * 1_000;

impl State {
    pub(super) fn claim(&self, ask: &Ask, when: &When<'_>) -> Vec<Outcome> {
        // A claim that nobody has taken back yet still holds, however late it is.
        match self.claimed_before(ask) {
            Ok(Some(id)) => return self.go_on(id, ask, when),
            Ok(None) => {}
            Err(no) => return vec![Outcome::same(Reply::No(no))],
        }
        let each = self.after_due(when).into_iter().map(|mut after| {
            // What was due is taken back, whatever becomes of the claim.
            let reply = after.claim_now(ask, when).unwrap_or_else(Reply::No);
            match after == *self {
                true => Outcome::same(reply),
                false => Outcome { reply, after: Some(after) },
            }
        });
        each.collect()
    }

    /// A claim is answered again to a later session only if the one that made it doesn't live; it is then the later one's,
    /// if that one's life can be told. When exactly a session has died nobody knows.
    fn go_on(&self, id: Id, ask: &Ask, when: &When<'_>) -> Vec<Outcome> {
        let repeated = || Outcome::same(Reply::Task(id, true));
        let held = self.task(id).ok().and_then(|task| task.claim.clone());
        let Some(held) = held.filter(|held| held.session != ask.session) else {
            return vec![repeated()];
        };
        let mut outcomes = Vec::new();
        if held.living {
            outcomes.push(Outcome::same(Reply::No(No::Taken)));
            let died = when.deaths.get(&held.session);
            if died.is_none_or(|from| *from > when.to_ms) {
                return outcomes;
            }
        }
        outcomes.push(if ask.living { self.handed_over(id, ask, when) } else { repeated() });
        outcomes
    }

    fn handed_over(&self, id: Id, ask: &Ask, when: &When<'_>) -> Outcome {
        let mut after = self.clone();
        if let Ok(task) = after.task_mut(id)
            && let Some(claim) = &mut task.claim
        {
            claim.session = ask.session;
            claim.living = ask.living;
            claim.ends = lease_end(when, claim.lease_ms);
        }
        Outcome { reply: Reply::Task(id, true), after: Some(after) }
    }

    fn claim_now(&mut self, ask: &Ask, when: &When<'_>) -> Result<Reply> {
        if let Some(id) = ask.only {
            let task = self.task(id)?;
            if task.status.is_finished() {
                return Err(No::Invalid);
            }
            let is_parked = matches!(task.status, Status::Blocked | Status::InReview);
            if !is_parked && (task.claim.is_some() || is_for_others(task, ask.agent)) {
                return Err(No::Taken);
            }
        }
        let id = match self.choose(ask) {
            Ok(id) => id,
            Err(why) => return Ok(Reply::Nothing(why)),
        };
        self.token += 1;
        let token = self.token;
        let lease_ms = ask.lease_ms.unwrap_or(LEASE_MS);
        self.set(id, Status::InProgress)?;
        if let Some(key) = ask.key {
            Arc::make_mut(&mut self.claims).insert(key, (ask.clone(), id, token));
        }
        let task = self.task_mut(id)?;
        task.claim = Some(Claim {
            agent: ask.agent,
            session: ask.session,
            living: ask.living,
            token,
            lease_ms,
            ends: lease_end(when, lease_ms),
        });
        task.attempts += 1;
        task.closed = None;
        Ok(Reply::Task(id, false))
    }

    /// The task whose claim the ask's key stands for.
    fn claimed_before(&self, ask: &Ask) -> Result<Option<Id>> {
        let known = ask.key.and_then(|key| self.claims.get(&key));
        let Some((before, id, token)) = known else { return Ok(None) };
        // Whoever asks again may be another session: the name is what counts.
        let again = Ask { session: before.session, living: before.living, ..ask.clone() };
        if again != *before {
            return Err(No::Invalid);
        }
        let task = self.task(*id).map_err(|_| No::Invalid)?;
        match &task.claim {
            Some(claim) if claim.token == *token => Ok(Some(*id)),
            _ => Err(No::Taken),
        }
    }

    /// The task that is given to whoever asks so, or why there is none.
    fn choose(&self, ask: &Ask) -> std::result::Result<Id, Why> {
        if self.tasks.iter().all(|task| task.status.is_finished()) {
            return Err(Why::Empty);
        }
        let only = |task: &&Arc<Task>| ask.only.is_none_or(|only| only == task.id);
        let is_ready = |task: &&Arc<Task>| self.is_ready(task);
        let mut ready = self.tasks.iter().filter(only).filter(is_ready).peekable();
        if ready.peek().is_none() {
            return Err(Why::Waiting);
        }
        let held = self.tasks.iter().filter_map(|task| task.claim.as_ref());
        let held = held.filter(|claim| claim.agent == ask.agent).count();
        let max = self.settings.max_claims;
        if max > 0 && held >= max as usize {
            return Err(Why::NoMatch);
        }
        let wanted = ready.filter(|task| {
            (ask.kinds.is_empty() || ask.kinds.has(task.kind))
                && task.labels.has(ask.labels)
                && ask.capabilities.has(task.needs)
                && !is_for_others(task, ask.agent)
        });
        // The first of those that are equal is the oldest.
        let place = |task: &&Arc<Task>| (Reverse(task.assignee.is_some()), Reverse(task.priority));
        wanted.min_by_key(place).map(|task| task.id).ok_or(Why::NoMatch)
    }

    /// Whether the proof holds the task (`true`), or held it until the same was asked.
    pub(super) fn check(&self, id: Id, proof: &Proof, verb: Verb) -> Result<bool> {
        let task = self.task(id)?;
        if let Some(claim) = &task.claim {
            let holds = claim.agent == proof.agent && claim.token == proof.token;
            return if holds { Ok(true) } else { Err(No::Taken) };
        }
        match &task.closed {
            Some(closed) if closed.agent == proof.agent && closed.token == proof.token => {
                if closed.verb == verb { Ok(false) } else { Err(No::Invalid) }
            }
            _ => Err(No::Taken),
        }
    }

    pub(super) fn heartbeat(
        &mut self,
        id: Id,
        proof: &Proof,
        lease_ms: Option<u64>,
        when: &When<'_>,
    ) -> Result<Reply> {
        self.check(id, proof, Verb::Heartbeat)?;
        if let Some(claim) = &mut self.task_mut(id)?.claim {
            claim.ends = lease_end(when, lease_ms.unwrap_or(claim.lease_ms));
        }
        Ok(Reply::Task(id, false))
    }

    pub(super) fn finish(&mut self, id: Id, proof: &Proof, how: Finish) -> Result<Reply> {
        if !self.check(id, proof, how.verb())? {
            return match how {
                Finish::Complete(result) if result != self.task(id)?.result => Err(No::Invalid),
                _ => Ok(Reply::Task(id, true)),
            };
        }
        match how {
            Finish::Complete(result) => {
                let mut children = self.children(id);
                // One that was lost keeps it from being ready, but not who has it already from completing it.
                let is_open = |child: &Arc<Task>| !child.status.is_finished();
                if self.settings.parent == ParentRule::ChildrenFirst && children.any(is_open) {
                    return Err(No::Refused);
                }
                drop(children);
                self.close(id, Verb::Complete, Status::Completed)?;
                self.task_mut(id)?.result = result;
            }
            Finish::Fail(error) => self.fail(id, error)?,
            Finish::Release => {
                self.close(id, Verb::Release, Status::Pending)?;
                self.task_mut(id)?.attempts -= 1;
            }
        }
        self.settle();
        Ok(Reply::Task(id, false))
    }

    fn fail(&mut self, id: Id, error: Option<u8>) -> Result<()> {
        let (retries, max) = (self.settings.retries, self.settings.max_attempts);
        self.close(id, Verb::Fail, Status::Failed)?;
        let task = self.task_mut(id)?;
        task.failures += 1;
        task.error = error;
        if task.failures <= retries && (max == 0 || task.attempts < max) {
            self.set(id, Status::Pending)?;
        }
        Ok(())
    }
}
