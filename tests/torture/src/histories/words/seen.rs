//! What is seen of a board.

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
