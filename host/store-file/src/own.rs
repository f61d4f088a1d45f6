//! An index of one's own, for a process that may not read the shared one.
//!
//! LMDB enters a reader in its table with the number of its process, and whether that one still lives is asked by a lock
//! on the byte of the table's file that has this number. So of two processes with one number, which there are where two
//! containers share a board, each with its own first process, only one can read the index that all share
//! ([`NotOpened::NumberTaken`](crate::index::NotOpened)). The other one fills another index from snapshot and journal,
//! whose directory is removed at once, so that nobody else finds it and nothing is left of it when it is closed. So does a
//! forked child that still has something of its parent's, such as what another thread of the parent was using just then
//! ([`NotOpened::Inherited`](crate::index::NotOpened)): LMDB isn't opened twice in one process.
//!
//! - [`OwnIndex`]: such an index. [`Inner::own_index`] makes one.
//!
//! Everything about an index goes by how far the journal is in it, so an own one is kept up to date as the shared one is:
//! under the lock, whoever finds that the journal is longer applies the rest (`mend`). Each of the two may lack what was
//! written through the other one, however much that is. At the next generation its process tries the shared index again.
//!
//! Whoever has seen an entry must not be followed by somebody who doesn't, though they read two indexes. So nothing is
//! in an own one that the shared words don't count: then those who read the shared one without the lock find that it
//! lacks something. And since a line can be seen in the shared one before it is counted, but not before it is in the
//! journal, those who read an own one go by the journal's length ([`has_all`]).
//!
//! Invariants: it stands for the index that the words lead to, and has that one's epoch, so that its process follows when
//! they lead elsewhere; the words never lead to it; one that doesn't fit the journal is made anew by itself, and the
//! shared one isn't touched; nothing is in it that isn't counted, which without the lock could also be cut off again by
//! whoever is just appending it.
//!
//! What it costs: opening such a board takes as long as reading all of it, which others needn't wait for unless the
//! generation changes in the very moment in which the lock is taken. The index takes up its space on the disk once more,
//! where no name shows it, for each handle that has one. And whoever reads what the other side has written, or writes just
//! then, takes the lock to apply it.
//!
//! Other ways were worse: an index for each process namespace lacks as much and is swept up by nobody; reading through a
//! writer's transaction, which needs no entry, takes the lock for as long as anybody looks.

use std::sync::Arc;

use taskhost_board::{BeginError, ReadError, Sequence};

use crate::board_lock::BoardGuard;
use crate::disk::How;
use crate::filler::Filler;
use crate::format::{BoardFile, names};
use crate::index::{Index, Meta, ReadTxn, Reading, WriteTxn};
use crate::journal::replay;
use crate::state::{Current, Found, Inner, failed};

/// An index that nobody else finds.
struct OwnIndex(Box<dyn Index>);

impl Index for OwnIndex {
    fn read(&self) -> Result<Box<dyn ReadTxn>, ReadError> {
        self.0.read()
    }

    fn write(&self) -> Result<Box<dyn WriteTxn + '_>, ReadError> {
        self.0.write()
    }

    fn seal(&self, least: u64) -> Result<(), ReadError> {
        self.0.seal(least)
    }

    fn is_filling_up(&self) -> bool {
        self.0.is_filling_up()
    }

    fn tidy(&self) {
        self.0.tidy();
    }

    fn is_own(&self) -> bool {
        true
    }
}

/// Whether an index that has all that is counted has all that anybody can have seen. In the shared one it is where they
/// have seen it.
pub(crate) fn has_all(current: &Current, meta: &Meta) -> Result<bool, ReadError> {
    if !current.index.is_own() {
        return Ok(true);
    }
    let length = current.journal.len().map_err(failed(current.journal_name()))?;
    Ok(meta.offset >= length)
}

impl Inner {
    /// An index of one's own in place of the shared one with this epoch; `None` if the words lead to another one, or
    /// the generation was replaced while it was made.
    pub(crate) fn own_index(
        &self,
        file: &BoardFile,
        epoch: u64,
    ) -> Result<Option<Found>, ReadError> {
        let Some(words) = self.words(&file.board)? else { return Ok(None) };
        let counted = words.appended_through();
        if words.epoch() != epoch {
            return Ok(None);
        }
        match self.make_own_index(file, counted) {
            Ok((index, meta)) => Ok(Some(Found { index, epoch, meta })),
            // Whoever replaces a generation takes its files away, which looks like damage.
            Err(_) if self.any_board_file()?.generation != file.generation => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes one, with the journal's entries up to `counted`.
    fn make_own_index(
        &self,
        file: &BoardFile,
        counted: Sequence,
    ) -> Result<(Box<dyn Index>, Meta), ReadError> {
        // 1. Make it under a name that a switch sweeps up, should this process die before the name is removed.
        let name = names::index(file.generation, self.disk.random());
        let index = OwnIndex(self.platform.create_index(&name, &self.pages)?);
        // If that fails, it is removed by the next switch.
        let _ = self.platform.remove_index(&name);
        // 2. Fill it. Damage isn't judged here: what is missing is counted, so whoever reads the index finds that it
        //    lacks something, and finds the damage under the lock.
        let name = names::journal(file.generation);
        self.expect_regular(&name)?;
        let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let mut filler = Filler::new(self, &index);
        let (_, start) = self.fill_from_snapshot(file, &mut filler)?;
        let mut reached = start.tail();
        replay(&*journal, &name, file.generation, reached, |line, tail| {
            if tail.sequence > counted {
                return Ok(());
            }
            reached = tail;
            filler.step("applying the journal", |writing| writing.apply_line(&line))
        })?;
        let meta = start.at(reached);
        filler.finish(&meta)?;
        Ok((Box::new(index), meta))
    }

    /// Goes on with another index in place of an own one that can't be brought to the journal's end.
    pub(crate) fn replace_own_index(
        &self,
        guard: &BoardGuard,
    ) -> Result<(Arc<Current>, Reading, Meta), BeginError> {
        *self.current.write() = None;
        let current = self.mended(guard)?;
        if !current.index.is_own() {
            return self.catch_up(guard, current);
        }
        // If it still can't be, that isn't for what was in it.
        let (current, _, meta) = self.read_caught_up(current)?;
        self.apply_rest(guard, &current, &meta)?;
        self.read_caught_up(current)
    }
}
