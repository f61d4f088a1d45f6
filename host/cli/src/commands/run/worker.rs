//! One agent of a run: claims, has the command run, and says how it ended.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost::domain::{CommitError, Error as BoardError};
use taskhost::{ClaimOutcome, Error, ListQuery, Mark, Millis, Session, Status, Task, TaskId};

use super::Run;
use super::attempt::{self, Ended};
use super::outlook::Sight;
use super::progress::Repeats;
use super::settle;
use super::summary::Tally;
use crate::exit;

/// How long a worker bears errors that may pass, such as a lock that somebody holds, before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it waits before it tries again.
const BREATH: Duration = Duration::from_millis(200);
/// How long it sleeps at most when there is nothing to claim: a signal must not wait longer.
const NAP: Duration = Duration::from_millis(250);
/// How long it rests at most from a task that its command hands back.
const REST_MAX: Duration = Duration::from_secs(10);

/// An agent at work.
pub struct Worker<'r> {
    run: &'r Run,
    session: Session,
    tally: Tally,
    /// Since when nothing gets through to the board, and when that is said again.
    trouble: Option<(Instant, Repeats)>,
    /// A claim's outcome is unknown: it may have been given to this session.
    may_hold_unknowingly: bool,
    /// How often the command itself handed which task back.
    handed_back: HashMap<TaskId, u32>,
}

enum Next {
    Task(Box<Task>),
    /// Nothing now; something may have changed after this, or by this time.
    Wait(Mark, Option<Millis>),
    Over,
}

impl<'r> Worker<'r> {
    pub fn new(run: &'r Run, session: Session) -> Self {
        Self {
            run,
            session,
            tally: Tally::default(),
            trouble: None,
            may_hold_unknowingly: false,
            handed_back: HashMap::new(),
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
        // Taken before the claim, so that nothing that happens after it is slept through.
        let seen = self.run.board.mark()?;
        let outcome = self.session.claim_with(&self.run.options);
        if let Err(Error::Board(BoardError::Commit(CommitError::Unknown(_)))) = &outcome {
            self.may_hold_unknowingly = true;
        }
        let outcome = outcome?;
        self.trouble = None;
        match outcome {
            ClaimOutcome::Claimed { task, .. } => Ok(Next::Task(task)),
            ClaimOutcome::Nothing { counts, next_ready_at, .. } => {
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
        let (since, repeats) =
            self.trouble.get_or_insert_with(|| (Instant::now(), Repeats::default()));
        if !exit::problem(&error).retryable || since.elapsed() > PATIENCE {
            return Err(error);
        }
        if repeats.is_due() {
            let name = &self.session.agent().name;
            self.run.progress.say(&format!("{name}: {error:#}; trying again"));
        }
        thread::sleep(BREATH);
        Ok(())
    }

    fn attempt(&mut self, task: Task) -> Result<()> {
        let started = Instant::now();
        let claim = task.claim.clone().context("the task that was claimed has no claim")?;
        let claimed = self.session.claimed(task);
        let agent = self.session.agent().clone();
        self.run.progress.claimed(&agent, claimed.task());
        let (ended, error) = match attempt::run(self.run, &agent, &claimed, &claim) {
            Ok(ended) => (ended, None),
            // No attempt was made, so the task goes back; the error ends the run.
            Err(error) => (Ended::Stopped, Some(error)),
        };
        let settled = settle::settle(self.run, &claimed, &claim, ended)?;
        self.tally.count(settled.outcome);
        let took = started.elapsed();
        self.run.progress.ended(
            &agent,
            claimed.task(),
            settled.outcome,
            settled.why.as_deref(),
            took,
        );
        if settled.handed_back_by_command {
            self.rest_from(claimed.id());
        }
        error.map_or(Ok(()), Err)
    }

    /// Waits before the next claim, longer each time that the command itself handed this task back: it is likely
    /// to be the next one again, and to be handed back again.
    fn rest_from(&mut self, id: &TaskId) {
        let times = self.handed_back.entry(id.clone()).or_default();
        let rest = BREATH.saturating_mul(1 << (*times).min(8)).min(REST_MAX);
        *times += 1;
        let until = Instant::now() + rest;
        while Instant::now() < until && !self.run.stop.is_wanted() {
            thread::sleep(NAP.min(until.saturating_duration_since(Instant::now())));
        }
    }
}
