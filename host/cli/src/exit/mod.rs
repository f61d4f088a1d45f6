//! The one place that maps what went wrong to an exit code and a JSON error. Both are an API.
//!
//! [`Code`]: the exit codes. [`Problem`]: what is said about an error, `{code, message, retryable, …}` in JSON.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Map, Value};
use taskhost::domain::{BeginError, CommitError, Error as BoardError, ReadError, SwitchError};
use taskhost::{Claim, InitError, Millis, OpenError, wire};

use crate::output::{self, Output};

/// The exit codes, as DESIGN publishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done, or done before by the same request.
    Done = 0,
    Unexpected = 1,
    Usage = 2,
    /// Nothing to claim: not an error.
    Nothing = 3,
    /// Somebody else's: claimed, reserved, or the token is stale.
    Taken = 4,
    /// No such task or board.
    Missing = 5,
    LockTimeout = 6,
    Refused = 7,
    PolicyFailed = 8,
    /// The board is damaged or of a newer format.
    Damaged = 9,
    /// An invalid transition, a cycle, or a key used for something else.
    Invalid = 10,
    OutcomeUnknown = 11,
    /// `run`: some tasks failed.
    SomeFailed = 12,
    /// `run` was stopped by a hang-up, as a shell would say it.
    HungUp = 129,
    /// `run` was stopped by Ctrl-C.
    Interrupted = 130,
    /// `run` was asked to terminate.
    Terminated = 143,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// The request can't be meant.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The same can't be asked for twice in two ways.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Conflicting(pub String);

/// Some of a file's lines were added, or none, and then one could not be.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why:#}{}", match added { 0 => String::new(), n => format!(" ({n} tasks of the lines before it were added)") })]
pub struct LineFailed {
    pub line: usize,
    pub added: usize,
    pub why: anyhow::Error,
}

/// What is said about an error.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(skip)]
    pub exit: Code,
    code: &'static str,
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    #[serde(flatten)]
    details: Map<String, Value>,
}

#[derive(Serialize)]
struct Failed {
    error: Problem,
}

/// Says what went wrong, and ends with the code for it.
pub fn failed(output: Output, error: &anyhow::Error) -> ExitCode {
    let problem = problem(error);
    match output {
        Output::Text => output::note(&format!("taskhost: {}", problem.message)),
        Output::Json => {
            let exit = problem.exit.into();
            let said = output.answer(&Failed { error: problem }, |_| ());
            return if said.is_ok() { exit } else { Code::Unexpected.into() };
        }
    }
    problem.exit.into()
}

/// Says what clap has to say: help, or what is wrong with the command line.
pub fn usage(error: &clap::Error, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    if !error.use_stderr() {
        // Whoever reads the help may stop early.
        let _ = error.print();
        return Code::Done.into();
    }
    let as_json = args.into_iter().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if as_json {
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ");
        failed(Output::Json, &Usage(text.to_owned()).into())
    } else {
        let _ = error.print();
        Code::Usage.into()
    }
}

/// What there is to say about an error.
pub fn problem(error: &anyhow::Error) -> Problem {
    let mut problem = if let Some(error) = error.downcast_ref::<taskhost::Error>() {
        of_taskhost(error)
    } else if let Some(failed) = error.downcast_ref::<LineFailed>() {
        let inner = problem(&failed.why);
        inner.with("line", failed.line).with("added", failed.added)
    } else if error.is::<Usage>() {
        new(Code::Usage, "usage", false)
    } else if error.is::<Conflicting>() {
        new(Code::Invalid, "conflict", false)
    } else {
        new(Code::Unexpected, "unexpected", false)
    };
    problem.message = format!("{error:#}");
    problem
}

/// The same for an error of the library; its message is left to the caller.
pub fn of_taskhost(error: &taskhost::Error) -> Problem {
    match error {
        taskhost::Error::Board(error) => of_board(error),
        taskhost::Error::Open(error) | taskhost::Error::Init(InitError::Open(error)) => {
            of_open(error)
        }
        taskhost::Error::Init(InitError::Exists) => new(Code::Invalid, "board_exists", false),
        taskhost::Error::Init(InitError::MissingComponent(_)) => {
            new(Code::Unexpected, "unexpected", false)
        }
        taskhost::Error::Runtime(_) => new(Code::Unexpected, "no_runtime", false),
        taskhost::Error::Name(_) => new(Code::Usage, "usage", false),
    }
}

fn of_open(error: &OpenError) -> Problem {
    match error {
        OpenError::NoBoard { path } => {
            new(Code::Missing, "no_such_board", false).with("board", text(path))
        }
        OpenError::UnsafeFileSystem { path, kind } => {
            new(Code::Unexpected, "unsafe_file_system", false)
                .with("board", text(path))
                .with("kind", *kind)
        }
        OpenError::Io { path, .. } => new(Code::Unexpected, "io", false).with("board", text(path)),
        OpenError::Begin(error) => of_begin(error),
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn of_board(error: &BoardError) -> Problem {
    match error {
        BoardError::Begin(error) => of_begin(error),
        BoardError::Commit(error) => of_commit(error),
        BoardError::Read(error) => of_read(error),
        BoardError::Policy(failure) => new(Code::PolicyFailed, "policy_failed", false)
            .with("kind", failure.kind.as_str())
            .with("policy", failure.policy.clone())
            .with("hook", failure.hook),
        BoardError::Refused(why) => {
            new(Code::Refused, "refused", false).with("reason", why.clone())
        }
        BoardError::Switch(error) => of_switch(error),
        BoardError::NoSuchTask(id) => {
            new(Code::Missing, "no_such_task", false).with("task", id.as_str())
        }
        BoardError::Held { id, claim, lease_until } => {
            new(Code::Taken, "claimed", true).with("task", id.as_str()).held(claim, *lease_until)
        }
        BoardError::Reserved { id, assignee } => new(Code::Taken, "reserved", false)
            .with("task", id.as_str())
            .with("holder", assignee.as_str()),
        BoardError::Stale { id, presented, claim, lease_until, status } => {
            let problem = new(Code::Taken, "stale_token", false)
                .with("task", id.as_str())
                .with("token", presented.0)
                .with("status", status.as_str());
            match (claim, lease_until) {
                (Some(claim), Some(until)) => problem.held(claim, *until),
                _ => problem,
            }
        }
        BoardError::TokenNeeded { id, .. } => {
            new(Code::Usage, "token_needed", false).with("task", id.as_str())
        }
        BoardError::KeyEnded { key, id, status, claim } => {
            let problem = new(Code::Taken, "claim_ended", false)
                .with("key", key.clone())
                .with("task", id.as_str())
                .with("status", status.as_str());
            match claim {
                Some(claim) => problem.held(claim, claim.lease.until),
                None => problem,
            }
        }
        BoardError::KeyReused(key) => {
            new(Code::Invalid, "key_reused", false).with("key", key.clone())
        }
        BoardError::Transition { id, status, .. } => {
            new(Code::Invalid, "invalid_transition", false)
                .with("task", id.as_str())
                .with("status", status.as_str())
        }
        BoardError::Graph(_) => new(Code::Invalid, "invalid_graph", false),
        BoardError::Invalid(_) => new(Code::Usage, "invalid", false),
    }
}

fn of_begin(error: &BeginError) -> Problem {
    match error {
        BeginError::Timeout { waited, holder } => {
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            new(Code::LockTimeout, "lock_timeout", true)
                .with("holder", holder.clone())
                .with("waited_ms", waited_ms)
        }
        BeginError::Read(error) => of_read(error),
        BeginError::Newer { found, known } => {
            new(Code::Damaged, "newer_format", false).with("found", *found).with("known", *known)
        }
    }
}

fn of_commit(error: &CommitError) -> Problem {
    match error {
        CommitError::NotWritten(_) => new(Code::Unexpected, "not_written", true),
        CommitError::Conflict => new(Code::LockTimeout, "conflict", true),
        CommitError::Unknown(_) => new(Code::OutcomeUnknown, "outcome_unknown", true),
    }
}

fn of_read(error: &ReadError) -> Problem {
    match error {
        ReadError::Damaged(place) => {
            new(Code::Damaged, "damaged", false).with("place", place.clone())
        }
        ReadError::Failed(_) => new(Code::Unexpected, "read_failed", true),
    }
}

fn of_switch(error: &SwitchError) -> Problem {
    match error {
        SwitchError::Begin(error) => of_begin(error),
        SwitchError::Commit(error) => of_commit(error),
        SwitchError::Changed { found, expected } => new(Code::Invalid, "policy_changed", false)
            .with("found", found.to_string())
            .with("expected", expected.to_string()),
        SwitchError::Asking(_) => new(Code::PolicyFailed, "policy_failed", false),
    }
}

fn new(exit: Code, code: &'static str, retryable: bool) -> Problem {
    Problem { exit, code, message: String::new(), retryable, details: Map::new() }
}

impl Problem {
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    fn held(self, claim: &Claim, lease_until: Millis) -> Self {
        self.with("holder", claim.agent.as_str())
            .with("session", claim.session.as_str())
            .with("since", wire::time(claim.since))
            .with("lease_until", wire::time(lease_until))
    }
}
