//! Claims and ends its claims in every way, adds what it has used up, and says what it was answered, until it is
//! killed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use taskhost::domain::Error as InBoard;
use taskhost::{
    Board, ClaimOptions, ClaimOutcome, Error, Finish, Name, NewTask, Proof, Session, Status, Task,
    TaskId,
};

use taskhost_board::{BeginError, CommitError, ReadError};

use super::full::names_full_disk;
use super::{Common, say};
use crate::clock::monotonic_ns;
use crate::dice::Dice;
use crate::kills::said::{End, Said, Span};

/// How many tasks are added at once.
const BATCH: u64 = 32;
/// How many tasks a worker holds at most.
const HELD_MAX: usize = 3;
/// Whoever can't write tries again after a while.
const WHILE_FULL: Duration = Duration::from_millis(5);
/// Some claims are so short that a worker that is stopped meanwhile loses them.
const SHORT_LEASE: Duration = Duration::from_millis(300);

/// Claims and completes, for ever.
#[derive(Debug, Args)]
pub struct Kill {
    #[command(flatten)]
    common: Common,
    /// What the ids of its tasks and its keys begin with: no other worker has the same.
    prefix: String,
    /// A claim with this key may have been cut off: ask for it again first.
    #[arg(long)]
    again: Option<String>,
    /// The disk may be full: then requests fail, and nothing but damage is wrong.
    #[arg(long)]
    full_disk: bool,
}

struct Working {
    board: Board,
    session: Session,
    prefix: String,
    dice: Dice,
    held: Vec<Task>,
    batches: u64,
    keys: u64,
    may_fail: bool,
}

impl Kill {
    pub(super) fn play(&self) -> Result<()> {
        let board = self.common.open()?;
        let mut working = Working {
            session: board.agent(&self.common.name)?,
            board,
            prefix: self.prefix.clone(),
            dice: Dice::new(self.common.seed),
            held: Vec::new(),
            batches: 0,
            keys: 0,
            may_fail: self.full_disk,
        };
        // Before the first claim, so that no claim is of a session that nobody knows.
        let session = working.session.agent().session.to_string();
        say(&Said::Began { session }.to_string())?;
        if let Some(key) = &self.again {
            working.claim(Some(key.clone()))?;
        }
        let mut ended = 0;
        loop {
            if working.held.len() < HELD_MAX && (working.held.is_empty() || working.dice.one_in(3))
            {
                let key = working.dice.one_in(4).then(|| working.new_key());
                working.claim(key)?;
            } else {
                working.act()?;
                ended += 1;
                if ended % BATCH == 0 {
                    working.add()?;
                }
            }
        }
    }
}

/// Whether nothing is wrong but that the disk is full: any other error of a read or a write is one too many.
fn is_about_the_disk(error: &Error) -> bool {
    let may_be = matches!(
        error,
        Error::Board(
            InBoard::Read(ReadError::Failed(_))
                | InBoard::Begin(BeginError::Read(ReadError::Failed(_)))
                | InBoard::Commit(CommitError::NotWritten(_) | CommitError::Unknown(_))
        )
    );
    may_be && names_full_disk(&error.to_string())
}

fn timed<T>(act: impl FnOnce() -> T) -> (T, Span) {
    let began = monotonic_ns();
    let answer = act();
    (answer, Span { began, ended: monotonic_ns() })
}

impl Working {
    /// What came of a request, if nothing went wrong that must not: a request may come too late, and a disk be full.
    fn expected<T>(&self, answer: Result<T, Error>) -> Result<Option<T>> {
        let error = match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) => error,
        };
        let is_late = matches!(
            error,
            Error::Board(
                InBoard::Stale { .. }
                    | InBoard::KeyEnded { .. }
                    | InBoard::KeyGone { .. }
                    | InBoard::NoSuchTask(_)
            )
        );
        let is_allowed = is_late || (self.may_fail && is_about_the_disk(&error));
        if !is_allowed {
            say(&Said::Wrong { what: format!("a request failed: {error}") }.to_string())?;
            return Err(error.into());
        }
        if !is_late {
            std::thread::sleep(WHILE_FULL);
        }
        say(&Said::Refused.to_string())?;
        Ok(None)
    }

    fn new_key(&mut self) -> String {
        self.keys += 1;
        format!("{}-k{}", self.prefix, self.keys)
    }

    fn claim(&mut self, key: Option<String>) -> Result<()> {
        let mut options = ClaimOptions { key: key.clone(), ..ClaimOptions::default() };
        match &key {
            Some(key) => say(&Said::Asking { key: key.clone() }.to_string())?,
            None if self.dice.one_in(8) => options.lease = Some(SHORT_LEASE),
            None => {}
        }
        let (answer, span) = timed(|| self.session.claim_with(&options));
        match self.expected(answer)? {
            Some(ClaimOutcome::Claimed { task, repeated }) => {
                let id = task.id.to_string();
                let token = token(&task)?;
                say(&Said::Claimed { id, token, key, again: repeated, span }.to_string())?;
                self.held.push(*task);
                Ok(())
            }
            Some(ClaimOutcome::Nothing { .. }) => self.add(),
            None => Ok(()),
        }
    }

    fn add(&mut self) -> Result<()> {
        self.batches += 1;
        let prefix = format!("{}-b{}", self.prefix, self.batches);
        let mut tasks = Vec::new();
        for n in 0..BATCH {
            let id = TaskId::new(format!("{prefix}-{n}"))?;
            tasks.push(NewTask { id: Some(id), ..NewTask::new(Name::new("work")?) });
        }
        let (answer, span) = timed(|| self.board.add(&tasks));
        if self.expected(answer)?.is_some() {
            say(&Said::Added { prefix, count: BATCH, span }.to_string())?;
        }
        Ok(())
    }

    /// Does something about one of the tasks that it holds.
    fn act(&mut self) -> Result<()> {
        let task = self.held.swap_remove(self.dice.index(self.held.len()));
        let token = token(&task)?;
        let proof = Proof {
            agent: self.session.agent().name.clone(),
            token: task.claim.as_ref().map(|claim| claim.token),
        };
        let how = match self.dice.below(24) {
            0 => {
                let (answer, span) = timed(|| self.board.heartbeat(&task.id, &proof, None));
                if self.expected(answer)?.is_some() {
                    say(&Said::Renewed { token, span }.to_string())?;
                    self.held.push(task);
                }
                return Ok(());
            }
            1 => Finish::Release(None),
            2 => Finish::Fail(Some("it was tried".into())),
            _ => Finish::Complete(None),
        };
        let (answer, span) = timed(|| self.board.finish(&task.id, &proof, &how));
        let Some(answer) = self.expected(answer)? else { return Ok(()) };
        let end = match (&how, answer.task.status) {
            (Finish::Complete(_), _) => End::Completed,
            (Finish::Release(_), _) => End::Released,
            (Finish::Fail(_), Status::Failed) => End::Failed,
            (Finish::Fail(_), _) => End::Retried,
        };
        let id = task.id.to_string();
        say(&Said::Ended { id, token, end, again: answer.repeated, span }.to_string())
    }
}

fn token(task: &Task) -> Result<u64> {
    let claim = task.claim.as_ref().context("a claimed task has a claim")?;
    Ok(claim.token.0)
}
