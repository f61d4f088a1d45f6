//! A board that stands still, so that all of it can be taken elsewhere, and what is said then of where it is.
//!
//! Where a board is stands in `board.json`, and is said by a switch of generations (`switch`): durably, at one instant, and so
//! that every process that has the board open looks again. Versions that don't know of it see a newer format, and leave the
//! board alone.
//!
//! Invariant: whoever has a [`FileStill`] has all locks under which anything changes that is exported, taken in the order in
//! which everybody takes them: that of switches, the board's, those of large values.

use std::io;
use std::sync::Arc;
use std::time::Instant as Deadline;

use taskhost_board::transfer::TransferLine;
use taskhost_board::{BeginError, Elsewhere, ExportError, ReadError, Still, SwitchError};

use crate::board_lock::BoardGuard;
use crate::contexts::{self, FileContexts};
use crate::lock::FileLock;
use crate::state::Inner;
use crate::switch::Purpose;

/// A board that nobody changes until this is dropped.
pub(crate) struct FileStill {
    inner: Arc<Inner>,
    guard: BoardGuard,
    /// Nobody makes another generation.
    _turn: FileLock,
    /// Nobody changes large values.
    _values: Vec<FileLock>,
}

impl Inner {
    /// Waits until nobody changes the board, no longer than until `deadline`, and then keeps everybody from it.
    pub(crate) fn still(self: &Arc<Self>, deadline: Deadline) -> Result<FileStill, BeginError> {
        let deadline = self.upgrade_if_old(deadline)?;
        let no_turn = || ReadError::Failed("somebody else makes the board short just now".into());
        let turn = self.turn(&Purpose::Say(None), deadline)?.ok_or_else(no_turn)?;
        let guard = self.lock(deadline)?;
        // So that whatever is read from here on is read without the lock.
        let current = self.mended(&guard)?;
        self.catch_up(&guard, current)?;
        let values = contexts::lock_all(self, deadline)?;
        Ok(FileStill { inner: self.clone(), guard, _turn: turn, _values: values })
    }
}

impl Still for FileStill {
    fn elsewhere(&self) -> Result<Option<Elsewhere>, ReadError> {
        Ok(self.inner.any_board_file()?.elsewhere)
    }

    fn export(
        &self,
        each: &mut dyn FnMut(TransferLine) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        self.inner.export(&FileContexts { inner: self.inner.clone() }, each)
    }

    fn say(self: Box<Self>, elsewhere: Option<&Elsewhere>) -> Result<(), SwitchError> {
        let Self { inner, guard, _turn, _values } = *self;
        inner.say(guard, elsewhere)
    }
}
