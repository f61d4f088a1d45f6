//! A task and everything that can be said of it.

use serde::{Deserialize, Serialize};

use crate::{
    Agent, AgentKind, Instant, Json, Lease, Millis, Name, Process, SessionId, TaskId, Token, Vital,
};

/// Where a task stands. `pending → in_progress → (in_review →) completed | failed | cancelled`; `blocked` is
/// parked by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody works on it.
    Pending,
    /// Somebody holds a claim on it.
    InProgress,
    /// Completed by its holder, not yet accepted.
    InReview,
    /// Parked by hand.
    Blocked,
    /// Done.
    Completed,
    /// Given up after an error.
    Failed,
    /// Not wanted any more.
    Cancelled,
}

impl Status {
    /// Every status, in the order of a task's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::InProgress,
        Self::InReview,
        Self::Blocked,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether the task has ended, however it ended.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The word used in JSON, on the command line and in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::InReview => "in_review",
            Self::Blocked => "blocked",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// For whom a task is reserved. Lasting, without a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignee {
    /// The name they go by.
    pub name: Name,
    /// What kind of worker they are.
    #[serde(default)]
    pub kind: AgentKind,
    /// The machine, if only that one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Name>,
    /// Who reserved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Name>,
}

impl Assignee {
    /// Whether `agent` is meant.
    pub fn is(&self, agent: &Agent) -> bool {
        self.name == agent.name
            && self.kind == agent.kind
            && (self.hostname.is_none() || self.hostname == agent.hostname)
    }
}

/// One session's hold on one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The name of the agent.
    pub agent: Name,
    /// What kind of worker it is.
    #[serde(default)]
    pub kind: AgentKind,
    /// The machine it runs on, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Name>,
    /// Which run of the agent.
    pub session: SessionId,
    /// Whether the session holds its life lock, whose release proves its death.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub living: bool,
    /// The process whose death proves the holder's, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The fencing token.
    pub token: Token,
    /// When it was claimed.
    pub since: Millis,
    /// Until when it holds.
    pub lease: Lease,
    /// The lease's length in milliseconds, by which a heartbeat extends it.
    pub lease_ms: u64,
}

impl Claim {
    /// The claim that `agent` gets at `now`.
    pub fn new(agent: &Agent, token: Token, now: &Instant, lease_ms: u64) -> Self {
        Self {
            agent: agent.name.clone(),
            kind: agent.kind,
            hostname: agent.hostname.clone(),
            session: agent.session.clone(),
            living: agent.living,
            process: agent.process.clone(),
            token,
            since: now.wall,
            lease: Lease::starting(now, lease_ms),
            lease_ms,
        }
    }
}

impl Claim {
    /// What proves that its holder lives: nothing, where only the lease tells.
    pub fn vitals(&self) -> impl Iterator<Item = Vital> {
        let session = self.living.then(|| Vital::Session(self.session.clone()));
        session.into_iter().chain(self.process.clone().map(Vital::Process))
    }
}

/// How the last claim ended, kept so that the same request repeated is answered the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The token it held.
    pub token: Token,
    /// Whose it was.
    pub agent: Name,
    /// What its holder asked for; absent if the claim was taken from them.
    pub verb: Option<crate::Verb>,
}

/// The policy's answer to whether a pending task may be claimed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// Not asked yet: can't be claimed, and will be asked by one of the next transactions.
    #[default]
    Unasked,
    /// May be claimed; lower ranks are offered first.
    Ready(i32),
    /// Asked again when one of these changes.
    Waiting {
        /// The tasks it waits for, at most 64.
        on: Vec<TaskId>,
        /// What the policy said about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Asked again at this time.
    Until(Millis),
    /// Not until somebody changes it.
    Never(String),
}

/// A unit of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name on the board.
    pub id: TaskId,
    /// What kind of work it is.
    #[serde(rename = "type")]
    pub task_type: Name,
    /// Where it stands.
    pub status: Status,
    /// Why it stands there, if somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The task it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// What must come before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<TaskId>,
    /// Higher is more urgent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// Words to find it by; sorted, without repeats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Name>,
    /// What an agent must be capable of; sorted, without repeats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Name>,
    /// For whom it is reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Assignee>,
    /// The caller's own data.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub data: Json,
    /// The request key it was added with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How often it was claimed; a voluntary release gives its attempt back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// How many attempts ended in `fail`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// How the last claim ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// What `complete` left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
    /// What the last `fail` said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Not to be claimed before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Millis>,
    /// When it was added.
    pub created_at: Millis,
    /// When it last changed in a way people would see.
    pub updated_at: Millis,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Millis>,
    /// Its place in the order of creation: unique on the board, never reused.
    #[serde(deserialize_with = "crate::read_born")]
    pub born: u64,
    /// Whether it may be claimed while it is pending.
    #[serde(default)]
    pub readiness: Readiness,
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

impl Task {
    /// What it needs that isn't among `capabilities`.
    pub fn lacking<'a>(&'a self, capabilities: &'a [Name]) -> impl Iterator<Item = &'a Name> {
        self.needs.iter().filter(|need| !capabilities.contains(need))
    }

    /// Its rank if it may be claimed now by somebody.
    pub fn ready_rank(&self) -> Option<i32> {
        match (self.status, &self.readiness) {
            (Status::Pending, Readiness::Ready(rank)) => Some(*rank),
            _ => None,
        }
    }
}
