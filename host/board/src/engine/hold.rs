//! `heartbeat`, `complete`, `fail`, `release`: what a holder does about its claim. The token is compared before
//! anything else, in the transaction that changes the task.

use std::time::Instant as Deadline;

use serde::{Deserialize, Serialize};

use super::planted::PlantedBug;
use super::{Engine, Error, Work};
use crate::transaction::LEASE_MS_MAX;
use crate::{
    Access, Aim, Change, Claim, Command, Event, Json, Lease, Measure, Name, Request, Status, Task,
    TaskId, Token, Verdict,
};

/// What a holder does about its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Extend the lease.
    Heartbeat,
    /// The task is done.
    Complete,
    /// The attempt failed.
    Fail,
    /// Hand it back.
    Release,
    /// Park it, usually with a question.
    Block,
}

impl Verb {
    /// The word used on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Complete => "complete",
            Self::Fail => "fail",
            Self::Release => "release",
            Self::Block => "block",
        }
    }
}

/// What shows that a request comes from the holder.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The agent's name.
    pub agent: Name,
    /// The token that `claim` gave it; may be absent on an unfenced board only.
    pub token: Option<Token>,
}

/// How a holder ends its claim.
#[derive(Debug, Clone)]
pub enum Finish {
    /// The task is done, with this result.
    Complete(Option<Json>),
    /// The attempt failed, with this error.
    Fail(Option<String>),
    /// Hand it back, saying why.
    Release(Option<String>),
}

impl Finish {
    fn verb(&self) -> Verb {
        match self {
            Self::Complete(_) => Verb::Complete,
            Self::Fail(_) => Verb::Fail,
            Self::Release(_) => Verb::Release,
        }
    }
}

/// The longest reason, in bytes: a cascade repeats it for each of very many tasks.
pub(super) const REASON_BYTES_MAX: usize = 4 * 1024;
/// The longest error, in bytes.
pub(super) const ERROR_BYTES_MAX: usize = 64 * 1024;
/// The largest result, in bytes.
pub(super) const RESULT_BYTES_MAX: usize = 1 << 20;

/// Checks that a text is of a size that can be kept.
pub(super) fn check_text(what: &str, text: &str, bytes_max: usize) -> Result<(), Error> {
    if text.len() <= bytes_max {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "{what} has at most {bytes_max} bytes, not {}: keep it in `taskhost context`, and name that",
        text.len()
    )))
}

/// The answer to a holder.
#[derive(Debug, Clone)]
pub struct Held {
    /// The task as it is now.
    pub task: Box<Task>,
    /// Whether the same request had been answered before.
    pub repeated: bool,
}

pub(super) enum Standing {
    Holds(Box<Claim>),
    Repeats,
}

impl Engine {
    /// Extends the lease to `lease_ms` from now, or to its own length.
    pub fn heartbeat(
        &self,
        id: &TaskId,
        proof: &Proof,
        lease_ms: Option<u64>,
        deadline: Deadline,
    ) -> Result<Held, Error> {
        check_lease(lease_ms)?;
        let (entry, aim) = (request(Command::Heartbeat, proof), Aim::at([id.clone()]));
        self.transact(&entry, aim, deadline, |work| {
            let Standing::Holds(claim) = work.standing(id, proof, Verb::Heartbeat)? else {
                return Err(Error::Invalid("a heartbeat is never answered from memory".into()));
            };
            let lease = Lease::starting(work.tx().now(), lease_ms.unwrap_or(claim.lease_ms));
            work.tx_mut().apply(Change::Renewed { id: id.clone(), lease })?;
            Ok(Held { task: Box::new(work.task(id)?), repeated: false })
        })
    }

    /// Ends the claim. The same request repeated is answered the same.
    pub fn finish(
        &self,
        id: &TaskId,
        proof: &Proof,
        how: &Finish,
        deadline: Deadline,
    ) -> Result<Held, Error> {
        match how {
            Finish::Complete(Some(result)) => {
                check_text("a result", result.as_str(), RESULT_BYTES_MAX)?;
            }
            Finish::Fail(Some(error)) => check_text("an error", error, ERROR_BYTES_MAX)?,
            Finish::Release(Some(reason)) => check_text("a reason", reason, REASON_BYTES_MAX)?,
            Finish::Complete(None) | Finish::Fail(None) | Finish::Release(None) => {}
        }
        let command = match how.verb() {
            Verb::Heartbeat => Command::Heartbeat,
            Verb::Complete => Command::Complete,
            Verb::Fail => Command::Fail,
            Verb::Release => Command::Release,
            Verb::Block => Command::Block,
        };
        let (entry, aim) = (request(command, proof), Aim::at([id.clone()]));
        self.transact(&entry, aim, deadline, |work| work.finish(id, proof, how))
    }
}

/// Checks that a lease is of a length that can be.
pub(super) fn check_lease(lease_ms: Option<u64>) -> Result<(), Error> {
    if lease_ms.is_some_and(|ms| ms == 0 || ms > LEASE_MS_MAX) {
        return Err(Error::Invalid(
            "a lease must be longer than nothing and at most 30 days".into(),
        ));
    }
    Ok(())
}

pub(super) fn request(command: Command, proof: &Proof) -> Request {
    Request { command, agent: Some(proof.agent.clone()), session: None, filter: None }
}

impl Work<'_> {
    /// Whether the claim is this caller's, or was until the same request ended it.
    pub(super) fn standing(
        &self,
        id: &TaskId,
        proof: &Proof,
        verb: Verb,
    ) -> Result<Standing, Error> {
        let task = self.task(id)?;
        let Some(token) = proof.token else {
            return self.standing_without_token(task, proof, verb);
        };
        let stale = |task: Task| Error::Stale {
            id: task.id.clone(),
            presented: token,
            lease_until: task.claim.as_ref().map(|claim| claim.lease.ends(self.tx().now())),
            status: task.status,
            claim: task.claim.map(Box::new),
        };
        match (&task.claim, &task.closed) {
            (Some(claim), _) if self.is_token_of(claim, token) && claim.agent == proof.agent => {
                Ok(Standing::Holds(Box::new(claim.clone())))
            }
            (None, Some(closed)) if closed.token == token && closed.agent == proof.agent => {
                match closed.verb {
                    Some(before) if before == verb => Ok(Standing::Repeats),
                    Some(before) => Err(Error::Transition {
                        id: id.clone(),
                        status: task.status,
                        detail: format!(
                            "its claim with token {token} was ended by `{}`",
                            before.as_str()
                        ),
                    }),
                    None => Err(stale(task)),
                }
            }
            _ => Err(stale(task)),
        }
    }

    fn is_token_of(&self, claim: &Claim, presented: Token) -> bool {
        claim.token == presented || self.engine.has(PlantedBug::TokenNotCompared)
    }

    fn standing_without_token(
        &self,
        task: Task,
        proof: &Proof,
        verb: Verb,
    ) -> Result<Standing, Error> {
        if !self.tx().view().settings()?.unfenced {
            return Err(Error::TokenNeeded { id: task.id, verb });
        }
        match (task.claim, &task.closed) {
            (Some(claim), _) if claim.agent == proof.agent => Ok(Standing::Holds(Box::new(claim))),
            (Some(claim), _) => {
                let lease_until = claim.lease.ends(self.tx().now());
                Err(Error::Held { id: task.id, claim: Box::new(claim), lease_until })
            }
            (None, Some(closed)) if closed.agent == proof.agent && closed.verb == Some(verb) => {
                Ok(Standing::Repeats)
            }
            (None, _) => Err(Error::Transition {
                id: task.id,
                status: task.status,
                detail: "nobody holds it: claim it first".into(),
            }),
        }
    }

    fn finish(&mut self, id: &TaskId, proof: &Proof, how: &Finish) -> Result<Held, Error> {
        let before = self.task(id)?;
        if let Standing::Repeats = self.standing(id, proof, how.verb())? {
            if let Finish::Complete(result) = how
                && before.result != *result
            {
                return Err(Error::Transition {
                    id: id.clone(),
                    status: before.status,
                    detail: "it was completed with another result".into(),
                });
            }
            return Ok(Held { task: Box::new(before), repeated: true });
        }
        let (change, event, detail) = staged(id, how);
        self.tx_mut().apply(change)?;
        let verdict = self.hook(Measure::Lifecycle, Access::Change, |hooks, tx| {
            hooks.on_event(tx, id, event, &detail)
        })?;
        match (verdict, how) {
            (Verdict::Accept, _) => {}
            (Verdict::Refused(why), _) => return Err(Error::Refused(why)),
            (Verdict::Review, Finish::Complete(result)) => {
                let review = finished(id, Status::InReview, Verb::Complete, result.clone(), None);
                self.tx_mut().replace_last(id, before, review)?;
            }
            (Verdict::Retry(not_before), Finish::Fail(error)) => {
                let retry = Change::Retried { id: id.clone(), error: error.clone(), not_before };
                self.tx_mut().replace_last(id, before, retry)?;
            }
            (Verdict::Review | Verdict::Retry(_), _) => {
                return Err(self.invalid_step(
                    "lifecycle",
                    &format!(
                        "`review` answers only `completed` and `retry` only `failed`, not `{}`",
                        event.as_str()
                    ),
                ));
            }
        }
        self.settle()?;
        Ok(Held { task: Box::new(self.task(id)?), repeated: false })
    }
}

fn staged(id: &TaskId, how: &Finish) -> (Change, Event, String) {
    match how {
        Finish::Complete(result) => {
            let detail = result.as_ref().map(|json| json.as_str().to_owned()).unwrap_or_default();
            (
                finished(id, Status::Completed, Verb::Complete, result.clone(), None),
                Event::Completed,
                detail,
            )
        }
        Finish::Fail(error) => {
            let detail = error.clone().unwrap_or_default();
            (finished(id, Status::Failed, Verb::Fail, None, error.clone()), Event::Failed, detail)
        }
        Finish::Release(reason) => (
            Change::Released { id: id.clone(), reason: reason.clone() },
            Event::Released,
            reason.clone().unwrap_or_default(),
        ),
    }
}

fn finished(
    id: &TaskId,
    status: Status,
    verb: Verb,
    result: Option<Json>,
    error: Option<String>,
) -> Change {
    Change::Finished { id: id.clone(), status, verb: Some(verb), reason: None, result, error }
}
