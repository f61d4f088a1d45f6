//! What is said about an error: its exit code, its word in JSON, whether to try again, and who or what is in the way.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};
use taskhost::domain::{BeginError, CommitError, Error as BoardError, ReadError, SwitchError};
use taskhost::wire::WireAssignee;
use taskhost::{
    Claim, ContextFailure, ExportError, ImportError, InitError, Millis, OpenError, wire,
};

use super::{Code, Conflicting, LineFailed, NoSuchValue, Usage};

/// What is said about an error.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(skip)]
    pub exit: Code,
    code: &'static str,
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What of a component isn't the contract's, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mismatches: Vec<String>,
    #[serde(flatten)]
    details: Map<String, Value>,
}

/// What there is to say about an error.
pub fn problem(error: &anyhow::Error) -> Problem {
    let mut problem = if let Some(error) = error.downcast_ref::<taskhost::Error>() {
        of_taskhost(error)
    } else if let Some(error) = error.downcast_ref::<BoardError>() {
        of_board(error)
    } else if let Some(failed) = error.downcast_ref::<LineFailed>() {
        let inner = problem(&failed.why);
        inner.with("line", failed.line).with("added", failed.added)
    } else if let Some(error) = error.downcast_ref::<taskhost_authoring::Error>() {
        of_authoring(error)
    } else if error.is::<Usage>() {
        new(Code::Usage, "usage", false)
    } else if error.is::<NoSuchValue>() {
        new(Code::Missing, "no_such_value", false)
    } else if error.is::<Conflicting>() {
        new(Code::Invalid, "conflict", false)
    } else {
        new(Code::Unexpected, "unexpected", false)
    };
    problem.message = format!("{error:#}");
    problem
}

fn of_authoring(error: &taskhost_authoring::Error) -> Problem {
    let word = error.word();
    match error.cause() {
        taskhost_authoring::Error::NotAPolicy { mismatches, .. } => {
            let problem = new(Code::Unexpected, word, false);
            Problem { mismatches: mismatches.clone(), ..problem }
        }
        taskhost_authoring::Error::Busy { waited, .. } => {
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            new(Code::LockTimeout, word, true).with("waited_ms", waited_ms)
        }
        error if error.is_usage() => new(Code::Usage, word, false),
        _ => new(Code::Unexpected, word, false),
    }
}

/// The same for an error of the library; its message is left to the caller.
pub fn of_taskhost(error: &taskhost::Error) -> Problem {
    match error {
        taskhost::Error::Board(error) => of_board(error),
        taskhost::Error::Open(error) => of_open(error),
        taskhost::Error::Init(error) => of_init(error),
        taskhost::Error::Runtime(_) => new(Code::Unexpected, "no_runtime", false),
        taskhost::Error::Name(_) => new(Code::Usage, "usage", false),
        taskhost::Error::Context(error) => of_context(error),
        taskhost::Error::Export(ExportError::Begin(error)) => of_begin(error),
        taskhost::Error::Export(ExportError::Write(_)) => new(Code::Unexpected, "io", false),
        taskhost::Error::Import(ImportError::Init(error)) => of_init(error),
        taskhost::Error::Import(ImportError::Line(error)) => {
            new(Code::Usage, "invalid_import", false).with("line", error.line)
        }
    }
}

fn of_init(error: &InitError) -> Problem {
    match error {
        InitError::Open(error) => of_open(error),
        InitError::Exists => new(Code::Invalid, "board_exists", false),
        InitError::MissingComponent(_) => new(Code::Unexpected, "unexpected", false),
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
        BoardError::Policy(failure) => {
            let problem = new(Code::PolicyFailed, "policy_failed", false)
                .with("kind", failure.kind.as_str())
                .with("policy", failure.policy.clone())
                .with("hook", failure.hook);
            let problem = match &failure.task {
                Some(id) => problem.with("task", id.as_str()),
                None => problem,
            };
            Problem { mismatches: failure.mismatches.clone(), ..problem }
        }
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
        BoardError::KeyGone { key, id } => {
            new(Code::Invalid, "archived", false).with("key", key.clone()).with("task", id.as_str())
        }
        BoardError::Assigned { id, assignee } => new(Code::Taken, "assigned", false)
            .with("task", id.as_str())
            .with("holder", assignee.name.as_str())
            .with(
                "assignee",
                serde_json::to_value(WireAssignee::from(&**assignee)).unwrap_or_default(),
            ),
        BoardError::MetaChanged { key, now } => new(Code::Invalid, "meta_changed", true)
            .with("key", key.as_str())
            .with("now", serde_json::from_str::<Value>(now.as_str()).unwrap_or_default()),
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

fn of_context(error: &ContextFailure) -> Problem {
    match error {
        ContextFailure::TooLarge => new(Code::Usage, "too_large", false),
        ContextFailure::Begin(error) => of_begin(error),
        ContextFailure::Unknown(_) => new(Code::OutcomeUnknown, "outcome_unknown", true),
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
        // Mostly a permission or a broken disk: whoever tried again would do so for ever.
        ReadError::Failed(_) => new(Code::Unexpected, "read_failed", false),
    }
}

fn of_switch(error: &SwitchError) -> Problem {
    match error {
        SwitchError::Begin(error) => of_begin(error),
        SwitchError::Commit(error) => of_commit(error),
        SwitchError::Changed { found, expected } => new(Code::Invalid, "policy_changed", false)
            .with("found", found.to_string())
            .with("expected", expected.to_string()),
        SwitchError::Moved => new(Code::LockTimeout, "conflict", true),
        SwitchError::Asking(_) => new(Code::PolicyFailed, "policy_failed", false),
    }
}

fn new(exit: Code, code: &'static str, retryable: bool) -> Problem {
    let (message, mismatches) = (String::new(), Vec::new());
    Problem { exit, code, message, retryable, mismatches, details: Map::new() }
}

impl Problem {
    /// What is said to people: the message, or a line for each mismatch where there are several.
    pub fn text(&self) -> String {
        let [first, _, ..] = &*self.mismatches else { return self.message.clone() };
        let head = self.message.find(first.as_str()).map_or("", |at| &self.message[..at]);
        // Where the message was cut, nothing comes after them.
        let rest =
            self.message.split_once(&self.mismatches.join("; ")).map_or("", |(_, rest)| rest);
        let rest = rest.replacen("; ", "\n", 1);
        format!("{head}it doesn't fit the contract:\n{}{rest}", self.mismatches.join("\n"))
    }

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
