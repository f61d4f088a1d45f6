//! Reading a board at one instant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::image::Record;
use crate::{
    Agent, BoardSettings, Instant, Json, KeyRecord, Millis, Name, PolicySet, Readiness, Sequence,
    Space, Status, Task, TaskId, Token, Vital,
};

/// Reading failed: the store says how, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The board is damaged; the text names the place.
    #[error("the board is damaged: {0}")]
    Damaged(String),
    /// The store could not be read.
    #[error("{0}")]
    Failed(String),
    /// The store's server can't be reached just now: nothing was done, and the same may succeed later.
    #[error("{0}")]
    Unreachable(String),
    /// The board has gone elsewhere: here it is read, and changed no more.
    #[error("this board was moved: it is at `{to}` now, so name that one")]
    Moved {
        /// Where it is, without a password.
        to: String,
    },
    /// The board isn't all here yet, or has not left where it was: nobody works on it here before that.
    #[error(
        "this board is still on its way here from `{from}`: try again, and if nobody is moving it any more, \
         `taskhost --board {from} migrate --to` with this board's address finishes the move"
    )]
    Arriving {
        /// Where it comes from, without a password.
        from: String,
    },
}

/// The few numbers that every transaction starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// The last entry this view has seen.
    pub sequence: Sequence,
    /// The last token given.
    pub token: Token,
    /// The last place in the order of creation.
    pub born: u64,
    /// How many tasks there are of what.
    pub counts: Counts,
}

/// How many tasks stand where.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// By status, in the order of [`Status::ALL`].
    pub by_status: [u64; 7],
    /// Pending ones that may be claimed.
    pub ready: u64,
    /// Pending ones that will be asked about at a time.
    pub timed: u64,
    /// Pending ones not asked about yet.
    pub unasked: u64,
}

impl Counts {
    /// How many tasks have this status.
    pub fn of(&self, status: Status) -> u64 {
        self.by_status[status as usize]
    }

    /// Counts `task` in (`step` 1) or out (`step` -1).
    pub(crate) fn count(&mut self, task: &Task, step: i64) {
        let add = |number: &mut u64| *number = number.saturating_add_signed(step);
        add(&mut self.by_status[task.status as usize]);
        if task.status == Status::Pending {
            match task.readiness {
                Readiness::Ready(_) => add(&mut self.ready),
                Readiness::Until(_) => add(&mut self.timed),
                Readiness::Unasked => add(&mut self.unasked),
                Readiness::Waiting { .. } | Readiness::Never(_) => {}
            }
        }
    }

    /// How many tasks there are.
    pub fn total(&self) -> u64 {
        self.by_status.iter().sum()
    }

    /// How many tasks have not ended.
    pub fn open(&self) -> u64 {
        Status::ALL
            .iter()
            .filter(|status| !status.is_finished())
            .map(|status| self.of(*status))
            .sum()
    }
}

/// Which of a task's children are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// All of them.
    Every,
    /// Those that have not ended.
    Open,
    /// Those that failed or were cancelled.
    Unsuccessful,
}

impl Family {
    /// Whether a child of this status belongs to it.
    pub fn has(self, status: Status) -> bool {
        match self {
            Self::Every => true,
            Self::Open => !status.is_finished(),
            Self::Unsuccessful => matches!(status, Status::Failed | Status::Cancelled),
        }
    }
}

/// In which order ready tasks are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Lowest rank, then highest priority, then oldest.
    #[default]
    Rank,
    /// Oldest first.
    Oldest,
    /// Newest first.
    Newest,
}

/// A task's place in an [`Order`]; places of different orders don't compare in a useful way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderKey([u64; 2]);

impl OrderKey {
    /// The place of a task with these properties.
    pub fn new(order: Order, rank: i32, priority: i32, born: u64) -> Self {
        let flip = |n: i32| u64::from((n as u32) ^ 0x8000_0000);
        Self(match order {
            Order::Rank => [flip(rank) << 32 | (u64::from(u32::MAX) - flip(priority)), born],
            Order::Oldest => [0, born],
            Order::Newest => [0, u64::MAX - born],
        })
    }

    /// The key in [`Order::Newest`] of the one in [`Order::Oldest`], and the other way round.
    #[must_use]
    pub fn reversed_age(self) -> Self {
        Self([self.0[0], u64::MAX - self.0[1]])
    }

    /// Bytes that sort as the keys do.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0[0].to_be_bytes());
        bytes[8..].copy_from_slice(&self.0[1].to_be_bytes());
        bytes
    }

    /// The key that these bytes are.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        Self([(number >> 64) as u64, number as u64])
    }
}

/// What an agent asked for. Empty lists of types and labels match everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Filter {
    /// Any of these types.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<Name>,
    /// All of these labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Name>,
    /// Only tasks whose needs are all among these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Name>,
    /// Only this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<TaskId>,
}

impl Filter {
    /// Whether it asks for anything in particular.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `task` is one of those it asks for.
    pub fn matches(&self, task: &Task) -> bool {
        (self.types.is_empty() || self.types.contains(&task.task_type))
            && self.labels.iter().all(|label| task.labels.contains(label))
            && task.lacking(&self.capabilities).next().is_none()
            && self.only.as_ref().is_none_or(|only| *only == task.id)
    }
}

/// For whom the offered tasks are reserved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reservation {
    /// For this agent.
    For(Agent),
    /// For nobody.
    Nobody,
    /// For this agent or for nobody.
    Either(Agent),
}

impl Reservation {
    /// Whether `task` is one of those.
    pub fn matches(&self, task: &Task) -> bool {
        match (self, &task.assignee) {
            (Self::For(agent) | Self::Either(agent), Some(assignee)) => assignee.is(agent),
            (Self::Nobody | Self::Either(_), None) => true,
            (Self::For(_), None) | (Self::Nobody, Some(_)) => false,
        }
    }

    /// Whether a task reserved for somebody of this name (or for nobody) can be one of those.
    pub fn may_match(&self, assignee: Option<&Name>) -> bool {
        match (self, assignee) {
            (Self::For(agent) | Self::Either(agent), Some(name)) => *name == agent.name,
            (Self::Nobody | Self::Either(_), None) => true,
            (Self::For(_), None) | (Self::Nobody, Some(_)) => false,
        }
    }
}

/// Which ready tasks, in which order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReadyQuery {
    /// What they must be like.
    pub filter: Filter,
    /// For whom they are reserved.
    pub reserved: Reservation,
    /// In which order.
    pub order: Order,
}

impl ReadyQuery {
    /// The place of `task` in the answer, if it is in it.
    pub fn place(&self, task: &Task) -> Option<OrderKey> {
        let rank = task.ready_rank()?;
        (self.filter.matches(task) && self.reserved.matches(task))
            .then(|| OrderKey::new(self.order, rank, task.priority, task.born))
    }
}

/// A ready task, with what a choice is usually made by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its place in the order asked for.
    pub place: OrderKey,
    /// The task.
    pub id: TaskId,
    /// Its type.
    pub task_type: Name,
    /// Its priority.
    pub priority: i32,
    /// Its rank.
    pub rank: i32,
    /// When it was added.
    pub created_at: Millis,
    /// How often it was claimed.
    pub attempts: u32,
}

impl Candidate {
    /// The candidate that `task` is at `place`.
    pub fn of(task: &Task, place: OrderKey) -> Self {
        Self {
            place,
            id: task.id.clone(),
            task_type: task.task_type.clone(),
            priority: task.priority,
            rank: task.ready_rank().unwrap_or_default(),
            created_at: task.created_at,
            attempts: task.attempts,
        }
    }
}

/// Something whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// The claim on this task has run out.
    Lease(TaskId),
    /// This task wanted to be asked about at this time.
    Ask(TaskId),
}

/// A task that changed, whose waiters are still to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// The task that changed.
    pub on: TaskId,
    /// The last waiter that was asked.
    pub past: Option<TaskId>,
}

/// Which tasks to list, in order of creation.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Any of these; empty for all.
    pub statuses: Vec<Status>,
    /// Any of these; empty for all.
    pub types: Vec<Name>,
    /// All of these.
    pub labels: Vec<Name>,
    /// Only children of this one.
    pub parent: Option<TaskId>,
    /// Only what is reserved for agents of this name.
    pub assignee: Option<Name>,
    /// Only what somebody could claim now.
    pub ready: bool,
    /// Only what has no parent.
    pub roots: bool,
    /// Only what agents of this name hold.
    pub agent: Option<Name>,
    /// Only those created after this place.
    pub past: Option<u64>,
    /// At most this many.
    pub limit: usize,
}

impl ListQuery {
    /// Whether `task` is one of those, wherever the page begins.
    pub fn matches(&self, task: &Task) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&task.status))
            && (self.types.is_empty() || self.types.contains(&task.task_type))
            && self.labels.iter().all(|label| task.labels.contains(label))
            && self.parent.as_ref().is_none_or(|parent| task.parent.as_ref() == Some(parent))
            && self
                .agent
                .as_ref()
                .is_none_or(|name| task.claim.as_ref().is_some_and(|c| c.agent == *name))
            && self
                .assignee
                .as_ref()
                .is_none_or(|name| task.assignee.as_ref().is_some_and(|a| a.name == *name))
            && (!self.ready || task.ready_rank().is_some())
            && (!self.roots || task.parent.is_none())
    }
}

/// How many tasks stand in each status.
pub type ByStatus = [u64; 7];

/// How many tasks stand where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Census {
    /// By type.
    pub types: BTreeMap<Name, ByStatus>,
    /// By for whom they are reserved.
    pub assignees: BTreeMap<Name, ByStatus>,
    /// How many tasks agents of a name hold.
    pub holders: BTreeMap<Name, u64>,
}

impl Census {
    /// Counts one task.
    pub fn count(&mut self, task: &Task) {
        let status = task.status as usize;
        self.types.entry(task.task_type.clone()).or_default()[status] += 1;
        if let Some(assignee) = &task.assignee {
            self.assignees.entry(assignee.name.clone()).or_default()[status] += 1;
        }
        if let Some(claim) = &task.claim {
            *self.holders.entry(claim.agent.clone()).or_default() += 1;
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The tasks of this page.
    pub tasks: Vec<Task>,
    /// How many match in all.
    pub total: u64,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
}

/// A board at one instant. Reads never see half an entry.
pub trait View: Send {
    /// The numbers it starts from.
    fn head(&self) -> Result<Head, ReadError>;
    /// The same, for one who begins a transaction: where a store would have to count tasks for it, the counters are
    /// nothing but [`Counts::unasked`], and that one no more than whether there are any.
    fn outset(&self) -> Result<Head, ReadError> {
        self.head()
    }
    /// How many tasks are open, and how many may be claimed, each counted no further than to `enough`.
    fn open_and_ready(&self, enough: u64) -> Result<(u64, u64), ReadError> {
        let Head { counts, .. } = self.head()?;
        Ok((counts.open().min(enough), counts.ready.min(enough)))
    }
    /// The policies that decide.
    fn policies(&self) -> Result<PolicySet, ReadError>;
    /// The board's own settings.
    fn settings(&self) -> Result<BoardSettings, ReadError>;
    /// One task.
    fn task(&self, id: &TaskId) -> Result<Option<Task>, ReadError>;
    /// Children of `parent` in the order of ids, those after `past`, at most `limit`.
    fn children(
        &self,
        parent: &TaskId,
        which: Family,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError>;
    /// Ready tasks in the order asked for, those after `past`, at most `limit`. The cost is bounded by
    /// `limit`, the rarest label and the number of distinct (type, needs, assignee) classes.
    fn ready(
        &self,
        query: &ReadyQuery,
        past: Option<OrderKey>,
        limit: usize,
    ) -> Result<Vec<Candidate>, ReadError>;
    /// How many claims agents of this name hold.
    fn claims_held(&self, agent: &Name) -> Result<u32, ReadError>;
    /// What a policy remembered.
    fn recall(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, ReadError>;
    /// How many keys a policy remembers.
    fn remembered(&self, space: Space) -> Result<u32, ReadError>;
    /// Pending tasks that wait on `on`, in the order of ids, those after `past`, at most `limit`.
    fn waiters(
        &self,
        on: &TaskId,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError>;
    /// Tasks that were not asked about yet.
    fn unasked(&self, limit: usize) -> Result<Vec<TaskId>, ReadError>;
    /// Tasks whose waiters were not all asked about yet.
    fn wakes(&self, limit: usize) -> Result<Vec<Wake>, ReadError>;
    /// What has come due by `now`, at most `limit`.
    fn due(&self, now: &Instant, limit: usize) -> Result<Vec<Due>, ReadError>;
    /// When the next lease ends or the next task wants to be asked about, by the wall clock.
    fn next_due(&self, now: &Instant) -> Result<Option<Millis>, ReadError>;
    /// What proves that holders of claims live, at most `limit` of each kind.
    fn vitals(&self, limit: usize) -> Result<Vec<Vital>, ReadError>;
    /// The tasks that are held as long as this lives, at most `limit`.
    fn vital_claims(&self, vital: &Vital, limit: usize) -> Result<Vec<TaskId>, ReadError>;
    /// Tasks that name this one in their `after`, in the order of ids, those after `past`, at most `limit`.
    fn dependents(
        &self,
        on: &TaskId,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError>;
    /// A value of the workflow's own metadata.
    fn meta(&self, key: &TaskId) -> Result<Option<Json>, ReadError>;
    /// All of the workflow's own metadata, by key.
    fn metas(&self) -> Result<Vec<(TaskId, Json)>, ReadError>;
    /// How many tasks stand where, by type and by whom they are for or with. Its cost grows with the board.
    fn census(&self) -> Result<Census, ReadError>;
    /// Hands over everything that a board holds besides its head, policies and settings, until `each` says
    /// `false`. Request keys that `now` has outlived are left out.
    fn dump(&self, now: Millis, each: &mut dyn FnMut(Record) -> bool) -> Result<(), ReadError>;
    /// What was answered to a request key.
    fn key(&self, command: crate::Command, key: &str) -> Result<Option<KeyRecord>, ReadError>;
    /// Tasks in the order of creation.
    fn list(&self, query: &ListQuery) -> Result<Page, ReadError>;
}
