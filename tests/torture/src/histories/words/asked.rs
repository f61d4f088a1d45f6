//! What is asked of a board, and what it answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Agent, Id, Key, Session, Settings, Task, Verb, Whole, Words};

/// A new task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct New {
    /// Its id.
    pub id: Id,
    /// Its type, as the one word it has.
    pub kind: Words,
    /// The task it is a part of.
    pub parent: Option<Id>,
    /// What must come before it.
    pub after: Vec<Id>,
    /// Higher is more urgent.
    pub priority: i32,
    /// Words to find it by.
    pub labels: Words,
    /// What an agent must be capable of.
    pub needs: Words,
    /// For whom it is reserved.
    pub assignee: Option<Agent>,
    /// The caller's own data.
    pub data: u8,
    /// Repeated with the same key, the request gives the same task.
    pub key: Option<Key>,
}

/// What an agent asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ask {
    /// Who.
    pub agent: Agent,
    /// Which run of it.
    pub session: Session,
    /// Whether the session's death proves itself.
    pub living: bool,
    /// Any of these types; none for all.
    pub kinds: Words,
    /// All of these labels.
    pub labels: Words,
    /// What it can do.
    pub capabilities: Words,
    /// This task and no other.
    pub only: Option<Id>,
    /// With which lease.
    pub lease_ms: Option<u64>,
    /// Repeated with the same key, the request gives the same claim.
    pub key: Option<Key>,
}

/// What shows that a request comes from the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proof {
    /// The agent's name.
    pub agent: Agent,
    /// The token.
    pub token: u64,
}

/// How a holder ends its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// With this result.
    Complete(Option<u8>),
    /// With this error.
    Fail(Option<u8>),
    /// Handed back.
    Release,
}

impl Finish {
    /// What it is called.
    pub fn verb(self) -> Verb {
        match self {
            Self::Complete(_) => Verb::Complete,
            Self::Fail(_) => Verb::Fail,
            Self::Release => Verb::Release,
        }
    }
}

/// What is done with tasks that one needn't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Reserve it.
    Assign(Agent),
    /// Reserve it no more.
    Unassign,
    /// Another priority.
    Prioritize(i32),
    /// Other needs.
    Need(Words),
    /// Give it up.
    Cancel {
        /// And what waits for it.
        cascade: bool,
        /// Why.
        reason: Option<u8>,
    },
    /// Take it up again.
    Retry {
        /// And what was lost with it.
        cascade: bool,
    },
    /// Park it.
    Block {
        /// Why.
        reason: Option<u8>,
        /// As its holder.
        proof: Option<Proof>,
        /// Whoever holds it.
        force: bool,
    },
    /// Park it no more.
    Unblock,
    /// Take it from its holder.
    Release,
    /// Put it away, with what is below it.
    Archive,
}

/// What a process asks of the board.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// A new task.
    Add(New),
    /// Work for an agent.
    Claim(Ask),
    /// A longer lease.
    Heartbeat {
        /// The task.
        id: Id,
        /// As its holder.
        proof: Proof,
        /// From now, or as long as it was.
        lease_ms: Option<u64>,
    },
    /// The end of a claim.
    Finish {
        /// The task.
        id: Id,
        /// As its holder.
        proof: Proof,
        /// How.
        how: Finish,
    },
    /// Several are done together or not at all.
    Change {
        /// The tasks.
        ids: Vec<Id>,
        /// What is done.
        action: Action,
    },
    /// Other settings of the standard policy.
    Set(Settings),
    /// One task is read.
    Show(Id),
    /// All of them are read, at one instant.
    Look,
}

impl Op {
    /// Whether it only reads, and so needs no lock.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Show(_) | Self::Look)
    }
}

/// Why an ask was answered with nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// No task is open.
    Empty,
    /// None is ready.
    Waiting,
    /// None is for this asker.
    NoMatch,
}

/// Why nothing was done: each has an exit code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum No {
    /// The request can't be meant.
    Usage,
    /// Somebody else's, or the token is stale.
    Taken,
    /// No such task.
    Missing,
    /// The policy refused.
    Refused,
    /// An invalid transition, a circle, a key used for something else.
    Invalid,
}

/// What the board answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A task as it is now, and whether the same request had been answered before.
    Task(Box<Task>, bool),
    /// Nothing to claim.
    Nothing(Why),
    /// For each task named, whether there was something to do.
    Changed(Vec<bool>),
    /// The settings are set.
    Done,
    /// Everything.
    Whole(Box<Whole>),
    /// Nothing was done.
    No(No),
    /// What should never be answered here: a damaged board, a policy that fails, a lock that nobody lets go.
    Odd(String),
}

/// One request, and its answer if it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Which session asked.
    pub by: Session,
    /// What it asked.
    pub op: Op,
    /// When, at the earliest, in nanoseconds.
    pub from_ns: u64,
    /// When the answer was there, or when the process that asked was surely dead.
    pub to_ns: u64,
    /// What was answered; nothing if the process died before it could say: then the request may have been done, or not.
    pub answer: Option<Answer>,
}

/// What happened to a board between two moments at which nobody asked it anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// How the board was at first; none of its request keys is used again.
    pub start: Whole,
    /// From when on a session may be dead, in milliseconds.
    pub deaths: BTreeMap<Session, u64>,
    /// What was asked, in any order.
    pub calls: Vec<Call>,
}
