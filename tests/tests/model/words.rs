//! The words in which the model and the board are compared: what is asked, what is answered, what a task looks like.
//! Plain strings and numbers, so that neither side can lend the other its logic.

use std::collections::{BTreeMap, BTreeSet};

pub type Id = String;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Pending,
    InProgress,
    InReview,
    Blocked,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    pub fn is_lost(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled)
    }
}

/// For whom a task is reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub kind: &'static str,
    pub hostname: Option<String>,
}

/// Who asks: one of a few workers, some of whom share a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worker {
    pub name: &'static str,
    pub kind: &'static str,
    pub hostname: Option<&'static str>,
    /// Whether it holds its life lock.
    pub living: bool,
}

/// Two names, each shared by two that are not the same.
pub const WORKERS: [Worker; 4] = [
    Worker { name: "ada", kind: "agent", hostname: None, living: false },
    Worker { name: "ada", kind: "human", hostname: None, living: true },
    Worker { name: "bob", kind: "agent", hostname: Some("m1"), living: false },
    Worker { name: "bob", kind: "agent", hostname: Some("m2"), living: true },
];

/// The name of a worker's session; a session that died never comes back, the next one has another number.
pub fn session(worker: usize, life: u32) -> String {
    format!("{}-{worker}-{life}", WORKERS[worker].name)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub agent: String,
    pub kind: &'static str,
    pub hostname: Option<String>,
    pub session: String,
    pub token: u64,
    pub since: u64,
    pub lease_until: u64,
}

/// What everybody can see of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub id: Id,
    pub task_type: String,
    pub status: Status,
    pub reason: Option<String>,
    pub parent: Option<Id>,
    pub after: Vec<Id>,
    pub priority: i32,
    pub labels: Vec<String>,
    pub needs: Vec<String>,
    pub assignee: Option<Person>,
    pub data: String,
    pub key: Option<String>,
    pub attempts: u32,
    pub failures: u32,
    pub claim: Option<Hold>,
    pub result: Option<String>,
    pub error: Option<String>,
    pub not_before: Option<u64>,
    pub created_at: u64,
    pub updated_at: u64,
    pub completed_at: Option<u64>,
}

impl Seen {
    /// Without what a clock says that nobody can stop.
    pub fn timeless(&mut self) {
        self.created_at = 0;
        self.updated_at = 0;
        self.completed_at = self.completed_at.map(|_| 0);
        self.not_before = self.not_before.map(timeless);
        if let Some(claim) = &mut self.claim {
            claim.since = 0;
            claim.lease_until = 0;
        }
    }
}

/// So far away that no test lives to see it, and one that is long gone.
pub const FAR: u64 = 4_000_000_000_000;
pub const GONE: u64 = 1_000;

/// A time that somebody gave, or 0 for one that was reckoned from a clock that nobody can stop.
pub fn timeless(at: u64) -> u64 {
    if at == FAR || at == GONE { at } else { 0 }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    pub id: Option<Id>,
    pub task_type: String,
    pub parent: Option<Id>,
    pub after: Vec<Id>,
    pub priority: i32,
    pub labels: Vec<String>,
    pub needs: Vec<String>,
    pub assignee: Option<Person>,
    pub data: String,
    pub key: Option<String>,
    pub not_before: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub worker: usize,
    pub types: Vec<String>,
    pub labels: Vec<String>,
    pub capabilities: Vec<String>,
    pub only: Option<Id>,
    pub lease: Option<u64>,
    pub key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub agent: String,
    pub token: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    Complete(Option<String>),
    Fail(Option<String>),
    Release(Option<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    pub priority: Option<i32>,
    pub labels: Option<Vec<String>>,
    pub needs: Option<Vec<String>>,
    pub data: Option<String>,
    /// 0 for at any time.
    pub not_before: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Assign(Person),
    Unassign(Option<String>),
    Update(Update),
    Cancel { cascade: bool, reason: Option<String> },
    Retry { cascade: bool },
    Block { reason: Option<String>, proof: Option<Proof>, force: bool },
    Unblock,
    Release,
    Review { accept: bool },
    Archive,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Add(Vec<New>),
    Claim(Ask),
    Heartbeat {
        id: Id,
        proof: Proof,
        lease: Option<u64>,
    },
    Finish {
        id: Id,
        proof: Proof,
        how: Finish,
    },
    Change {
        ids: Vec<Id>,
        action: Action,
        together: bool,
        dry_run: bool,
    },
    Meta {
        key: String,
        value: Option<String>,
        expected: Option<String>,
    },
    Settings(BTreeMap<String, String>),
    /// Time goes by, in milliseconds.
    Advance(u64),
    /// A worker dies, and another one of its name and kind begins.
    Die(usize),
    /// The process ends and another one opens the board.
    Reopen,
    Compact,
    /// What is due is taken, and then everything is compared, and what this one would be given.
    Check(Ask),
}

/// Why a command did nothing: each has an exit code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum No {
    Usage,
    Taken,
    Missing,
    Refused,
    Invalid,
    /// What no command here should meet: a damaged board, a policy that fails, a full disk.
    Unexpected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Empty,
    Waiting,
    NoMatch,
}

/// What stands between a task and everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    Finished,
    Held,
    InReview,
    Blocked,
    Waiting(BTreeSet<Id>),
    Until(u64),
}

/// A whole board, once nothing is due any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    pub tasks: Vec<Seen>,
    pub ready: Vec<Id>,
    pub obstacles: BTreeMap<Id, Option<Obstacle>>,
    pub counts: BTreeMap<Status, u64>,
    pub held: BTreeMap<String, u64>,
    pub meta: BTreeMap<String, String>,
    /// What an asker would be given.
    pub next: Option<Id>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// Each added task, and whether it had been added before.
    Added(Vec<(Seen, bool)>),
    /// A task, and whether the same request had been answered before.
    Task(Box<Seen>, bool),
    Nothing {
        why: Why,
        next_ready_at: Option<u64>,
    },
    /// What became of each task that was named (`true` if there was nothing to do), and all that changed visibly.
    Changed {
        outcomes: Vec<(Id, Result<bool, No>)>,
        touched: BTreeMap<Id, Option<Seen>>,
    },
    Whole(Box<Whole>),
    No(No),
}
