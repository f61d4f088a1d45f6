//! A change of an index: gathered, given room, and made in one step.

use std::cell::RefCell;
use std::collections::HashSet;

use heed::{RoTxn, RwTxn, WithoutTls};
use taskhost_board::ReadError;
use taskhost_board::image::{self, Direction, Pair, Read, Write};

use super::super::{Settled, Steps, scan_over};
use super::files::is_full;
use super::room::{NoRoom, Room};
use super::{Meter, Opened, WriteTxn, failed, get, scan};

const EIO: i32 = rustix::io::Errno::IO.raw_os_error();

/// A change of the index.
pub(super) struct LmdbWrite<'a> {
    meter: Meter,
    opened: &'a Opened,
    inner: RefCell<Inner<'a>>,
}

struct Inner<'a> {
    /// What was put and taken away since, in the order of the keys.
    steps: Steps,
    stage: Stage<'a>,
    /// How many pages may have been taken in the transaction.
    pages: u64,
}

/// Where the index is shared, what is read must be what is changed: a writer that was killed in the middle of its commit
/// may have finished it for writers and not for readers. Where nobody else sees it, its map may move until something has
/// to be written, so a reader's transaction is used until then.
enum Stage<'a> {
    Reading(RoTxn<'a, WithoutTls>),
    Writing(RwTxn<'a>),
    /// A step failed, and nothing will come of the change.
    Failed,
}

impl Stage<'_> {
    fn txn(&self) -> Result<&RoTxn<'_>, ReadError> {
        match self {
            Self::Reading(txn) => Ok(txn),
            Self::Writing(txn) => Ok(txn),
            Self::Failed => Err(lost()),
        }
    }
}

fn lost() -> ReadError {
    ReadError::Failed("an earlier step of this change of the index failed".into())
}

impl<'a> LmdbWrite<'a> {
    pub(super) fn begin(meter: Meter, opened: &'a Opened) -> Result<Self, ReadError> {
        let is_shared = opened.room.as_ref().is_none_or(Room::is_sealed);
        let stage = if is_shared {
            Stage::Writing(opened.env.write_txn().map_err(failed)?)
        } else {
            Stage::Reading(opened.env.read_txn().map_err(failed)?)
        };
        let inner = RefCell::new(Inner { steps: Steps::new(), stage, pages: 0 });
        Ok(Self { meter, opened, inner })
    }

    /// Puts what was gathered in its place.
    fn flush(&self) -> Result<(), NoRoom> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.steps.is_empty() {
            return Ok(());
        }
        let stage = std::mem::replace(&mut inner.stage, Stage::Failed);
        let pages = self.pages_at_most(&stage, &inner.steps)?;
        let mut txn = match stage {
            Stage::Writing(txn) => {
                self.make_room(inner.pages + pages)?;
                txn
            }
            Stage::Reading(txn) => {
                drop(txn);
                self.make_room(pages)?;
                self.opened.env.write_txn()?
            }
            Stage::Failed => return Err(lost().into()),
        };
        inner.pages += pages;
        let map = &self.opened.map;
        for (key, step) in &inner.steps {
            match step {
                Some(value) => map.put(&mut txn, key, value)?,
                None => drop(map.delete(&mut txn, key)?),
            }
        }
        let written = inner.steps.iter().map(|(key, step)| (&key[..], step.as_deref()));
        self.meter.count_each(map, &txn, written);
        inner.steps.clear();
        inner.stage = Stage::Writing(txn);
        Ok(())
    }

    fn make_room(&self, pages: u64) -> Result<(), NoRoom> {
        match &self.opened.room {
            Some(room) => room.make(&self.opened.env, &self.opened.directory, pages),
            None => Ok(()),
        }
    }

    /// How many pages these steps take at most.
    fn pages_at_most(&self, stage: &Stage<'_>, steps: &Steps) -> Result<u64, ReadError> {
        /// Beyond so many steps it is looked which leaves they touch.
        const FEW: u64 = 128;
        /// LMDB keeps every page at least a quarter full.
        const QUARTER: u64 = 4;
        /// What a record takes on its page besides key and value, and its place in the list of free pages.
        const RECORD_BYTES: u64 = 32;
        if self.opened.room.is_none() {
            return Ok(0);
        }
        let txn = stage.txn()?;
        let map = &self.opened.map;
        let stat = map.stat(txn).map_err(failed)?;
        let (page, depth) = (u64::from(stat.page_size), u64::from(stat.depth) + 1);
        let (mut bytes, mut overflow) = (0, 0);
        for (key, step) in steps {
            let length = step.as_ref().map_or(0, Vec::len) as u64;
            bytes += key.len() as u64 + RECORD_BYTES;
            if length > page / 4 {
                overflow += length.div_ceil(page) + 1;
            }
            bytes += length.min(page / 2);
        }
        let count = steps.len() as u64;
        let all_leaves = stat.leaf_pages as u64;
        let leaves = if count <= FEW { count } else { self.leaves(txn, steps)? }.min(all_leaves);
        let branches = (leaves * depth).min(stat.branch_pages as u64);
        // Each page that is touched is copied, and may be split in two; what is new may take pages of its own.
        let new = bytes * QUARTER / page;
        let touched = 2 * (leaves + branches) + new + new / 8 + 2 * depth;
        // The list of free pages is written anew, in the worst case all of it.
        let last = self.opened.env.info().last_page_number as u64;
        let list = (last + touched + overflow) / (page / 16);
        // Its own tree is small, but all of it may be copied.
        Ok(touched + overflow + list + 12)
    }

    /// How many leaves these steps touch, as the tree is.
    fn leaves(&self, txn: &RoTxn<'_>, steps: &Steps) -> Result<u64, ReadError> {
        let page = self.opened.env.unnamed_database_stat().page_size as usize;
        let mut leaves = HashSet::new();
        for key in steps.keys() {
            let found = self.opened.map.get_greater_than_or_equal_to(txn, key).map_err(failed)?;
            // The next record stands on the same leaf or on the one after it.
            leaves.insert(found.map(|(key, _)| key.as_ptr() as usize / page));
        }
        Ok(2 * leaves.len() as u64)
    }
}

impl Read for LmdbWrite<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let inner = self.inner.borrow();
        match inner.steps.get(key) {
            Some(step) => Ok(step.clone()),
            None => get(&self.meter, &self.opened.map, inner.stage.txn()?, key),
        }
    }

    fn scan(
        &self,
        prefix: &[u8],
        start: image::Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, ReadError> {
        let inner = self.inner.borrow();
        let (map, txn) = (&self.opened.map, inner.stage.txn()?);
        let under = |start: image::Start<'_>, limit| {
            scan(&self.meter, map, txn, prefix, start, direction, limit)
        };
        scan_over(&inner.steps, under, prefix, start, direction, limit)
    }
}

impl Write for LmdbWrite<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        self.inner.get_mut().steps.insert(key.to_vec(), Some(value.to_vec()));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), ReadError> {
        self.inner.get_mut().steps.insert(key.to_vec(), None);
        Ok(())
    }
}

impl WriteTxn for LmdbWrite<'_> {
    fn take_steps(&mut self, mut steps: Steps) -> Result<(), ReadError> {
        self.inner.get_mut().steps.append(&mut steps);
        Ok(())
    }

    fn settle(&mut self) -> Result<Settled, ReadError> {
        match self.flush() {
            Ok(()) => Ok(Settled::Done),
            Err(NoRoom::Full(needed)) => Ok(Settled::Full { needed }),
            Err(NoRoom::Failed(error)) => Err(error),
        }
    }

    fn commit(self: Box<Self>) -> Result<(), ReadError> {
        self.flush()?;
        let Self { opened, inner, .. } = *self;
        let txn = match inner.into_inner().stage {
            Stage::Writing(txn) => txn,
            Stage::Reading(_) => return Ok(()),
            Stage::Failed => return Err(lost()),
        };
        txn.commit().map_err(|error| match error {
            // Where only a part of a page could be written, LMDB doesn't say why.
            heed::Error::Io(cut)
                if cut.raw_os_error() == Some(EIO) && is_full(&opened.directory) =>
            {
                ReadError::Failed("the index failed: the disk is full".into())
            }
            error => failed(error),
        })?;
        if opened.room.is_none() {
            opened.lengthen();
        }
        Ok(())
    }
}
