//! [`Keeper`]: what is done with a whole board, beside the transactions of a [`Store`]: keeping it small, examining it,
//! measuring it, locking it by hand, taking it elsewhere.
//!
//! - [`Still`]: a board that nobody changes, on its way elsewhere.
//! - [`InitPlan`]: what a new board is made of. [`Compaction`], [`DiskUse`], [`ExportError`]: what comes of the rest.
//! - [`Progress`]: how far something slow has come, for people.
//!
//! Stores differ in what there is to do: one that keeps itself small says so instead of doing it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Instant as Deadline;

use crate::transfer::TransferLine;
use crate::{
    BeginError, BoardSettings, ContextFailure, Digest, Elsewhere, HandLock, Measured, PolicySet,
    ReadError, Report, Store, SwitchError, TaskId, Vital,
};

/// What a board is made of.
pub struct InitPlan {
    /// The policies that decide.
    pub policies: PolicySet,
    /// Their components.
    pub components: BTreeMap<Digest, Vec<u8>>,
    /// The board's own settings.
    pub settings: BoardSettings,
}

/// How far something slow has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, as a sentence says it: `reading the snapshot`.
    pub doing: &'static str,
    /// How many records or lines were done.
    pub done: u64,
}

/// Called now and then while something slow is done.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// What became of a board that was to be made small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compaction {
    /// It is small now.
    Done,
    /// There was nothing to do, because the store does it by itself: a sentence that says how.
    Needless(&'static str),
}

/// What a board takes up where it is kept, in bytes that are allocated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskUse {
    /// Its parts by the words that the store has for them, such as `policy_files`, in the order in which they are shown.
    pub parts: Vec<(&'static str, u64)>,
    /// All of it, with whatever is no part.
    pub total: u64,
}

impl DiskUse {
    /// What a part takes up; nothing if the store has no such part.
    pub fn part(&self, name: &str) -> Option<u64> {
        self.parts.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
    }
}

/// A board was not exported, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The board can't be read.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// What was read could not be handed on.
    #[error("what is exported could not be written: {0}")]
    Write(#[from] io::Error),
}

impl From<ContextFailure> for ExportError {
    fn from(error: ContextFailure) -> Self {
        match error {
            ContextFailure::Begin(error) => Self::Begin(error),
            other => Self::Begin(ReadError::Failed(other.to_string()).into()),
        }
    }
}

impl From<ReadError> for ExportError {
    fn from(error: ReadError) -> Self {
        Self::Begin(error.into())
    }
}

/// A board that nobody changes, nor its large values, until this is dropped.
pub trait Still {
    /// Where the board is instead of here, if it is elsewhere.
    fn elsewhere(&self) -> Result<Option<Elsewhere>, ReadError>;

    /// Hands over the whole board, line by line; stops at the first error of `each`.
    fn export(
        &self,
        each: &mut dyn FnMut(TransferLine) -> io::Result<()>,
    ) -> Result<(), ExportError>;

    /// Says, durably and to everybody, where the board is from here on instead of here; here, if that is `None`. After an
    /// error nobody knows what is said before the board was made to stand still again.
    fn say(self: Box<Self>, elsewhere: Option<&Elsewhere>) -> Result<(), SwitchError>;
}

/// Keeps a whole board.
pub trait Keeper: Store {
    /// The board's id, which no other board has and which goes with it wherever it is taken: letters and digits.
    fn id(&self) -> Result<String, ReadError>;

    /// Whether this holder is proved dead: what it holds comes back with the next claim. Changes nothing.
    fn is_dead(&self, holder: &Vital) -> bool;

    /// What the store did by itself since it was opened and somebody should know of, a sentence each.
    fn mended(&self) -> Vec<String>;

    /// Whether it is worth while to ask for [`Keeper::compact_if_due`]. Cheap: takes no lock.
    fn compaction_is_due(&self) -> bool;

    /// Makes the board small again, and removes what of its history the settings don't keep. Others go on working
    /// meanwhile.
    fn compact(&self, deadline: Deadline) -> Result<Compaction, SwitchError>;

    /// Compacts if that is due and nobody is at it already; says whether it did. For whoever has just changed the
    /// board: nobody has to remember to compact it.
    fn compact_if_due(&self, deadline: Deadline) -> Result<bool, SwitchError>;

    /// Removes the oldest part of the history that the board's settings don't keep; says how many pieces went, as the
    /// store has it in pieces.
    fn trim_history(&self) -> Result<u64, BeginError>;

    /// Lets this board's policies use the directory that its setting `shared_files` names. The setting alone doesn't:
    /// a board that came from elsewhere brings it along. Whoever calls this must be able to write there.
    fn share_files(&self, directory: &str) -> io::Result<()>;

    /// What the board's processes measured. Empty where nothing can be.
    fn figures(&self) -> Result<Measured, ReadError>;

    /// Leaves what this handle measured with the board, if it isn't there yet. For whoever ends without dropping the handle,
    /// which does the same.
    fn leave_figures(&self) {}

    /// What the board takes up where it is kept.
    fn disk_use(&self) -> Result<DiskUse, ReadError>;

    /// Hands over the whole board as it is at one instant, line by line, for another store to take in. Others go on
    /// working meanwhile; stops at the first error of `each`.
    fn export(
        &self,
        each: &mut dyn FnMut(TransferLine) -> io::Result<()>,
    ) -> Result<(), ExportError>;

    /// Waits until nobody changes the board, no longer than until `deadline`, and keeps everybody from it. Also a board that
    /// is elsewhere stands still.
    fn still(&self, deadline: Deadline) -> Result<Box<dyn Still + '_>, BeginError>;

    /// Examines everything, and changes nothing that opening the board wouldn't change.
    fn doctor(&self) -> Report;

    /// Locks a task by hand, waiting no longer than until `deadline`: nobody is given the task meanwhile, but whoever
    /// runs inside. `who` is what others are told. The task need not be on the board yet.
    fn hold_task(
        &self,
        id: &TaskId,
        who: Option<&str>,
        deadline: Deadline,
    ) -> Result<Box<dyn HandLock>, BeginError>;

    /// Locks the board by hand, waiting no longer than until `deadline`: nobody changes it meanwhile, but whoever runs
    /// inside. This handle itself isn't inside, and would wait.
    fn hold_board(
        &self,
        who: Option<&str>,
        deadline: Deadline,
    ) -> Result<Box<dyn HandLock>, BeginError>;
}
