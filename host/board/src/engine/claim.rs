//! `claim`: an agent gets work that nobody else has.

use std::time::Instant as Deadline;

use super::add::{check_key, fingerprint};
use super::combine::ClaimedOrBegun;
use super::due::LookForDead;
use super::{Engine, Error, Work};
use crate::{
    Access, Agent, Aim, Asking, Change, Choice, Command, Filter, KeyRecord, Measure, Millis, Order,
    ReadyQuery, Request, Reservation, Status, Tally, Task, TaskId, Token,
};

/// An agent asks for work.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Who asks.
    pub agent: Agent,
    /// For what.
    pub filter: Filter,
    /// With which lease, in milliseconds.
    pub lease_ms: Option<u64>,
    /// Repeated with the same key, the request gives the same claim.
    pub key: Option<String>,
}

impl ClaimRequest {
    /// How the journal names it.
    pub(super) fn entry(&self) -> Request {
        Request {
            command: Command::Claim,
            agent: Some(self.agent.name.clone()),
            session: Some(self.agent.session.clone()),
            filter: Some(self.filter.clone()).filter(|filter| !filter.is_empty()),
        }
    }

    /// What its transaction is for.
    pub(super) fn aim(&self) -> Aim {
        Aim {
            tasks: self.filter.only.iter().cloned().collect(),
            key: self.key.clone().map(|key| (Command::Claim, key)),
            asking: Some(Asking { asker: self.agent.clone(), filter: self.filter.clone() }),
            ..Aim::default()
        }
    }
}

/// Why there was nothing to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NothingWhy {
    /// No task is open.
    Empty,
    /// Tasks are open, but none is ready.
    Waiting,
    /// Tasks are ready, but none for this asker.
    NoMatch,
}

impl NothingWhy {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Waiting => "waiting",
            Self::NoMatch => "no_match",
        }
    }
}

/// The answer to an agent that asks for work.
#[derive(Debug, Clone)]
pub enum ClaimOutcome {
    /// This task is now the asker's.
    Claimed {
        /// The task, with its claim.
        task: Box<Task>,
        /// Whether the same request had claimed it before.
        repeated: bool,
    },
    /// There is nothing for the asker now.
    Nothing {
        /// Why.
        why: NothingWhy,
        /// What the policy said about it.
        detail: Option<String>,
        /// When a lease ends or a task's time comes, if that is known.
        next_ready_at: Option<Millis>,
    },
}

impl Engine {
    /// Gives the asker a task, or says why there is none. Waits for the board's lock until `deadline`.
    pub fn claim(&self, request: &ClaimRequest, deadline: Deadline) -> Result<ClaimOutcome, Error> {
        request.key.as_deref().map_or(Ok(()), check_key)?;
        let entry = request.entry();
        // The patience is for the lock, each time anew: asking about what is left is work, not waiting, and ends.
        let patience = deadline.saturating_duration_since(Deadline::now());
        let mut deadline = deadline;
        // Before the board's lock: whoever has locked the task by hand may need the board to get done with it.
        let _locked = match &request.filter.only {
            Some(id) => self.store.lock_task(id, deadline)?,
            None => None,
        };
        self.warm_up();
        let mut opened = match self.claim_or_begin(request, deadline)? {
            ClaimedOrBegun::Claimed(task) => {
                self.meter.count(Tally::Claims);
                return Ok(ClaimOutcome::Claimed { task, repeated: false });
            }
            ClaimedOrBegun::Begun(opened) => Some(opened),
        };
        loop {
            let (mut outcome, leftovers, changed) =
                self.transact_on(opened.take(), &entry, request.aim(), deadline, |work| {
                    let outcome = work.claim(request, LookForDead::BeforeNothing)?;
                    Ok((outcome, work.has_leftovers(), !work.tx().changes().is_empty()))
                })?;
            // Among the tasks still to be asked about there may be one for this asker.
            let again = leftovers && matches!(outcome, ClaimOutcome::Nothing { .. });
            if !again {
                // What was due and was taken just now was still among the timers that the transaction saw.
                if let ClaimOutcome::Nothing { next_ready_at, .. } = &mut outcome
                    && changed
                {
                    let (view, now) = self.store.snapshot()?;
                    *next_ready_at = view.next_due(&now)?;
                }
                self.meter.count(match outcome {
                    ClaimOutcome::Claimed { .. } => Tally::Claims,
                    ClaimOutcome::Nothing { .. } => Tally::Nothing,
                });
                return Ok(outcome);
            }
            deadline = Deadline::now() + patience;
        }
    }
}

impl Engine {
    /// Whether a claim may be answered otherwise than with nothing: looked up without the board's lock, so that
    /// those who wait can look often. It may say yes where the policy then gives nothing, never the reverse; that a
    /// holder died it doesn't see.
    pub fn may_claim(&self, request: &ClaimRequest) -> Result<bool, Error> {
        let (view, now) = self.store.snapshot()?;
        if !view.due(&now, 1)?.is_empty()
            || !view.unasked(1)?.is_empty()
            || !view.wakes(1)?.is_empty()
        {
            return Ok(true);
        }
        if let Some(key) = &request.key
            && view.key(Command::Claim, key)?.is_some()
        {
            return Ok(true);
        }
        if let Some(id) = &request.filter.only {
            // That it has ended, or is gone, is an answer too.
            let answers = |task: Task| task.status.is_finished() || task.ready_rank().is_some();
            return Ok(view.task(id)?.is_none_or(answers));
        }
        let query = ReadyQuery {
            filter: request.filter.clone(),
            reserved: Reservation::Either(request.agent.clone()),
            order: Order::Oldest,
        };
        Ok(!view.ready(&query, None, 1)?.is_empty())
    }
}

impl Work<'_> {
    pub(super) fn claim(
        &mut self,
        request: &ClaimRequest,
        look: LookForDead,
    ) -> Result<ClaimOutcome, Error> {
        let print = || fingerprint(&(&request.agent.name, &request.filter, request.lease_ms));
        if let Some(key) = &request.key
            && let Some(task) = self.claimed_before(key, print())?
        {
            let task = self.go_on(task, &request.agent)?;
            return Ok(ClaimOutcome::Claimed { task: Box::new(task), repeated: true });
        }
        self.keep_up(request.filter.only.as_ref(), look)?;
        if let Some(id) = &request.filter.only
            && let Some(nothing) = self.look_at_wanted(id, &request.agent)?
        {
            return Ok(nothing);
        }
        let mut choice = self.choose(request)?;
        // In this transaction, not in one after it: between the two, others would see half of what this one does.
        if matches!(choice, Choice::Nothing(_))
            && look == LookForDead::BeforeNothing
            && self.look_for_dead_before_nothing()?
        {
            choice = self.choose(request)?;
        }
        match choice {
            Choice::Refused(why) => Err(Error::Refused(why)),
            Choice::Nothing(detail) => {
                let why = match self.tx().is_any_open_or_ready()? {
                    (false, _) => NothingWhy::Empty,
                    (true, false) => NothingWhy::Waiting,
                    (true, true) => NothingWhy::NoMatch,
                };
                self.nothing(why, detail)
            }
            Choice::Staged => {
                let (id, token) = self.staged_claim()?;
                self.settle()?;
                let task = self.task(&id)?;
                if task.claim.as_ref().is_none_or(|claim| claim.token != token) {
                    return Err(self.invalid_step(
                        "assignment",
                        "the task it had claimed was taken away again",
                    ));
                }
                if let Some(key) = &request.key {
                    let record = KeyRecord {
                        fingerprint: print(),
                        task: id,
                        token: Some(token),
                        at: self.tx().now().wall,
                    };
                    self.tx_mut().apply(Change::Keyed {
                        command: Command::Claim,
                        key: key.clone(),
                        record,
                    })?;
                }
                Ok(ClaimOutcome::Claimed { task: Box::new(task), repeated: false })
            }
        }
    }

    /// Asks the policy what the asker gets, with what follows from an answer that it gets nothing.
    fn choose(&mut self, request: &ClaimRequest) -> Result<Choice, Error> {
        let access = Access::Assign(Box::new(Asking {
            asker: request.agent.clone(),
            filter: request.filter.clone(),
        }));
        let choice = self.hook(Measure::Assignment, access, |hooks, tx| {
            hooks.choose(tx, &request.agent, &request.filter, request.lease_ms)
        })?;
        if matches!(choice, Choice::Nothing(_)) {
            self.settle()?;
        }
        Ok(choice)
    }

    /// The task that the policy gave to the asker, and the token it got.
    fn staged_claim(&self) -> Result<(TaskId, Token), Error> {
        let claimed = self.tx().claimed().cloned();
        let id = claimed
            .ok_or_else(|| self.invalid_step("assignment", "it claimed nothing and said it had"))?;
        match self.task(&id)?.claim {
            Some(claim) => Ok((id, claim.token)),
            None => {
                Err(self.invalid_step("assignment", "the task it had claimed was taken away again"))
            }
        }
    }

    fn nothing(&self, why: NothingWhy, detail: Option<String>) -> Result<ClaimOutcome, Error> {
        let next_ready_at = self.tx().view().next_due(self.tx().now())?;
        Ok(ClaimOutcome::Nothing { why, detail, next_ready_at })
    }

    /// The answer that `key` stands for, if it was used within its time.
    pub(super) fn recall_key(
        &self,
        command: Command,
        key: &str,
        print: u64,
    ) -> Result<Option<KeyRecord>, Error> {
        let kept_ms = self.tx().view().settings()?.keys_kept_ms();
        let kept = |record: &KeyRecord| record.at.plus(kept_ms) >= self.tx().now().wall;
        let Some(record) = self.tx().key(command, key)?.filter(kept) else { return Ok(None) };
        if record.fingerprint == print {
            Ok(Some(record))
        } else {
            Err(Error::KeyReused(key.to_owned()))
        }
    }

    fn claimed_before(&self, key: &str, print: u64) -> Result<Option<Task>, Error> {
        let Some(record) = self.recall_key(Command::Claim, key, print)? else { return Ok(None) };
        let gone = || Error::KeyGone { key: key.to_owned(), id: record.task.clone() };
        let task = self.tx().task(&record.task)?.ok_or_else(gone)?;
        match &task.claim {
            Some(claim) if Some(claim.token) == record.token => Ok(Some(task)),
            other => Err(Error::KeyEnded {
                key: key.to_owned(),
                id: task.id.clone(),
                status: task.status,
                claim: other.clone().map(Box::new),
            }),
        }
    }

    /// Whether a task that was asked for by id can be claimed at all; the policy is asked only then.
    fn look_at_wanted(&self, id: &TaskId, asker: &Agent) -> Result<Option<ClaimOutcome>, Error> {
        let task = self.task(id)?;
        let waiting = |detail: String| self.nothing(NothingWhy::Waiting, Some(detail)).map(Some);
        match task.status {
            Status::Completed | Status::Failed | Status::Cancelled => Err(Error::Transition {
                id: id.clone(),
                status: task.status,
                detail: match task.status {
                    Status::Completed => "a finished task can't be claimed: add another one".into(),
                    _ => format!(
                        "a finished task can't be claimed: `taskhost retry {id}` takes it up again"
                    ),
                },
            }),
            Status::InReview | Status::Blocked => waiting(format!("`{id}` is {}", task.status)),
            Status::InProgress | Status::Pending => {
                if let Some(claim) = task.claim {
                    let lease_until = claim.lease.ends(self.tx().now());
                    return Err(Error::Held {
                        id: id.clone(),
                        claim: Box::new(claim),
                        lease_until,
                    });
                }
                if let Some(assignee) =
                    task.assignee.as_ref().filter(|assignee| !assignee.is(asker))
                {
                    return Err(Error::Reserved {
                        id: id.clone(),
                        assignee: assignee.name.clone(),
                    });
                }
                if task.ready_rank().is_none() {
                    return waiting(format!(
                        "`{id}` isn't ready: `taskhost explain {id}` says why"
                    ));
                }
                let lacks: Vec<String> =
                    task.lacking(&asker.capabilities).map(|need| format!("`{need}`")).collect();
                if !lacks.is_empty() {
                    let detail = format!("`{id}` needs an agent capable of {}", lacks.join(", "));
                    return self.nothing(NothingWhy::NoMatch, Some(detail)).map(Some);
                }
                Ok(None)
            }
        }
    }
}
