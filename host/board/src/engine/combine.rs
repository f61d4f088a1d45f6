//! Claims that are decided by whoever holds the board's lock, for those who wait for it.
//!
//! What is served in another one's place is what nearly always comes of a claim: the asker gets a task. Whatever else
//! would come of it (there is nothing, the policy refuses or fails) is left to the asker's own transaction, which can say
//! more about it. Claims that are to be the same when they are repeated, or are of one task by its id, aren't posted: they
//! wait for other things besides the lock.

use std::sync::Arc;
use std::time::Instant as Deadline;

use serde::{Deserialize, Serialize};

use super::due::LookForDead;
use super::{ClaimOutcome, ClaimRequest, Ended, Engine, Error, Rules, Work};
use crate::image::{decode_task, encode_task};
use crate::{
    Agent, Begun, Change, Combiner, CommitError, Decided, Entry, Filter, Hooks, NoCombiner, Opened,
    Policy, Posting, Task,
};

/// Who can read what is posted: those of the same version, as a rule the same program.
const FORM: &str = concat!(env!("CARGO_PKG_VERSION"), " 1");

/// A claim, as it is posted.
#[derive(Serialize, Deserialize)]
struct PostedClaim {
    form: String,
    agent: Agent,
    filter: Filter,
    lease_ms: Option<u64>,
    seed: u64,
}

impl PostedClaim {
    fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok().filter(|posted: &Self| posted.form == FORM)
    }
}

/// What comes of asking for a claim or a transaction.
pub(super) enum ClaimedOrBegun {
    /// Another one has decided it.
    Claimed(Box<Task>),
    /// It is still to be decided.
    Begun(Box<dyn Opened>),
}

impl Engine {
    /// Opens a transaction for a claim, or has the claim decided by one that is open.
    pub(super) fn claim_or_begin(
        &self,
        request: &ClaimRequest,
        deadline: Deadline,
    ) -> Result<ClaimedOrBegun, Error> {
        let aim = request.aim();
        if !self.combines || request.key.is_some() || request.filter.only.is_some() {
            return Ok(ClaimedOrBegun::Begun(self.store.begin_for(&aim, deadline)?));
        }
        let ClaimRequest { agent, filter, lease_ms, key: _ } = request.clone();
        let seed = (self.entropy)();
        let posted = PostedClaim { form: FORM.to_owned(), agent, filter, lease_ms, seed };
        let Ok(posted) = rmp_serde::to_vec_named(&posted) else {
            return Ok(ClaimedOrBegun::Begun(self.store.begin_for(&aim, deadline)?));
        };
        let posting = Posting { seed, request: &posted, aim: &aim };
        match self.store.begin_or_post(&posting, deadline)? {
            Begun::Opened(opened) => Ok(ClaimedOrBegun::Begun(opened)),
            Begun::Served(answer) => {
                Ok(ClaimedOrBegun::Claimed(Box::new(decode_task(&answer).map_err(|error| {
                    CommitError::Unknown(format!(
                        "another process claimed a task for this agent, and its answer can't be read ({error}): \
                         `taskhost list --agent {}` shows it",
                        request.agent.name
                    ))
                })?)))
            }
            Begun::Found(entry) => match self.claimed_by_entry(&entry)? {
                Some(task) => Ok(ClaimedOrBegun::Claimed(task)),
                // Nobody was told of that claim, and it has ended.
                None => Ok(ClaimedOrBegun::Begun(self.store.begin_for(&aim, deadline)?)),
            },
        }
    }

    /// The task of a claim of which only the entry is known; `None` if it isn't claimed by it any more.
    fn claimed_by_entry(&self, entry: &Entry) -> Result<Option<Box<Task>>, Error> {
        let claimed = entry.changes.iter().find_map(|change| match change {
            Change::Claimed { id, claim } => Some((id, claim.token)),
            _ => None,
        });
        let Some((id, token)) = claimed else { return Ok(None) };
        let task = match self.task(id) {
            Ok(task) => task,
            Err(Error::NoSuchTask(_)) => return Ok(None),
            Err(error) => {
                let why = format!("`{id}` was claimed, and can't be read: {error}");
                return Err(CommitError::Unknown(why).into());
            }
        };
        let is_claimed = task.claim.as_ref().is_some_and(|claim| claim.token == token);
        Ok(is_claimed.then(|| Box::new(task)))
    }

    /// What decides for others while this engine's transaction is committed.
    pub(super) fn combiner(&self) -> Box<dyn Combiner + '_> {
        if self.combines {
            Box::new(Others { engine: self, ready: None, hooks: None })
        } else {
            Box::new(NoCombiner)
        }
    }
}

/// Decides the claims of others.
struct Others<'e> {
    engine: &'e Engine,
    /// What decides, once that was looked up: claims don't change it.
    ready: Option<(Rules, Arc<dyn Policy>)>,
    /// Of what was decided so far: an instance for each would be too many.
    hooks: Option<Box<dyn Hooks>>,
}

impl Combiner for Others<'_> {
    fn decide(&mut self, opened: &mut dyn Opened, request: &[u8]) -> Option<Decided> {
        let PostedClaim { agent, filter, lease_ms, seed, .. } = PostedClaim::decode(request)?;
        let request = ClaimRequest { agent, filter, lease_ms, key: None };
        let view = opened.view();
        if self.ready.is_none() {
            let rules = self.engine.rules(&*view, false).ok()?;
            let policy = self.engine.policies.ready(&rules.set, &rules.limits)?;
            self.ready = Some((rules, policy));
        }
        let (rules, policy) = self.ready.as_ref()?;
        let hooks = self.hooks.take().unwrap_or_else(|| policy.enter(false));
        let mut work = Work::new(self.engine, opened, view, hooks, rules, seed).ok()?;
        let answer = match work.claim(&request, LookForDead::Sometimes) {
            Ok(ClaimOutcome::Claimed { task, .. }) => Some(encode_task(&task)),
            _ => None,
        };
        let Ended { entry, hooks } = work.end(&request.entry(), answer.is_some());
        match (entry, answer) {
            (Some(entry), Some(answer)) => {
                self.hooks = Some(hooks);
                Some(Decided { entry, answer })
            }
            _ => {
                hooks.close(false);
                None
            }
        }
    }

    fn dropped(&mut self) {
        self.ended(false);
    }

    fn ended(&mut self, is_appended: bool) {
        if let Some(hooks) = self.hooks.take() {
            hooks.close(is_appended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgentKind, Name, Process, SessionId};

    fn name(text: &str) -> Name {
        Name::new(text).expect("is a name")
    }

    #[test]
    fn posted_claim_is_read_as_it_was_written_by_those_of_the_same_version_only() {
        let process = Process { pid: 1, started: 2, boot: crate::BootId("b".into()), namespace: 3 };
        let agent = Agent {
            name: name("a"),
            kind: AgentKind::Host,
            session: SessionId::new("s").expect("is an id"),
            hostname: Some(name("h")),
            capabilities: vec![name("c"), name("d")],
            living: true,
            process: Some(process),
        };
        let filter =
            Filter { types: vec![name("t")], labels: vec![name("l")], ..Filter::default() };
        let least =
            Agent { hostname: None, capabilities: Vec::new(), process: None, ..agent.clone() };
        for (agent, filter, lease_ms) in
            [(agent, filter, Some(7)), (least, Filter::default(), None)]
        {
            let mut posted =
                PostedClaim { form: FORM.into(), agent, filter, lease_ms, seed: u64::MAX };
            let read = |posted: &PostedClaim| {
                PostedClaim::decode(&rmp_serde::to_vec_named(posted).expect("serializes"))
            };
            let found = read(&posted).expect("it is of this version");
            assert_eq!((&found.agent, &found.filter), (&posted.agent, &posted.filter));
            assert_eq!((found.lease_ms, found.seed), (posted.lease_ms, posted.seed));
            posted.form = "0.0.0 1".into();
            assert!(read(&posted).is_none());
        }
    }
}
