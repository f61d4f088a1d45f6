//! Telling the board how an attempt ended, and what that made of the task.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost::domain::{Error as BoardError, Finish};
use taskhost::{Claim, Claimed, Error, Status, Task, Verb};

use super::Run;
use super::attempt::Ended;
use super::lease::is_lost;
use super::progress::Repeats;
use super::stop::Stop;
use super::summary::Outcome;

/// How long the outcome of an attempt is told again and again if it doesn't get through.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same while the run is stopped.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long one try waits for the board's lock: meanwhile nobody hears that there is a hurry.
const TRY_WAITS: Duration = Duration::from_secs(1);
/// How long to wait in between.
const BREATH: Duration = Duration::from_millis(200);

/// What became of an attempt.
#[derive(Debug)]
pub struct Settled {
    pub outcome: Outcome,
    /// What went wrong.
    pub why: Option<String>,
    /// The command itself released the task.
    pub handed_back_by_command: bool,
}

/// Tells the board how the attempt ended; `output` is where in the board's directory the command's output is.
pub fn settle(
    run: &Run,
    claimed: &Claimed,
    claim: &Claim,
    ended: Ended,
    output: Option<&Path>,
) -> Result<Settled> {
    let teller = Teller { run, claimed, claim, output };
    let (told, why) = match ended {
        Ended::Lost(why) => (Ok(Told::Outcome(Outcome::Lost)), Some(why)),
        Ended::Settled => (teller.look().map(Told::ByCommand), None),
        Ended::Stopped(reason) => (teller.release(&reason), None),
        Ended::Failed(why) => (teller.fail(&why), Some(why)),
        Ended::Done(result) => match teller.tell(&Finish::Complete(Some(result))) {
            Err(Error::Board(BoardError::Refused(refusal))) => {
                let why = format!("the policy refused the completion: {refusal}");
                (teller.fail(&why), Some(why))
            }
            told => (told, None),
        },
    };
    match told {
        Ok(Told::Outcome(outcome)) => Ok(Settled { outcome, why, handed_back_by_command: false }),
        Ok(Told::ByCommand(outcome)) => {
            // What the command did after it had said what became of the task changes nothing of that.
            let handed_back_by_command = outcome == Outcome::Released;
            Ok(Settled { outcome, why: None, handed_back_by_command })
        }
        Err(Error::Board(error)) if is_lost(&error) => Ok(Settled {
            outcome: Outcome::Lost,
            why: Some(error.to_string()),
            handed_back_by_command: false,
        }),
        // With what it takes to tell it by hand.
        Err(error) => Err(error).with_context(|| {
            let (id, agent) = (claimed.id(), &claim.agent);
            format!(
                "what became of `{id}`, which `{agent}` holds by token {}, could not be recorded",
                claim.token.0
            )
        }),
    }
}

enum Told {
    Outcome(Outcome),
    /// The command had ended the claim before.
    ByCommand(Outcome),
}

struct Teller<'a> {
    run: &'a Run,
    claimed: &'a Claimed,
    claim: &'a Claim,
    output: Option<&'a Path>,
}

impl Teller<'_> {
    fn fail(&self, why: &str) -> Result<Told, Error> {
        // Whoever is shown the error later wants to read on, and doesn't know where.
        let error = match self.output {
            Some(output) => format!("{why}; its output is in {}", self.run.outputs.name(output)),
            None => why.to_owned(),
        };
        let told = self.tell(&Finish::Fail(Some(error)));
        match &told {
            Ok(Told::Outcome(Outcome::Released)) => return Ok(Told::Outcome(Outcome::Retried)),
            // Neither done nor failed: nobody should sit on it. The refusal itself ends the run.
            Err(Error::Board(BoardError::Refused(refusal))) => {
                self.release(&format!("{why}; and the policy refused the failure: {refusal}"))?;
            }
            _ => {}
        }
        told
    }

    fn release(&self, reason: &str) -> Result<Told, Error> {
        self.tell(&Finish::Release(Some(reason.to_owned())))
    }

    /// Says it until it gets through, which repeating makes no worse.
    fn tell(&self, how: &Finish) -> Result<Told, Error> {
        let mut patience = Patience::new();
        let mut repeats = Repeats::default();
        loop {
            let error = match self.try_once(how) {
                Ok(status) => return Ok(Told::Outcome(outcome(status))),
                // The command itself may have ended the claim before it exited.
                Err(Error::Board(BoardError::Transition { .. })) => {
                    return self.look().map(Told::ByCommand);
                }
                Err(error) => error,
            };
            let passes = error.problem().retryable
                && !matches!(&error, Error::Board(error) if is_lost(error));
            if !passes || patience.is_over(&self.run.stop) {
                return Err(error);
            }
            if repeats.is_due() {
                self.run.progress.say(&format!("`{}`: {error}; trying again", self.claimed.id()));
            }
            thread::sleep(BREATH);
        }
    }

    fn try_once(&self, how: &Finish) -> Result<Status, Error> {
        self.claimed.finish_by(how, Instant::now() + TRY_WAITS)
    }

    /// What the command made of the task itself.
    fn look(&self) -> Result<Outcome, Error> {
        Ok(outcome_of_claim(&self.run.board.task(self.claimed.id())?, self.claim))
    }
}

/// How long to go on trying. Nothing is lost by giving up while the run is stopped: once this process has ended, what
/// its agents held is taken back from them.
struct Patience {
    began: Instant,
    stopped: Option<Instant>,
}

impl Patience {
    fn new() -> Self {
        Self { began: Instant::now(), stopped: None }
    }

    fn is_over(&mut self, stop: &Stop) -> bool {
        if stop.signal().is_some() {
            self.stopped.get_or_insert_with(Instant::now);
        }
        stop.hurries()
            || self.began.elapsed() > PATIENCE
            || self.stopped.is_some_and(|since| since.elapsed() > STOP_PATIENCE)
    }
}

/// What the status says of an attempt that was just told of.
fn outcome(status: Status) -> Outcome {
    match status {
        Status::Completed => Outcome::Completed,
        Status::InReview => Outcome::InReview,
        Status::Failed | Status::Cancelled => Outcome::Failed,
        Status::Pending | Status::InProgress | Status::Blocked => Outcome::Released,
    }
}

/// How this claim ended, as the task remembers it.
fn outcome_of_claim(task: &Task, claim: &Claim) -> Outcome {
    let closed = task.closed.as_ref().filter(|closed| closed.token == claim.token);
    match (closed.and_then(|closed| closed.verb), task.status) {
        (Some(Verb::Complete), Status::InReview) => Outcome::InReview,
        (Some(Verb::Complete), _) => Outcome::Completed,
        (Some(Verb::Fail), Status::Failed) => Outcome::Failed,
        (Some(Verb::Fail), _) => Outcome::Retried,
        (Some(Verb::Release | Verb::Heartbeat | Verb::Block), _) => Outcome::Released,
        (None, _) => Outcome::Lost,
    }
}
