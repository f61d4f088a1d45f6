//! The words in which a board is asked, answers, and is compared with the model: small and plain, so that a history
//! is a readable file and a state is copied in no time.
//!
//! - [`Op`]: what is asked. [`Answer`]: what is answered. [`Task`], [`Whole`]: what is seen of a board.
//! - [`Call`], [`History`]: what several processes asked and were answered, and when.
//!
//! Times are those of the boot clock: it is the same for all processes of a machine, never goes back, and is the one
//! that leases are measured by.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A task, by its number: 7 is `t7` on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(pub u16);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

/// Who asks, by name: a name is shared by several sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agent {
    /// One of three.
    Ada,
    /// One of three.
    Bob,
    /// One of three.
    Eve,
}

impl Agent {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ada, Self::Bob, Self::Eve];

    /// The name on the board.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ada => "ada",
            Self::Bob => "bob",
            Self::Eve => "eve",
        }
    }
}

/// A session, by its number: 5 is `s-5` on the board.
pub type Session = u32;

/// A request key, by its number: no key is used in two histories.
pub type Key = u32;

/// Words such as types, labels and needs: a bit for each of a few.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Words(pub u8);

impl Words {
    /// Whether it has all words of `others`.
    pub fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// To be done.
    Pending,
    /// Held.
    InProgress,
    /// Done, and to be looked at.
    InReview,
    /// Parked.
    Blocked,
    /// Done.
    Completed,
    /// Lost.
    Failed,
    /// Lost on purpose.
    Cancelled,
}

impl Status {
    /// Whether nothing more is to be done.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Whether it ended without being done.
    pub fn is_lost(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled)
    }
}

/// What a holder does about its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Extend the lease.
    Heartbeat,
    /// It is done.
    Complete,
    /// The attempt failed.
    Fail,
    /// Hand it back.
    Release,
    /// Park it.
    Block,
}

/// The milliseconds between which something lies; one moment, if it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Not before.
    pub from_ms: u64,
    /// Not after.
    pub to_ms: u64,
}

impl Span {
    /// One moment.
    pub fn at(ms: u64) -> Self {
        Self { from_ms: ms, to_ms: ms }
    }

    /// Whether it may be this moment.
    pub fn has(self, other: Self) -> bool {
        self.from_ms <= other.from_ms && other.to_ms <= self.to_ms
    }
}

/// A hold on a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// Whose.
    pub agent: Agent,
    /// Which run of it.
    pub session: Session,
    /// Whether the session's death proves itself.
    pub living: bool,
    /// The fencing token.
    pub token: u64,
    /// The lease's length.
    pub lease_ms: u64,
    /// The lease's end.
    pub ends: Span,
}

/// How the last claim ended, if its holder ended it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Closed {
    /// The token it held.
    pub token: u64,
    /// Whose it was.
    pub agent: Agent,
    /// What the holder asked for.
    pub verb: Verb,
}

/// A task, as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: Id,
    /// Its type, as the one word it has.
    pub kind: Words,
    /// Where it stands.
    pub status: Status,
    /// Why, if somebody who asks here said so: other reasons are the host's and the policy's to word.
    pub reason: Option<u8>,
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
    /// The key it was added with.
    pub key: Option<Key>,
    /// How often it was claimed.
    pub attempts: u32,
    /// How many attempts failed.
    pub failures: u32,
    /// Who holds it.
    pub claim: Option<Claim>,
    /// How its last holder ended its claim, while nobody holds it.
    pub closed: Option<Closed>,
    /// What `complete` left.
    pub result: Option<u8>,
    /// What the last `fail` said.
    pub error: Option<u8>,
}

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

/// What a parent means to its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParentRule {
    /// A child waits for its parent.
    ParentFirst,
    /// A parent waits for its children.
    ChildrenFirst,
    /// Nothing.
    Independent,
}

/// What the standard policy is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settings {
    /// What a parent means.
    pub parent: ParentRule,
    /// Whether what waits for something lost is cancelled.
    pub cascade: bool,
    /// After so many attempts a lost task has failed; 0 for no limit.
    pub max_attempts: u32,
    /// How many failures are tried again.
    pub retries: u32,
    /// How many tasks the sessions of a name may hold; 0 for no limit.
    pub max_claims: u32,
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

/// A whole board at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// The last token given.
    pub token: u64,
    /// The policy's settings.
    pub settings: Settings,
    /// The tasks, in the order of creation.
    pub tasks: Vec<Task>,
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
