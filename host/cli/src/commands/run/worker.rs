//! One agent of a run: claims, has the command run, and says how it ended.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost::domain::{CommitError, Error as BoardError};
use taskhost::{
    Claim, ClaimOutcome, Claimed, Error, ListQuery, Millis, Sequence, Session, Status, Task,
};

use super::Run;
use super::attempt::{self, Ended, is_lost};
use super::outlook::Sight;
use super::summary::{Outcome, Tally};
use crate::exit;

/// How long a worker bears errors that may pass, such as a lock that somebody holds, before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it waits before it tries again.
const BREATH: Duration = Duration::from_millis(200);
/// How long it sleeps at most when there is nothing to claim: a signal must not wait longer.
const NAP: Duration = Duration::from_millis(250);

/// An agent at work.
pub struct Worker<'r> {
    run: &'r Run,
    session: Session,
    tally: Tally,
    /// Since when nothing gets through to the board.
    trouble_since: Option<Instant>,
    /// A claim's outcome is unknown: it may have been given to this session.
    may_hold_unknowingly: bool,
}

enum Next {
    Task(Box<Task>),
    /// Nothing now; something may have changed after this, or by this time.
    Wait(Sequence, Option<Millis>),
    Over,
}

impl<'r> Worker<'r> {
    pub fn new(run: &'r Run, session: Session) -> Self {
        Self {
            run,
            session,
            tally: Tally::default(),
            trouble_since: None,
            may_hold_unknowingly: false,
        }
    }

    /// Works until nothing is left, the run is stopped, or something is wrong that doesn't pass.
    pub fn work(mut self) -> (Tally, Option<anyhow::Error>) {
        let error = self.work_off().err();
        if error.is_some() {
            // What stopped this one stops the others too; they finish what they have begun.
            self.run.stop.drain();
        }
        (self.tally, error)
    }

    fn work_off(&mut self) -> Result<()> {
        while !self.run.stop.is_wanted() {
            match self.next() {
                Ok(Next::Task(task)) => self.attempt(*task)?,
                Ok(Next::Wait(seen, until)) => {
                    let waited = self.run.board.wait_for(seen, until, NAP);
                    waited.map(|_| ()).or_else(|error| self.bear(error))?;
                }
                Ok(Next::Over) => return Ok(()),
                Err(error) => self.bear(error)?,
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Next, Error> {
        if self.may_hold_unknowingly
            && let Some(task) = self.unknowingly_held()?
        {
            return Ok(Next::Task(Box::new(task)));
        }
        self.may_hold_unknowingly = false;
        let outcome = self.session.claim_with(&self.run.options);
        if let Err(Error::Board(BoardError::Commit(CommitError::Unknown(_)))) = &outcome {
            self.may_hold_unknowingly = true;
        }
        let outcome = outcome?;
        self.trouble_since = None;
        match outcome {
            ClaimOutcome::Claimed { task, .. } => Ok(Next::Task(task)),
            ClaimOutcome::Nothing { counts, next_ready_at, seen, .. } => {
                let sight = Sight { counts, next_ready_at, seen };
                let over = self.run.outlook.is_over(&self.run.board, &sight)?;
                Ok(if over { Next::Over } else { Next::Wait(seen, next_ready_at) })
            }
        }
    }

    /// The task of a claim whose outcome was unknown, if it was made after all.
    fn unknowingly_held(&self) -> Result<Option<Task>, Error> {
        let agent = self.session.agent();
        let query = ListQuery {
            statuses: vec![Status::InProgress],
            agent: Some(agent.name.clone()),
            limit: 1_000,
            ..ListQuery::default()
        };
        let held = self.run.board.list(&query)?.tasks.into_iter();
        Ok(held
            .into_iter()
            .find(|task| task.claim.as_ref().is_some_and(|claim| claim.session == agent.session)))
    }

    /// Waits a moment after an error that may pass; gives up after too many.
    fn bear(&mut self, error: Error) -> Result<()> {
        let error = anyhow::Error::from(error);
        let since = *self.trouble_since.get_or_insert_with(Instant::now);
        if !exit::problem(&error).retryable || since.elapsed() > PATIENCE {
            return Err(error);
        }
        self.run.progress.say(&format!("{}: {error:#}; trying again", self.session.agent().name));
        thread::sleep(BREATH);
        Ok(())
    }

    fn attempt(&mut self, task: Task) -> Result<()> {
        let started = Instant::now();
        let claim = task.claim.clone().context("the task that was claimed has no claim")?;
        let claimed = self.session.claimed(task);
        let agent = self.session.agent().clone();
        self.run.progress.claimed(&agent, claimed.task());
        let ended = attempt::run(self.run, &agent, &claimed, &claim);
        let (outcome, why, error) = match ended {
            Ok(ended) => {
                let (outcome, why) = self.settle(&claimed, &claim, ended)?;
                (outcome, why, None)
            }
            // No attempt was made, so the task goes back; the error ends the run.
            Err(error) => {
                let (outcome, _) = self.settle(&claimed, &claim, Ended::Stopped)?;
                (outcome, Some(format!("{error:#}")), Some(error))
            }
        };
        self.tally.count(outcome);
        self.run.progress.ended(&agent, claimed.task(), outcome, why.as_deref(), started.elapsed());
        error.map_or(Ok(()), Err)
    }

    /// Tells the board how the attempt ended, and says what that made of the task.
    fn settle(
        &mut self,
        claimed: &Claimed,
        claim: &Claim,
        ended: Ended,
    ) -> Result<(Outcome, Option<String>)> {
        let (settled, why) = match ended {
            Ended::Lost(why) => return Ok((Outcome::Lost, Some(why))),
            Ended::Settled => (self.look(claimed), None),
            Ended::Stopped => (
                self.persist(claimed, claim, || {
                    claimed.release(Some("the run was stopped".into()))
                }),
                None,
            ),
            Ended::Failed(why) => (self.fail(claimed, claim, &why), Some(why)),
            Ended::Done(result) => {
                match self.persist(claimed, claim, || claimed.complete(Some(result.clone()))) {
                    Err(Error::Board(BoardError::Refused(refusal))) => {
                        let why = format!("the policy refused the completion: {refusal}");
                        (self.fail(claimed, claim, &why), Some(why))
                    }
                    other => (other, None),
                }
            }
        };
        match settled {
            Ok(status) => Ok((outcome(status, why.is_some()), why)),
            Err(Error::Board(error)) if is_lost(&error) => {
                Ok((Outcome::Lost, Some(error.to_string())))
            }
            Err(error) => Err(error).with_context(|| {
                format!("what became of `{}` could not be recorded", claimed.id())
            }),
        }
    }

    fn fail(&mut self, claimed: &Claimed, claim: &Claim, why: &str) -> Result<Status, Error> {
        match self.persist(claimed, claim, || claimed.fail(why)) {
            // The policy wants neither its completion nor its failure; somebody else may have more luck.
            Err(Error::Board(BoardError::Refused(refusal))) => {
                let reason = format!("{why}; and the policy refused the failure: {refusal}");
                self.persist(claimed, claim, || claimed.release(Some(reason.clone())))
            }
            other => other,
        }
    }

    /// Says it until it gets through, which repeating makes no worse, for as long as the lease holds.
    fn persist(
        &mut self,
        claimed: &Claimed,
        claim: &Claim,
        say: impl Fn() -> Result<Status, Error>,
    ) -> Result<Status, Error> {
        let until = Instant::now() + Duration::from_millis(claim.lease_ms).min(PATIENCE);
        loop {
            let error = match say() {
                // The command itself may have ended the claim before it exited.
                Err(Error::Board(BoardError::Transition { .. })) => return self.look(claimed),
                Err(error) => error,
                ok => return ok,
            };
            let retryable = exit::of_taskhost(&error).retryable && !is_lost_error(&error);
            if !retryable || Instant::now() > until {
                return Err(error);
            }
            self.run.progress.say(&format!("{}: {error}; trying again", self.session.agent().name));
            thread::sleep(BREATH);
        }
    }

    fn look(&self, claimed: &Claimed) -> Result<Status, Error> {
        Ok(self.run.board.task(claimed.id())?.status)
    }
}

fn is_lost_error(error: &Error) -> bool {
    matches!(error, Error::Board(error) if is_lost(error))
}

/// What the task's status says about the attempt, which `failed` or not.
fn outcome(status: Status, failed: bool) -> Outcome {
    match status {
        Status::Pending if failed => Outcome::Retried,
        Status::Completed => Outcome::Completed,
        Status::InReview => Outcome::InReview,
        Status::Failed | Status::Cancelled => Outcome::Failed,
        Status::Pending | Status::InProgress | Status::Blocked => Outcome::Released,
    }
}
