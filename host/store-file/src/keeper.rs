//! A board in files, for those who look after all of it.

use std::io;
use std::time::Instant as Deadline;

use taskhost_board::transfer::TransferLine;
use taskhost_board::{
    BeginError, Compaction, DiskUse, ExportError, HandLock, Keeper, Measured, ReadError, Report,
    Still, Store as _, SwitchError, TaskId, Vital,
};

use crate::hand::Lockable;
use crate::store::FileStore;

impl Keeper for FileStore {
    fn id(&self) -> Result<String, ReadError> {
        Ok(self.inner.any_board_file()?.board)
    }

    fn is_dead(&self, holder: &Vital) -> bool {
        self.inner.lock.same_process().is_ok() && self.inner.is_dead(holder)
    }

    fn mended(&self) -> Vec<String> {
        self.notices().iter().map(ToString::to_string).collect()
    }

    /// The journal is as long as the board's settings say, and as the snapshot that it continues.
    fn compaction_is_due(&self) -> bool {
        self.inner.compaction_is_due()
    }

    /// Begins a new generation that starts from the board as it is, so that its journal is short again.
    fn compact(&self, deadline: Deadline) -> Result<Compaction, SwitchError> {
        self.inner.compact(deadline).map(|()| Compaction::Done)
    }

    fn compact_if_due(&self, deadline: Deadline) -> Result<bool, SwitchError> {
        self.inner.compact_if_due(deadline)
    }

    /// As every switch does too; the pieces are retired journals.
    fn trim_history(&self) -> Result<u64, BeginError> {
        self.inner.trim_history()
    }

    fn share_files(&self, directory: &str) -> io::Result<()> {
        self.inner.share(directory, &self.id().map_err(io::Error::other)?)
    }

    fn figures(&self) -> Result<Measured, ReadError> {
        self.inner.figures()
    }

    fn disk_use(&self) -> Result<DiskUse, ReadError> {
        self.inner.disk_use()
    }

    fn export(
        &self,
        each: &mut dyn FnMut(TransferLine) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        self.inner.export(&*self.contexts(), each)
    }

    fn still(&self, deadline: Deadline) -> Result<Box<dyn Still + '_>, BeginError> {
        Ok(Box::new(self.inner.still(deadline)?))
    }

    fn doctor(&self) -> Report {
        self.inner.doctor()
    }

    fn hold_task(
        &self,
        id: &TaskId,
        who: Option<&str>,
        deadline: Deadline,
    ) -> Result<Box<dyn HandLock>, BeginError> {
        Ok(Box::new(self.inner.hold(Lockable::Task(id.clone()), who, deadline)?))
    }

    fn hold_board(
        &self,
        who: Option<&str>,
        deadline: Deadline,
    ) -> Result<Box<dyn HandLock>, BeginError> {
        Ok(Box::new(self.inner.hold(Lockable::Board, who, deadline)?))
    }
}
