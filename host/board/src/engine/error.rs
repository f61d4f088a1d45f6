//! Why a command did nothing.

use crate::{
    Assignee, BeginError, Claim, CommitError, HookError, Json, Millis, Name, PolicyFailure,
    PostError, PrepareError, ReadError, Status, SwitchError, TaskId, Token, Verb,
};

/// Why a command did nothing; each kind has an exit code of its own on the command line.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The transaction could not be opened.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The transaction could not be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The board could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The policy failed.
    #[error(transparent)]
    Policy(#[from] PolicyFailure),
    /// The policy refused.
    #[error("the policy refused: {0}")]
    Refused(String),
    /// The policies were not switched.
    #[error(transparent)]
    Switch(SwitchError),
    /// There is no such task.
    #[error("there is no task `{0}`: `taskhost list` shows those there are")]
    NoSuchTask(TaskId),
    /// Somebody else holds the task.
    #[error("`{id}` is claimed by `{}`: wait for it, or claim another task", claim.agent)]
    Held {
        /// The task.
        id: TaskId,
        /// The hold on it.
        claim: Box<Claim>,
        /// When its lease ends, by the wall clock.
        lease_until: Millis,
    },
    /// The task is reserved for somebody else.
    #[error("`{id}` is reserved for `{assignee}`: claim another task")]
    Reserved {
        /// The task.
        id: TaskId,
        /// For whom.
        assignee: Name,
    },
    /// The token presented is not the one that holds the task.
    #[error("{}", stale_text(id, *presented, claim.as_deref(), *status))]
    Stale {
        /// The task.
        id: TaskId,
        /// The token presented.
        presented: Token,
        /// Who holds it now.
        claim: Option<Box<Claim>>,
        /// When that lease ends.
        lease_until: Option<Millis>,
        /// Where the task stands.
        status: Status,
    },
    /// A fenced board wants a token.
    #[error("a token is needed to {} `{id}`: pass the one that `claim` gave with `--token` or `TASKHOST_TOKEN`", verb_word(*verb))]
    TokenNeeded {
        /// The task.
        id: TaskId,
        /// What was asked for.
        verb: Verb,
    },
    /// The claim that a request key stands for has ended.
    #[error(
        "the claim that key `{key}` stands for has ended, and `{id}` is {status} now: claim with a new key"
    )]
    KeyEnded {
        /// The key.
        key: String,
        /// The task.
        id: TaskId,
        /// Where it stands.
        status: Status,
        /// Who holds it now.
        claim: Option<Box<Claim>>,
    },
    /// The task that a request key stands for was archived.
    #[error(
        "key `{key}` stands for `{id}`, which was archived since: use a new key for a new task"
    )]
    KeyGone {
        /// The key.
        key: String,
        /// The task.
        id: TaskId,
    },
    /// The task is reserved for somebody else, and was to be reserved.
    #[error("`{id}` is assigned to `{}` already: unassign it first, or choose another task", assignee.name)]
    Assigned {
        /// The task.
        id: TaskId,
        /// For whom it is reserved.
        assignee: Box<Assignee>,
    },
    /// A value of metadata isn't the expected one any more.
    #[error("`{key}` is `{}` now, not the expected value: look at it, and decide again", now.as_str())]
    MetaChanged {
        /// Under which key.
        key: TaskId,
        /// The value now; `null` for none.
        now: Json,
    },
    /// A request key was used for something else.
    #[error("key `{0}` was used for a different request: use a new key for a new request")]
    KeyReused(String),
    /// The task can't go that way from where it stands.
    #[error("`{id}` is {status}: {detail}")]
    Transition {
        /// The task.
        id: TaskId,
        /// Where it stands.
        status: Status,
        /// What can't be done, and what can.
        detail: String,
    },
    /// The tasks' edges make no order of work.
    #[error("{0}")]
    Graph(String),
    /// The request can't be meant.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// Whether it is the board that is in the way, or whatever keeps it, and not one task.
    pub(super) fn is_about_board(&self) -> bool {
        matches!(self, Self::Begin(_) | Self::Commit(_) | Self::Read(_) | Self::Policy(_))
    }

    /// Whether the request came too late for a task that somebody else has.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::Held { .. } | Self::Reserved { .. } | Self::Stale { .. } | Self::Assigned { .. }
        )
    }
}

impl From<PrepareError> for Error {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Read(error) => Self::Read(error),
            PrepareError::Policy(error) => Self::Policy(error),
        }
    }
}

impl From<PostError> for Error {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Begin(error) => Self::Begin(error),
            PostError::Commit(error) => Self::Commit(error),
        }
    }
}

impl From<HookError> for Error {
    fn from(error: HookError) -> Self {
        match error {
            HookError::Read(error) => Self::Read(error),
            HookError::Policy(error) => Self::Policy(error),
        }
    }
}

impl From<SwitchError> for Error {
    fn from(error: SwitchError) -> Self {
        match error {
            SwitchError::Begin(error) => Self::Begin(error),
            SwitchError::Commit(error) => Self::Commit(error),
            SwitchError::Changed { .. } | SwitchError::Moved | SwitchError::Asking(_) => {
                Self::Switch(error)
            }
        }
    }
}

fn verb_word(verb: Verb) -> &'static str {
    match verb {
        Verb::Heartbeat => "extend the lease of",
        Verb::Complete => "complete",
        Verb::Fail => "fail",
        Verb::Release => "release",
        Verb::Block => "park",
    }
}

fn stale_text(id: &TaskId, presented: Token, claim: Option<&Claim>, status: Status) -> String {
    match claim {
        Some(claim) if claim.token == presented => {
            format!(
                "token {presented} of `{id}` is `{0}`'s: present it in the name of `{0}`",
                claim.agent
            )
        }
        Some(claim) if claim.token > presented => format!(
            "token {presented} doesn't hold `{id}`, which `{}` claimed later: stop working on it",
            claim.agent
        ),
        Some(claim) => format!(
            "token {presented} doesn't hold `{id}`: `{}` does, with another one",
            claim.agent
        ),
        None if status.is_finished() => {
            format!("token {presented} doesn't hold `{id}`, which is {status}: stop working on it")
        }
        None => format!(
            "token {presented} doesn't hold `{id}`, which is {status}: stop working on it, or claim it again"
        ),
    }
}
