//! Whether the journal that a handle has open still is the file of its name.
//!
//! Somebody may put another file in its place while handles have it open: a program that edits by a rename (`sed -i`),
//! `rsync`, a copy that is restored. What is appended to the old file from then on stands where nobody finds it, and a
//! sync of the old one says nothing about the new one.
//!
//! Invariants: nothing is appended to a journal that doesn't have its name; and where one has lost it otherwise than by a
//! switch, which gives it another one in the history, no sync of it makes anything durable.

use std::io;

use taskhost_board::ReadError;

use crate::options::PlantedBug;
use crate::state::{Current, Inner, failed};

impl Inner {
    /// Whether the journal has its name, for one who holds the lock. One that doesn't is let go of, so that what has the
    /// name now is opened next.
    pub(crate) fn is_named(&self, current: &Current) -> Result<bool, ReadError> {
        if self.options.has(PlantedBug::GenerationNotRechecked) {
            return Ok(true);
        }
        let name = current.journal_name();
        let is_named = self.is_at(current, name).map_err(failed(name))? == Some(true);
        if !is_named {
            self.let_go(current)?;
        }
        Ok(is_named)
    }

    /// Refuses to append to a journal that doesn't have its name.
    pub(crate) fn expect_named(&self, current: &Current) -> Result<(), ReadError> {
        if self.is_named(current)? {
            return Ok(());
        }
        Err(ReadError::Failed(format!(
            "`{}` was removed or replaced during the transaction, so nothing was written; try again: what has that name \
             then is opened",
            current.journal_name()
        )))
    }

    /// Whether what was appended to the journal, and synced, is found by those who open the board: in the journal, or in
    /// the history, if it was retired since.
    pub(crate) fn expect_found(&self, current: &Current) -> Result<(), ReadError> {
        if self.options.has(PlantedBug::GenerationNotRechecked) {
            return Ok(());
        }
        let (name, retired) = (current.journal_name(), current.retired_name());
        let is_found = self.is_at(current, name).map_err(failed(name))? == Some(true)
            || match self.is_at(current, retired).map_err(failed(retired))? {
                Some(is_retired) => is_retired,
                // It may have been removed from the history already.
                None => current.words.generation() != current.generation,
            };
        if is_found {
            return Ok(());
        }
        self.let_go(current)?;
        Err(ReadError::Failed(format!(
            "`{name}` was removed or replaced just after it was written to, so it isn't known whether that counts; look \
             at the board before you try again"
        )))
    }

    /// Whether the journal is the file at `path`; `None` if there is none.
    fn is_at(&self, current: &Current, path: &str) -> io::Result<Option<bool>> {
        match self.disk.identity(path) {
            Ok(named) => Ok(Some(named == current.journal_file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn let_go(&self, current: &Current) -> Result<(), ReadError> {
        let mut open = self.current.write();
        // Another thread may have opened what is there now.
        if open.as_ref().is_some_and(|open| open.journal_file == current.journal_file) {
            *open = None;
        }
        drop(open);
        // Whoever put another file in its place may not have made that durable, and a crash that takes it back must not
        // take along what is appended to it.
        self.disk.sync_dir(".").map_err(failed("."))
    }
}
