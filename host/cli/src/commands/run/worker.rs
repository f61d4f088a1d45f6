//! One life of an agent of a run: claims, has the command run, and says how it ended.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost::domain::{CommitError, Error as BoardError};
use taskhost::{
    ClaimOptions, ClaimOutcome, Error, Filter, ListQuery, Mark, Name, Session, Status, Task, TaskId,
};

use super::Run;
use super::agents::Member;
use super::attempt::{self, Attempt, Ended};
use super::limits::Places;
use super::outlook::Sight;
use super::progress::Repeats;
use super::settle;
use super::summary::{Outcome, Tally};
use crate::exit;

/// How long a worker bears errors that may pass, such as a lock that somebody holds, before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it waits before it tries again.
const BREATH: Duration = Duration::from_millis(200);
/// How long it sleeps at most when there is nothing to claim: a signal must not wait longer.
const NAP: Duration = Duration::from_millis(250);
/// After so long a worker that waits asks the board all the same: a fork of a dead holder may have kept its lock, so
/// that nobody heard of the death.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How long it rests at most from a task that its command hands back.
const REST_MAX: Duration = Duration::from_secs(10);

/// An agent at work.
pub struct Worker<'r> {
    run: &'r Run,
    member: &'r Member,
    session: Session,
    tally: &'r mut Tally,
    /// Since when nothing gets through to the board, and when that is said again.
    trouble: Option<(Instant, Repeats)>,
    /// A claim's outcome is unknown: a task may have been given to this session, for which these places are kept.
    may_hold_unknowingly: Option<Places<'r>>,
    /// How often the command itself handed which task back.
    handed_back: HashMap<TaskId, u32>,
}

enum Next<'r> {
    Task(Box<Task>, Places<'r>),
    /// Nothing now, as the board stands.
    Wait(Sight, Box<ClaimOptions>),
    /// Nothing now, since as many work on what is left as may.
    WaitForPlace(Mark),
    Over,
}

impl<'r> Worker<'r> {
    pub fn new(run: &'r Run, member: &'r Member, session: Session, tally: &'r mut Tally) -> Self {
        Self {
            run,
            member,
            session,
            tally,
            trouble: None,
            may_hold_unknowingly: None,
            handed_back: HashMap::new(),
        }
    }

    /// Works until nothing is left, the run is stopped, or something is wrong that it doesn't bear.
    pub fn work(mut self) -> Result<()> {
        while !self.run.stop.is_wanted() {
            match self.next() {
                Ok(Next::Task(task, places)) => {
                    self.attempt(*task)?;
                    drop(places);
                }
                Ok(Next::Wait(sight, options)) => match self.wait(sight, &options) {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(error) => self.bear(error)?,
                },
                Ok(Next::WaitForPlace(seen)) => {
                    let waited = self.run.board.wait(seen, NAP);
                    waited.map(|_| ()).or_else(|error| self.bear(error))?;
                }
                Ok(Next::Over) => return Ok(()),
                Err(error) => self.bear(error)?,
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Next<'r>, Error> {
        if let Some(mut places) = self.may_hold_unknowingly.take() {
            match self.unknowingly_held() {
                Ok(Some(task)) => {
                    places.keep_only(&task.task_type);
                    return Ok(Next::Task(Box::new(task), places));
                }
                Ok(None) => {}
                Err(error) => {
                    self.may_hold_unknowingly = Some(places);
                    return Err(error);
                }
            }
        }
        // Taken before the claim, so that nothing that happens after it is slept through.
        let seen = self.run.board.mark()?;
        let mut turn = self.run.limits.turn();
        if self.run.stop.is_wanted() {
            return Ok(Next::Over);
        }
        let Some(types) = turn.types(&self.run.board, &self.member.types)? else {
            return Ok(Next::WaitForPlace(seen));
        };
        let options = self.options(types);
        let outcome = match self.session.claim_with(&options) {
            Ok(outcome) => outcome,
            Err(error) => {
                if matches!(error, Error::Board(BoardError::Commit(CommitError::Unknown(_)))) {
                    self.may_hold_unknowingly = Some(turn.take_any(&options.filter.types));
                }
                return Err(error);
            }
        };
        self.trouble = None;
        match outcome {
            ClaimOutcome::Claimed { task, .. } => {
                let places = turn.take(&task.task_type);
                Ok(Next::Task(task, places))
            }
            ClaimOutcome::Nothing { next_ready_at, .. } => {
                drop(turn);
                let counts = self.run.board.head()?.counts;
                let sight = Sight { counts, next_ready_at, seen };
                let over = self.run.outlook.is_over(&self.run.board, &sight)?;
                Ok(if over { Next::Over } else { Next::Wait(sight, Box::new(options)) })
            }
        }
    }

    /// Waits until a claim may be answered otherwise, without asking for one: a run may have many idle agents. `true`
    /// if nothing can come any more.
    fn wait(&self, mut sight: Sight, options: &ClaimOptions) -> Result<bool, Error> {
        let board = &self.run.board;
        let began = Instant::now();
        while !self.run.stop.is_wanted() && began.elapsed() < ASK_AGAIN {
            let now = board.wait_for(sight.seen, sight.next_ready_at, NAP)?;
            if now.deaths != sight.seen.deaths || sight.is_due(board.now()) {
                return Ok(false);
            }
            if now != sight.seen {
                // Which types have room changes with what ends.
                if !self.run.limits.is_empty() || self.session.may_claim(options)? {
                    return Ok(false);
                }
                let (counts, next_ready_at) = (board.head()?.counts, board.next_due()?);
                sight = Sight { counts, next_ready_at, seen: now };
            }
            if self.run.outlook.is_over(board, &sight)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn options(&self, types: Vec<Name>) -> ClaimOptions {
        let labels = self.run.labels.clone();
        let filter = Filter { types, labels, ..Filter::default() };
        ClaimOptions { filter, lease: self.run.lease, ..ClaimOptions::default() }
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
        let running = self.run.progress.begins(&agent, claimed.task());
        let attempted = if self.run.stop.is_wanted() {
            // Another agent's failure may have come between the claim and now.
            let ended = Ended::Stopped("the run begins no further task".into());
            Ok(Attempt::without_command(ended))
        } else {
            attempt::run(self.run, &agent, &claimed, &claim)
        };
        let (attempt, error) = match attempted {
            Ok(attempt) => (attempt, None),
            // No attempt was made, so the task goes back; the error ends this life of the agent.
            Err(error) => {
                let ended = Ended::Stopped(format!("no attempt was made: {error:#}"));
                (Attempt::without_command(ended), Some(error))
            }
        };
        let Attempt { ended, output, shown } = attempt;
        let settled = settle::settle(self.run, &claimed, &claim, ended, output.as_deref())?;
        self.tally.count(settled.outcome);
        let are_too_many = settled.outcome == Outcome::Failed && self.run.failures.add();
        if are_too_many {
            self.run.stop.drain();
        }
        let took = started.elapsed();
        // Only now, when nobody waits for it: whoever reads may be slow.
        if let Some(shown) = shown {
            let has_failed = settled.outcome.is_failure();
            shown.finish(&self.run.progress.screen, has_failed, || self.run.stop.hurries());
        }
        let output = output.map(|output| self.run.outputs.path.join(output));
        running.ended(settled.outcome, settled.why.as_deref(), output.as_deref(), took);
        if are_too_many {
            self.run.progress.say("no further task is begun, because of `--max-failures`");
        }
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
