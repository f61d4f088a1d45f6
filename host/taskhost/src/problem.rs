//! What is said about an error, in any language: of which kind it is, its word, whether to try again, and who or what
//! is in the way.
//!
//! [`Problem`] is all of it but the message, which is the error's own. The command line makes exit codes of the kinds,
//! Python exceptions; the words and the details are the same everywhere.

use std::path::Path;

use serde_json::{Map, Value};
use taskhost_board::{
    BeginError, Claim, CommitError, ContextFailure, Error as BoardError, ExportError, Millis,
    ReadError, SwitchError,
};
use taskhost_formats::Error as FormatError;
use taskhost_store_file::OpenError as DirectoryError;
use taskhost_wire::{self as wire, WireAssignee};

use crate::{Error, ImportError, InitError, MigrateError, OpenError};

/// Of which kind a problem is: what a caller does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing that was foreseen.
    Unexpected,
    /// The request can't be meant.
    Usage,
    /// Somebody else's: claimed, reserved, or the token is stale.
    Taken,
    /// No such task or board.
    Missing,
    /// Somebody else held the lock all the while.
    LockTimeout,
    /// The policy refused.
    Refused,
    /// The policy failed.
    PolicyFailed,
    /// The board is damaged, or of a newer format.
    Damaged,
    /// An invalid transition, a circle of tasks, or a key used for something else.
    Invalid,
    /// Nobody knows whether it was done.
    OutcomeUnknown,
    /// The board is elsewhere now.
    Moved,
}

impl Kind {
    /// The word for it, where kinds go by words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unexpected => "unexpected",
            Self::Usage => "usage",
            Self::Taken => "taken",
            Self::Missing => "missing",
            Self::LockTimeout => "lock_timeout",
            Self::Refused => "refused",
            Self::PolicyFailed => "policy_failed",
            Self::Damaged => "damaged",
            Self::Invalid => "invalid",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Moved => "moved",
        }
    }
}

/// What is said about an error, besides its message.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Of which kind it is.
    pub kind: Kind,
    /// Its own word.
    pub code: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What of a component isn't the contract's, a sentence each.
    pub mismatches: Vec<String>,
    /// Who or what is in the way, by the names that JSON has for them.
    pub details: Map<String, Value>,
}

impl Error {
    /// What there is to say about it.
    pub fn problem(&self) -> Problem {
        of_taskhost(self)
    }
}

fn of_taskhost(error: &Error) -> Problem {
    match error {
        Error::Board(error) => of_board(error),
        Error::Open(error) => of_open(error),
        Error::Init(error) => of_init(error),
        Error::Runtime(_) => new(Kind::Unexpected, "no_runtime", false),
        Error::Name(_) => new(Kind::Usage, "usage", false),
        Error::Context(error) => of_context(error),
        Error::Format(error) => of_format(error),
        Error::Export(ExportError::Begin(error)) => of_begin(error),
        Error::Export(ExportError::Write(_)) => new(Kind::Unexpected, "io", false),
        Error::Import(ImportError::Init(error)) => of_init(error),
        Error::Import(ImportError::Unopened(error)) => of_open(error),
        Error::Import(ImportError::Line(error)) => {
            new(Kind::Usage, "invalid_import", false).with("line", error.line)
        }
        Error::Import(ImportError::Unknown(_)) => {
            new(Kind::OutcomeUnknown, "outcome_unknown", false)
        }
        Error::Migrate(error) => of_migrate(error),
    }
}

fn of_format(error: &FormatError) -> Problem {
    match error {
        FormatError::NotThere(path) => {
            new(Kind::Usage, "no_such_file", false).with("path", text(path))
        }
        FormatError::Damaged { path, line, column, .. }
        | FormatError::TooDeep { path, line, column, .. } => {
            new(Kind::Usage, "invalid_import", false)
                .with("path", text(path))
                .with("line", *line)
                .with("column", *column)
        }
        FormatError::Shape { .. }
        | FormatError::NotATask(_)
        | FormatError::Unkeepable { .. }
        | FormatError::TooLarge { .. }
        | FormatError::Unrecognised(_)
        | FormatError::Database { .. } => new(Kind::Usage, "invalid_import", false),
        FormatError::NoSuchFormat(_) => new(Kind::Usage, "usage", false),
        FormatError::Occupied(path) => new(Kind::Invalid, "exists", false).with("path", text(path)),
        FormatError::Unreadable { path, .. } => {
            new(Kind::Usage, "unreadable", false).with("path", text(path))
        }
        FormatError::Unwritable { path, .. } => {
            new(Kind::Unexpected, "io", false).with("path", text(path))
        }
    }
}

fn of_migrate(error: &MigrateError) -> Problem {
    match error {
        MigrateError::Same(_) => new(Kind::Usage, "usage", false),
        MigrateError::Differs(_) => new(Kind::Unexpected, "migrate_differs", false),
        MigrateError::Clocks { .. } => new(Kind::Invalid, "clocks_differ", false),
        MigrateError::Gone { to, .. } => {
            new(Kind::Missing, "no_board", false).with("address", to.clone())
        }
        MigrateError::Pipe(_) => new(Kind::Unexpected, "io", false),
    }
}

fn of_init(error: &InitError) -> Problem {
    match error {
        InitError::Open(error) => of_open(error),
        InitError::Exists => new(Kind::Invalid, "board_exists", false),
        InitError::MissingComponent(_) => new(Kind::Unexpected, "unexpected", false),
    }
}

fn of_open(error: &OpenError) -> Problem {
    match error {
        OpenError::NoBoard { board } => {
            new(Kind::Missing, "no_such_board", false).with("board", board.to_string())
        }
        OpenError::Unsupported { board, .. } => {
            new(Kind::Usage, "unsupported", false).with("board", board.to_string())
        }
        OpenError::Directory(error) => of_directory(error),
        OpenError::Address(_) => new(Kind::Usage, "invalid_address", false),
        OpenError::Begin(error) => of_begin(error),
    }
}

fn of_directory(error: &DirectoryError) -> Problem {
    match error {
        DirectoryError::NoBoard { path } => {
            new(Kind::Missing, "no_such_board", false).with("board", text(path))
        }
        DirectoryError::NotADirectory { path } => {
            new(Kind::Invalid, "not_a_directory", false).with("board", text(path))
        }
        DirectoryError::UnsafeFileSystem { path, kind } => {
            new(Kind::Unexpected, "unsafe_file_system", false)
                .with("board", text(path))
                .with("kind", *kind)
        }
        DirectoryError::Io { path, .. } => {
            new(Kind::Unexpected, "io", false).with("board", text(path))
        }
        DirectoryError::Begin(error) => of_begin(error),
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// What there is to say about an error of a command.
pub fn of_board(error: &BoardError) -> Problem {
    match error {
        BoardError::Begin(error) => of_begin(error),
        BoardError::Commit(error) => of_commit(error),
        BoardError::Read(error) => of_read(error),
        BoardError::Policy(failure) => {
            let problem = new(Kind::PolicyFailed, "policy_failed", false)
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
            new(Kind::Refused, "refused", false).with("reason", why.clone())
        }
        BoardError::Switch(error) => of_switch(error),
        BoardError::NoSuchTask(id) => {
            new(Kind::Missing, "no_such_task", false).with("task", id.as_str())
        }
        BoardError::Held { id, claim, lease_until } => {
            new(Kind::Taken, "claimed", true).with("task", id.as_str()).held(claim, *lease_until)
        }
        BoardError::Reserved { id, assignee } => new(Kind::Taken, "reserved", false)
            .with("task", id.as_str())
            .with("holder", assignee.as_str()),
        BoardError::Stale { id, presented, claim, lease_until, status } => {
            let problem = new(Kind::Taken, "stale_token", false)
                .with("task", id.as_str())
                .with("token", presented.0)
                .with("status", status.as_str());
            match (claim, lease_until) {
                (Some(claim), Some(until)) => problem.held(claim, *until),
                _ => problem,
            }
        }
        BoardError::TokenNeeded { id, .. } => {
            new(Kind::Usage, "token_needed", false).with("task", id.as_str())
        }
        BoardError::KeyEnded { key, id, status, claim } => {
            let problem = new(Kind::Taken, "claim_ended", false)
                .with("key", key.clone())
                .with("task", id.as_str())
                .with("status", status.as_str());
            match claim {
                Some(claim) => problem.held(claim, claim.lease.until),
                None => problem,
            }
        }
        BoardError::KeyGone { key, id } => {
            new(Kind::Invalid, "archived", false).with("key", key.clone()).with("task", id.as_str())
        }
        BoardError::Assigned { id, assignee } => new(Kind::Taken, "assigned", false)
            .with("task", id.as_str())
            .with("holder", assignee.name.as_str())
            .with(
                "assignee",
                serde_json::to_value(WireAssignee::from(&**assignee)).unwrap_or_default(),
            ),
        BoardError::MetaChanged { key, now } => new(Kind::Invalid, "meta_changed", true)
            .with("key", key.as_str())
            .with("now", serde_json::from_str::<Value>(now.as_str()).unwrap_or_default()),
        BoardError::KeyReused(key) => {
            new(Kind::Invalid, "key_reused", false).with("key", key.clone())
        }
        BoardError::Transition { id, status, .. } => {
            new(Kind::Invalid, "invalid_transition", false)
                .with("task", id.as_str())
                .with("status", status.as_str())
        }
        BoardError::Graph(_) => new(Kind::Invalid, "invalid_graph", false),
        BoardError::Invalid(_) => new(Kind::Usage, "invalid", false),
    }
}

pub(crate) fn of_context(error: &ContextFailure) -> Problem {
    match error {
        ContextFailure::TooLarge => new(Kind::Usage, "too_large", false),
        ContextFailure::Begin(error) => of_begin(error),
        ContextFailure::Unknown(_) => new(Kind::OutcomeUnknown, "outcome_unknown", true),
    }
}

fn of_begin(error: &BeginError) -> Problem {
    match error {
        BeginError::Timeout { waited, holder } => {
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            new(Kind::LockTimeout, "lock_timeout", true)
                .with("holder", holder.clone())
                .with("waited_ms", waited_ms)
        }
        BeginError::Read(error) => of_read(error),
        BeginError::Newer { found, known } => {
            new(Kind::Damaged, "newer_format", false).with("found", *found).with("known", *known)
        }
    }
}

fn of_commit(error: &CommitError) -> Problem {
    match error {
        CommitError::NotWritten(_) => new(Kind::Unexpected, "not_written", true),
        CommitError::Conflict | CommitError::Lost(_) => new(Kind::LockTimeout, "conflict", true),
        CommitError::Unknown(_) => new(Kind::OutcomeUnknown, "outcome_unknown", true),
    }
}

fn of_read(error: &ReadError) -> Problem {
    match error {
        ReadError::Damaged(place) => {
            new(Kind::Damaged, "damaged", false).with("place", place.clone())
        }
        // Mostly a permission or a broken disk: whoever tried again would do so for ever.
        ReadError::Failed(_) => new(Kind::Unexpected, "read_failed", false),
        ReadError::Unreachable(_) => new(Kind::OutcomeUnknown, "unreachable", true),
        ReadError::Moved { to } => new(Kind::Moved, "moved", false).with("address", to.clone()),
        // Where it comes from it is told to be here: nobody is sent back there.
        ReadError::Arriving { from } => {
            new(Kind::LockTimeout, "arriving", true).with("from", from.clone())
        }
    }
}

fn of_switch(error: &SwitchError) -> Problem {
    match error {
        SwitchError::Begin(error) => of_begin(error),
        SwitchError::Commit(error) => of_commit(error),
        SwitchError::Changed { found, expected } => new(Kind::Invalid, "policy_changed", false)
            .with("found", found.to_string())
            .with("expected", expected.to_string()),
        SwitchError::Moved => new(Kind::LockTimeout, "conflict", true),
        SwitchError::Asking(_) => new(Kind::PolicyFailed, "policy_failed", false),
    }
}

fn new(kind: Kind, code: &'static str, retryable: bool) -> Problem {
    let (mismatches, details) = (Vec::new(), Map::new());
    Problem { kind, code, retryable, mismatches, details }
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
