//! What a board needs from whatever keeps it. Nothing here presumes one global lock or a file.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant as Deadline};

use serde::{Deserialize, Serialize};

use crate::{
    Asking, Begun, Combiner, Command, Digest, Entry, Instant, Meter, Millis, Name, PolicySet,
    PostError, Posting, ReadError, Readiness, Request, Sequence, SessionId, TaskId, Token, View,
    Vital,
};

/// A transaction could not be opened. Nothing happened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BeginError {
    /// Somebody else held the board's lock, or that of a task that was asked for, until the deadline.
    #[error("the lock was held by somebody else for {waited:.1?}{}", holder.as_ref().map(|h| format!(": {h}")).unwrap_or_default())]
    Timeout {
        /// How long it was waited for.
        waited: Duration,
        /// Who holds it, if that is known.
        holder: Option<String>,
    },
    /// The board can't be read or changed as it is.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The board was written by a newer version of taskhost.
    #[error(
        "the board has format {found}, and this version writes {known}: use a newer taskhost to change it"
    )]
    Newer {
        /// The board's format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
}

impl From<BeginError> for ReadError {
    /// For whoever only reads, and waits for nobody.
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Read(error) => error,
            other => Self::Failed(other.to_string()),
        }
    }
}

/// An entry was not acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// Nothing was written; the store says why.
    #[error("nothing was changed: {0}")]
    NotWritten(String),
    /// Somebody else's transaction came in between; running the same again may succeed.
    #[error("another transaction changed the same tasks")]
    Conflict,
    /// Nothing was written, because others have these: running the same again with them in [`Aim::lost`] may succeed.
    #[error("another transaction has some of the same tasks")]
    Lost(BTreeSet<Cell>),
    /// The entry was written but could not be made durable, or whoever wrote it can't be reached. Whether it is there is
    /// unknown.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// An acknowledged entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Its number.
    pub sequence: Sequence,
}

/// A transaction that is open in the store. Dropping it changes nothing.
pub trait Opened: Send {
    /// The transaction's time.
    fn now(&self) -> Instant;
    /// The board as it is, with what was staged for others; to live in a [`crate::Transaction`]. Asked for once for each
    /// decision that is made in it.
    fn view(&mut self) -> Box<dyn View>;
    /// Whether it is worth asking for dead holders: this handle did so an instant ago if not.
    fn is_time_to_look_for_dead(&mut self) -> bool {
        true
    }
    /// Which of these holders are proved dead. May answer for fewer than asked, to save time.
    fn dead(&mut self, holders: &[Vital]) -> Vec<Vital>;
    /// Whether this holder is proved dead now, whatever was known of it an instant ago.
    fn is_dead(&mut self, holder: &Vital) -> bool {
        !self.dead(std::slice::from_ref(holder)).is_empty()
    }
    /// The locks on tasks that people and programs take by hand; to live in a [`crate::Transaction`], as the view does.
    fn task_locks(&mut self) -> Box<dyn TaskLocks>;
    /// Where tokens and places in the order of creation come from; to live in a [`crate::Transaction`], as the view does.
    /// `None` if each is one more than the last that [`crate::Head`] names, as it is where
    /// only one transaction is open at a time.
    fn numbers(&mut self) -> Option<Box<dyn Numbers>> {
        None
    }
    /// What this transaction can't have because others have it, if there was any such thing: then nothing that was
    /// decided in it stands, errors neither, and the same is to be tried again in a transaction with this in its
    /// [`Aim::lost`].
    fn lost(&mut self) -> Option<BTreeSet<Cell>> {
        None
    }
    /// Commits the entry and returns once it is durable.
    fn commit(self: Box<Self>, entry: Entry) -> Result<Committed, CommitError>;
    /// The same, and commits what `combiner` decides for those who wait meanwhile, where the store knows of any.
    fn commit_and_combine(
        self: Box<Self>,
        entry: Entry,
        combiner: &mut dyn Combiner,
    ) -> Result<Committed, CommitError> {
        let _ = combiner;
        self.commit(entry)
    }
    /// Ends without a change, once everything that was read is durable.
    fn finish(self: Box<Self>) -> Result<(), CommitError>;
}

/// Numbers that are given once, also where transactions run side by side. Those of a transaction that comes to nothing
/// are given to nobody.
pub trait Numbers: Send {
    /// A token greater than every one that `task` was claimed with before.
    fn token(&mut self, task: &TaskId) -> Result<Token, ReadError>;
    /// A place in the order of creation that no task has.
    fn born(&mut self) -> Result<u64, ReadError>;
}

/// A part of a board that transactions which run side by side may both want, as the store names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(pub String);

/// What a transaction is for, as far as that is known before it is opened. Stores in which transactions run side by side
/// fetch in one go what it will read first, and wait in order for what earlier tries lost by.
#[derive(Debug, Clone, Default)]
pub struct Aim {
    /// The tasks that it is to change.
    pub tasks: Vec<TaskId>,
    /// Further ones that it is going to look at.
    pub named: Vec<TaskId>,
    /// The request key that it looks up.
    pub key: Option<(Command, String)>,
    /// Who asks for which work.
    pub asking: Option<Asking>,
    /// Whether it changes what every other transaction rests on, such as settings, and so must be alone.
    pub alone: bool,
    /// What earlier tries of the same lost by.
    pub lost: BTreeSet<Cell>,
}

impl Aim {
    /// A transaction that is to change these tasks.
    pub fn at(tasks: impl IntoIterator<Item = TaskId>) -> Self {
        Self { tasks: tasks.into_iter().collect(), ..Self::default() }
    }
}

/// The locks on tasks that people and programs take by hand. While somebody holds one, nobody is given the task.
pub trait TaskLocks: Send {
    /// Takes the task's lock if it is free, or if there is no such lock, until this is dropped. `false` if
    /// somebody else holds it.
    fn try_hold(&mut self, task: &TaskId) -> Result<bool, ReadError>;
}

/// Nobody locks tasks by hand.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTaskLocks;

impl TaskLocks for NoTaskLocks {
    fn try_hold(&mut self, _task: &TaskId) -> Result<bool, ReadError> {
        Ok(true)
    }
}

/// Where a waiter has looked: what happens afterwards wakes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// The newest entry then.
    pub newest: Sequence,
    /// How many signs of a holder's death were seen until then, by this handle.
    pub deaths: u64,
}

/// Whose large values are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Those of a task.
    Task(TaskId),
    /// Those of the agents of a name.
    Agent(Name),
}

/// A large value, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextEntry {
    /// Its key.
    pub key: TaskId,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was last changed.
    pub changed_at: Millis,
}

/// A large value could not be read or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ContextFailure {
    /// The content would be larger than [`CONTEXT_BYTES_MAX`].
    #[error("a value has at most 64 MiB: keep it elsewhere, and its place here")]
    TooLarge,
    /// Somebody else held the lock until the deadline.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// Whether the change survives is unknown.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// The largest value, in bytes.
pub const CONTEXT_BYTES_MAX: u64 = 64 << 20;

/// Large values beside the board, by task or agent and key: what agents tell each other and later attempts.
///
/// Each change replaces one value, whole, durably and one after the other; they aren't part of any transaction.
pub trait Contexts: Send + Sync {
    /// A value.
    fn get(&self, owner: &Owner, key: &TaskId) -> Result<Option<Vec<u8>>, ContextFailure>;
    /// Sets a value.
    fn set(
        &self,
        owner: &Owner,
        key: &TaskId,
        value: &[u8],
        deadline: Deadline,
    ) -> Result<(), ContextFailure>;
    /// Appends to a value; says how long it is now.
    fn append(
        &self,
        owner: &Owner,
        key: &TaskId,
        more: &[u8],
        deadline: Deadline,
    ) -> Result<u64, ContextFailure>;
    /// Removes a value; `false` if there was none.
    fn remove(
        &self,
        owner: &Owner,
        key: &TaskId,
        deadline: Deadline,
    ) -> Result<bool, ContextFailure>;
    /// The values of an owner, by key.
    fn list(&self, owner: &Owner) -> Result<Vec<ContextEntry>, ContextFailure>;
    /// Everybody who has values.
    fn owners(&self) -> Result<Vec<Owner>, ContextFailure>;
}

/// Keeps a session's life lock for as long as it lives.
pub trait LifeGuard: Send + Sync {}

/// What to switch a board's policies to.
pub struct SwitchPlan {
    /// The policies from then on.
    pub policies: PolicySet,
    /// Components that the store may not have yet.
    pub components: BTreeMap<Digest, Vec<u8>>,
    /// The policies that the new ones were derived from: if they are others by the time of the switch, it doesn't
    /// happen, so that of two people who change a setting each neither undoes the other's change.
    pub derived_from: PolicySet,
    /// Only if the leading policy is still this one.
    pub expect: Option<Digest>,
    /// Who asked.
    pub request: Request,
}

/// A switch did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SwitchError {
    /// The board could not be opened.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The leading policy isn't the expected one.
    #[error("the board's policy is `{found}` now, not the expected `{expected}`")]
    Changed {
        /// What it is.
        found: Digest,
        /// What was expected.
        expected: Digest,
    },
    /// Somebody else changed the policies meanwhile; derived anew, the switch may succeed.
    #[error("somebody else changed the board's policies meanwhile: try again")]
    Moved,
    /// Asking the new policy failed.
    #[error("{0}")]
    Asking(String),
    /// It could not be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Asks the new policy about pending tasks: `None` where the answer must wait for a transaction.
pub type Ask<'a> = dyn FnMut(Box<dyn View>, Instant, Vec<TaskId>) -> Result<Vec<(TaskId, Option<Readiness>)>, String>
    + 'a;

/// Which directory a policy's file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// This board's own.
    Board,
    /// The one shared between boards.
    Shared,
}

/// A policy's file could not be read or replaced.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FileFailure {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// The content is not the expected one.
    #[error("the content is no longer the expected one")]
    Changed,
    /// The name or the place isn't allowed.
    #[error("{0}")]
    Forbidden(String),
    /// The content is larger than [`FILE_BYTES_MAX`].
    #[error("the content is larger than 1 MiB")]
    TooLarge,
    /// The store failed.
    #[error("{0}")]
    Failed(String),
}

/// A policy's lock could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LockFailure {
    /// Somebody else held it all the while.
    #[error("somebody else held the lock")]
    Timeout,
    /// The name isn't allowed.
    #[error("{0}")]
    Limit(String),
    /// The store failed.
    #[error("{0}")]
    Failed(String),
}

/// The powers that reach a policy beyond the transaction: real locks and atomic replacement of files.
pub trait Powers: Send + Sync {
    /// Waits for the named exclusive lock, at most `timeout`; dropping the guard releases it.
    fn lock(&self, name: &str, timeout: Duration) -> Result<Box<dyn LifeGuard>, LockFailure>;
    /// Reads a small file. Waits for others no longer than `timeout`.
    fn read(&self, at: Place, name: &str, timeout: Duration) -> Result<Vec<u8>, FileFailure>;
    /// Replaces a small file, atomically and durably; with `expected`, only if it still has that content.
    fn replace(
        &self,
        at: Place,
        name: &str,
        content: &[u8],
        expected: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<(), FileFailure>;
}

/// No powers: what a policy has while it is only looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPowers;

impl Powers for NoPowers {
    fn lock(&self, _name: &str, _timeout: Duration) -> Result<Box<dyn LifeGuard>, LockFailure> {
        Err(LockFailure::Failed("there is no board here".into()))
    }

    fn read(&self, _at: Place, _name: &str, _timeout: Duration) -> Result<Vec<u8>, FileFailure> {
        Err(FileFailure::NotFound)
    }

    fn replace(
        &self,
        _at: Place,
        _name: &str,
        _content: &[u8],
        _expected: Option<&[u8]>,
        _timeout: Duration,
    ) -> Result<(), FileFailure> {
        Err(FileFailure::Forbidden("there is no board here".into()))
    }
}

/// The largest file a policy may read or write, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Keeps a board.
pub trait Store: Send + Sync {
    /// Opens a transaction, waiting for others no longer than until `deadline`.
    fn begin(&self, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError>;
    /// The same, for what `aim` says.
    fn begin_for(&self, aim: &Aim, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        let _ = aim;
        self.begin(deadline)
    }
    /// The same, or has what it would be for done by one who is at it already.
    fn begin_or_post(&self, posting: &Posting<'_>, deadline: Deadline) -> Result<Begun, PostError> {
        Ok(Begun::Opened(self.begin_for(posting.aim, deadline)?))
    }
    /// The board as it is, all of it durable.
    fn snapshot(&self) -> Result<(Box<dyn View>, Instant), BeginError>;
    /// What to wait past.
    fn mark(&self) -> Result<Mark, BeginError>;
    /// Waits until something was committed by which somebody who waits may go on, or a holder may have died, since `past`, or
    /// `timeout` has passed; says what to wait past next. Of claims, renewals and the like it may hear only some seconds later.
    fn wait(&self, past: Mark, timeout: Duration) -> Result<Mark, BeginError>;
    /// What the clock says that this board's times are given by: this machine's, unless the store goes by another.
    /// Cheap, and a little off at worst: for those who wait, and for people. What is decided goes by [`Opened::now`].
    fn wall(&self) -> Millis {
        Millis::of_this_machine()
    }
    /// A policy component that the board has.
    fn component(&self, digest: Digest) -> Result<Vec<u8>, ReadError>;
    /// Takes the session's life lock.
    fn live(&self, session: &SessionId) -> Result<Box<dyn LifeGuard>, ReadError>;
    /// Waits for a task's lock if somebody has taken it by hand, so that a claim of this task waits its turn;
    /// `None` where there is no such lock.
    fn lock_task(
        &self,
        task: &TaskId,
        deadline: Deadline,
    ) -> Result<Option<Box<dyn LifeGuard>>, BeginError>;
    /// Who has locked a task by hand, for people; `None` if nobody has.
    fn task_locker(&self, task: &TaskId) -> Result<Option<String>, ReadError>;
    /// The large values beside the board.
    fn contexts(&self) -> std::sync::Arc<dyn Contexts>;
    /// Where measurements go.
    fn meter(&self) -> std::sync::Arc<dyn Meter>;
    /// What policies may do beyond the transaction.
    fn powers(&self) -> std::sync::Arc<dyn Powers>;
    /// Switches the board to other policies, at one instant for every process. `ask` is called while others
    /// go on working; tasks that change meanwhile are asked about by the transactions after the switch.
    fn switch(
        &self,
        plan: SwitchPlan,
        ask: &mut Ask<'_>,
        deadline: Deadline,
    ) -> Result<Committed, SwitchError>;
    /// Hands over every entry after `past`, oldest first, until `each` says `false`.
    fn history(
        &self,
        past: Sequence,
        each: &mut dyn FnMut(Sequence, Entry) -> bool,
    ) -> Result<(), ReadError>;
}
