//! What happened on a board. A board is the fold of its entries; these types are also the form in which a
//! store keeps them (format 2), so a field is added here with a default or not at all.

mod apply;

use serde::{Deserialize, Serialize};

use crate::{
    Assignee, BoardSettings, Claim, Filter, Json, Lease, Millis, Name, PolicySet, Readiness,
    SessionId, Space, Status, Task, TaskId, Token, Verb,
};

/// Everything that one transaction did, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The transaction's time by the wall clock.
    pub time: Millis,
    /// Who asked for what.
    pub request: Request,
    /// What the policy's random numbers were drawn from.
    pub seed: u64,
    /// What changed.
    pub changes: Vec<Change>,
}

/// The command behind an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Tasks were added.
    Add,
    /// An agent asked for work.
    Claim,
    /// A holder extended its lease.
    Heartbeat,
    /// A holder finished its task.
    Complete,
    /// A holder gave its task up.
    Fail,
    /// A holder handed its task back.
    Release,
    /// A policy or its settings were set.
    PolicySet,
    /// Tasks were reserved.
    Assign,
    /// Tasks are no longer reserved.
    Unassign,
    /// What tasks are was changed.
    Update,
    /// Tasks aren't wanted any more.
    Cancel,
    /// Tasks that failed or were cancelled are to be done after all.
    Retry,
    /// Tasks were parked.
    Block,
    /// Tasks are no longer parked.
    Unblock,
    /// Completed work was accepted or sent back.
    Review,
    /// Finished tasks were taken off the board.
    Archive,
    /// The board's own settings were changed.
    ConfigSet,
    /// The workflow's own metadata was changed.
    MetaSet,
    /// Nobody asked: due events and tasks still to be asked about.
    Upkeep,
}

impl Command {
    /// Every command, in the order of their declaration.
    pub const ALL: [Self; 19] = [
        Self::Add,
        Self::Claim,
        Self::Heartbeat,
        Self::Complete,
        Self::Fail,
        Self::Release,
        Self::PolicySet,
        Self::Assign,
        Self::Unassign,
        Self::Update,
        Self::Cancel,
        Self::Retry,
        Self::Block,
        Self::Unblock,
        Self::Review,
        Self::Archive,
        Self::ConfigSet,
        Self::MetaSet,
        Self::Upkeep,
    ];

    /// The word used on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Claim => "claim",
            Self::Heartbeat => "heartbeat",
            Self::Complete => "complete",
            Self::Fail => "fail",
            Self::Release => "release",
            Self::PolicySet => "policy set",
            Self::Assign => "assign",
            Self::Unassign => "unassign",
            Self::Update => "update",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Review => "review",
            Self::Archive => "archive",
            Self::ConfigSet => "config set",
            Self::MetaSet => "meta set",
            Self::Upkeep => "upkeep",
        }
    }
}

/// Who asked for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The command.
    pub command: Command,
    /// The agent that gave it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Name>,
    /// Its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// For a claim: what it asked for, where it asked for something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

impl Request {
    /// A command that no agent stands behind.
    pub fn of(command: Command) -> Self {
        Self { command, agent: None, session: None, filter: None }
    }
}

/// Why a claim was taken from its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The lease ran out.
    LeaseOver,
    /// The holder was proved dead.
    HolderDead,
    /// The policy took it.
    Policy,
    /// An operator took it.
    Operator,
}

/// The answer that a request key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// A fingerprint of the request, so that a key isn't taken for another one.
    pub fingerprint: u64,
    /// The task it was about.
    pub task: TaskId,
    /// The token it got, for a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// When it was first used.
    pub at: Millis,
}

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A task came to be.
    Added(Box<Task>),
    /// A task was given to an agent; an attempt is counted.
    Claimed {
        /// The task.
        id: TaskId,
        /// The hold on it.
        claim: Box<Claim>,
    },
    /// A lease was extended.
    Renewed {
        /// The task.
        id: TaskId,
        /// Until when it holds now.
        lease: Lease,
    },
    /// A later session of the same agent took the claim up, by its token: neither that nor its attempt is counted anew.
    Resumed {
        /// The task.
        id: TaskId,
        /// The hold on it, which is that session's now.
        claim: Box<Claim>,
    },
    /// The policy left the task with a holder that is late or dead, until this lease ends.
    Kept {
        /// The task.
        id: TaskId,
        /// Until when it holds.
        lease: Lease,
    },
    /// The holder handed the task back; its attempt is given back.
    Released {
        /// The task.
        id: TaskId,
        /// What the holder said about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The task was taken from its holder; its attempt stays counted.
    Recovered {
        /// The task.
        id: TaskId,
        /// Why.
        cause: Cause,
        /// What an operator said about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Not to be offered before this time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Millis>,
    },
    /// An attempt failed and the policy wants another.
    Retried {
        /// The task.
        id: TaskId,
        /// What the holder said.
        error: Option<String>,
        /// Not to be offered before this time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Millis>,
    },
    /// The task ended, or waits for review.
    Finished {
        /// The task.
        id: TaskId,
        /// `completed`, `failed`, `cancelled` or `in_review`.
        status: Status,
        /// What its holder asked for, if it was the holder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verb: Option<Verb>,
        /// Why, if it wasn't the holder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What `complete` left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Json>,
        /// What `fail` said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// What the task is was changed.
    Updated {
        /// The task.
        id: TaskId,
        /// How.
        update: Box<TaskUpdate>,
    },
    /// A task that had failed, was cancelled or waited for review is pending again.
    Reopened {
        /// The task.
        id: TaskId,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Whether its attempts and failures are forgotten: those of a retry are.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        afresh: bool,
    },
    /// Work that waited for review was accepted.
    Accepted {
        /// The task.
        id: TaskId,
        /// What was said about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A finished task was taken off the board; this is how it stood.
    Archived(Box<Task>),
    /// The task was parked.
    Blocked {
        /// The task.
        id: TaskId,
        /// Why.
        reason: Option<String>,
        /// Present if its holder did it, who gets the attempt back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verb: Option<Verb>,
    },
    /// The task is no longer parked.
    Unblocked {
        /// The task.
        id: TaskId,
        /// Why.
        reason: Option<String>,
    },
    /// The task was reserved, or isn't any more.
    Assigned {
        /// The task.
        id: TaskId,
        /// For whom.
        assignee: Option<Assignee>,
    },
    /// The policy said whether the task may be claimed.
    Answered {
        /// The task.
        id: TaskId,
        /// What it said.
        readiness: Readiness,
    },
    /// The tasks that wait on this one, those with ids after `past`, are still to be asked about.
    Wake {
        /// The task that changed.
        on: TaskId,
        /// The last one that was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        past: Option<TaskId>,
    },
    /// All that waited on this one were asked.
    Woken {
        /// The task that changed.
        on: TaskId,
    },
    /// A policy remembered a value, or forgot it.
    Remembered {
        /// Whose memory.
        space: Space,
        /// Under which key.
        key: String,
        /// The value; absent if forgotten.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Vec<u8>>,
    },
    /// A request key was used.
    Keyed {
        /// The command it belongs to.
        command: Command,
        /// The key.
        key: String,
        /// What to answer when it comes again.
        record: KeyRecord,
    },
    /// The board's policies are these from here on.
    PoliciesSet(Box<PolicySet>),
    /// The board's own settings are these from here on.
    SettingsSet(BoardSettings),
    /// A value of the workflow's own metadata was set, or removed.
    MetaSet {
        /// Under which key.
        key: TaskId,
        /// The value; absent if removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Json>,
    },
    /// The board's own policy failed, and the standard one decided in its place.
    FellBack {
        /// The hook that failed.
        hook: String,
        /// How, in one word.
        kind: String,
        /// What went wrong.
        detail: String,
    },
}

/// What to change of a task; what isn't given stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TaskUpdate {
    /// Higher is more urgent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Words to find it by; sorted, without repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<Name>>,
    /// Words to add to those it has when it is changed, so that of two who add one each neither is lost. A
    /// [`Change::Updated`] has the list that came of it instead.
    #[serde(skip)]
    pub add_labels: Vec<Name>,
    /// Words to take away from those it has then.
    #[serde(skip)]
    pub remove_labels: Vec<Name>,
    /// What an agent must be capable of; sorted, without repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<Name>>,
    /// The caller's own data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
    /// Not to be claimed before this time; 0 for at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Millis>,
}

impl Change {
    /// Every word that [`Change::event`] gives.
    pub const EVENTS: [&'static str; 24] = [
        "added",
        "claimed",
        "renewed",
        "resumed",
        "kept",
        "released",
        "recovered",
        "retried",
        "in_review",
        "sent_back",
        "accepted",
        "completed",
        "failed",
        "cancelled",
        "blocked",
        "unblocked",
        "assigned",
        "unassigned",
        "updated",
        "archived",
        "policy_set",
        "settings_set",
        "meta_set",
        "fell_back",
    ];

    /// The task it is about, if it is about one.
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Added(task) | Self::Archived(task) => Some(&task.id),
            Self::Claimed { id, .. }
            | Self::Renewed { id, .. }
            | Self::Resumed { id, .. }
            | Self::Kept { id, .. }
            | Self::Released { id, .. }
            | Self::Recovered { id, .. }
            | Self::Retried { id, .. }
            | Self::Finished { id, .. }
            | Self::Updated { id, .. }
            | Self::Reopened { id, .. }
            | Self::Accepted { id, .. }
            | Self::Blocked { id, .. }
            | Self::Unblocked { id, .. }
            | Self::Assigned { id, .. }
            | Self::Answered { id, .. } => Some(id),
            Self::Wake { .. }
            | Self::Woken { .. }
            | Self::Remembered { .. }
            | Self::Keyed { .. }
            | Self::PoliciesSet(_)
            | Self::SettingsSet(_)
            | Self::MetaSet { .. }
            | Self::FellBack { .. } => None,
        }
    }

    /// What happened to the task, in one word, as the history shows it; `None` for bookkeeping.
    pub fn event(&self) -> Option<&'static str> {
        Some(match self {
            Self::Added(_) => "added",
            Self::Claimed { .. } => "claimed",
            Self::Renewed { .. } => "renewed",
            Self::Resumed { .. } => "resumed",
            Self::Kept { .. } => "kept",
            Self::Released { .. } => "released",
            Self::Recovered { .. } => "recovered",
            Self::Retried { .. } => "retried",
            Self::Finished { status, .. } => status.as_str(),
            Self::Blocked { .. } => "blocked",
            Self::Unblocked { .. } => "unblocked",
            Self::Assigned { assignee: Some(_), .. } => "assigned",
            Self::Assigned { assignee: None, .. } => "unassigned",
            Self::PoliciesSet(_) => "policy_set",
            Self::SettingsSet(_) => "settings_set",
            Self::Updated { .. } => "updated",
            Self::Reopened { afresh: true, .. } => "retried",
            Self::Reopened { afresh: false, .. } => "sent_back",
            Self::Accepted { .. } => "accepted",
            Self::Archived(_) => "archived",
            Self::MetaSet { .. } => "meta_set",
            Self::FellBack { .. } => "fell_back",
            Self::Answered { .. }
            | Self::Wake { .. }
            | Self::Woken { .. }
            | Self::Remembered { .. }
            | Self::Keyed { .. } => return None,
        })
    }

    /// Whether tasks that wait on this change's task must be asked about again. A claim or its release isn't
    /// an end, so that claiming a parent of many children costs nothing.
    pub fn wakes_waiters(&self) -> bool {
        // What is gone can't be waited for: a parent could wait for a lost child that nobody could find any more.
        matches!(
            self,
            Self::Finished { .. }
                | Self::Reopened { .. }
                | Self::Accepted { .. }
                | Self::Archived(_)
        )
    }

    /// Whether it makes its task pending, or changes one that may be, so that the policy must be asked about it.
    pub fn reopens(&self) -> bool {
        matches!(
            self,
            Self::Added(_)
                | Self::Updated { .. }
                | Self::Assigned { .. }
                | Self::Reopened { .. }
                | Self::Released { .. }
                | Self::Recovered { .. }
                | Self::Retried { .. }
                | Self::Unblocked { .. }
        )
    }
}
