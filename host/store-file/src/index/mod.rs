//! The index: a board's ordered map, derived from snapshot and journal, never synced.
//!
//! - [`Index`]: a map that can be read at an instant and changed in one step. [`LmdbIndex`] keeps it in LMDB,
//!   `TwinIndex` in memory for simulations; the two are tested against each other.
//! - [`Meta`]: what the map was made from and how far, changed in the same step as the map.
//! - [`Reading`], [`SharedReading`], [`Writing`]: the map as the board's image wants it.

mod lmdb;
mod staged;
#[cfg(any(test, feature = "simulation"))]
mod twin;

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use taskhost_board::image::{self, Direction, Pair, Read, Write};
use taskhost_board::{BootId, Entry, Generation, ReadError, Sequence};

pub(crate) use lmdb::LmdbIndex;
use staged::scan_over;
pub(crate) use staged::{Overlay, Staged, Steps};
#[cfg(any(test, feature = "simulation"))]
pub(crate) use twin::{Gate, NoGate, TwinIndex};

use crate::format::Checksum;
use crate::format::line::Line;
use crate::format::snapshot::Header;
use crate::journal::Tail;

/// Where [`Meta`] stands: right behind the board's head, so that the two are on one page and a commit writes no
/// further page for it. The board never sees it.
const META: &[u8] = b"h\0store";

/// Which tables an index has, and what is in them. An index of another layout is none: it is made anew. A version
/// that keeps fewer tables says nothing of a layout, or of another one, with every change that it makes.
pub(crate) const LAYOUT: u32 = 4;

/// What an index was made from, and how far. Read and written with every transaction, so kept as short as can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) board: String,
    pub(crate) boot: BootId,
    pub(crate) layout: u32,
    pub(crate) generation: Generation,
    /// The checksum of the last line in it, or the chain's seed.
    pub(crate) chain: Checksum,
    /// The last sequence in it.
    pub(crate) applied: Sequence,
    /// Where the journal's next line begins.
    pub(crate) offset: u64,
}

impl Meta {
    pub(crate) fn tail(&self) -> Tail {
        Tail { sequence: self.applied, chain: self.chain, offset: self.offset }
    }

    pub(crate) fn at(&self, tail: Tail) -> Self {
        Self { chain: tail.chain, applied: tail.sequence, offset: tail.offset, ..self.clone() }
    }
}

/// A map at one instant.
pub(crate) trait ReadTxn: Read + Send {}

/// A map that is being changed; nothing happens unless it is committed.
pub(crate) trait WriteTxn: Write {
    /// Makes these changes.
    fn take_steps(&mut self, steps: Steps) -> Result<(), ReadError> {
        for (key, step) in steps {
            match step {
                Some(value) => self.put(&key, &value)?,
                None => self.delete(&key)?,
            }
        }
        Ok(())
    }
    /// Puts everything that was changed so far in its place, so that it shows whether there is room for it.
    fn settle(&mut self) -> Result<Settled, ReadError> {
        Ok(Settled::Done)
    }
    /// Changes the map in one step. In memory only: nothing is synced.
    fn commit(self: Box<Self>) -> Result<(), ReadError>;
}

/// Whether there is room for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// There is.
    Done,
    /// The index can't take it, and has to be made anew with room for so many bytes.
    Full {
        /// What it would have to have room for.
        needed: u64,
    },
}

/// Why an index that may be a good one could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpened {
    /// Another process that uses it has the number of this one, in a namespace of its own.
    #[error(
        "the index is used by another process with the number {} of this one, as in another container; try again when \
         that one has ended, or let the two containers share their process namespace",
        std::process::id()
    )]
    NumberTaken,
    /// This process was forked from one that has it open, and what that one had is still in use here, or was when it
    /// forked.
    #[error("the index was opened before this process was forked")]
    Inherited,
    #[error(transparent)]
    Failed(#[from] ReadError),
}

/// A board's map.
pub(crate) trait Index: Send + Sync {
    /// The map as it is.
    fn read(&self) -> Result<Box<dyn ReadTxn>, ReadError>;
    /// Begins a change. Only under the board's lock, or while nobody else sees the index.
    fn write(&self) -> Result<Box<dyn WriteTxn + '_>, ReadError>;
    /// Makes it ready to be seen by others, with room for `least` bytes at least. Only while nobody sees it, and nobody
    /// reads it.
    fn seal(&self, _least: u64) -> Result<(), ReadError> {
        Ok(())
    }
    /// Whether it has so little room left that it had better be replaced.
    fn is_filling_up(&self) -> bool {
        false
    }
    /// Frees what dead processes left behind in it.
    fn tidy(&self) {}
    /// Whether it is this handle's own, which nobody else finds.
    fn is_own(&self) -> bool {
        false
    }
}

/// A map at one instant, as a view holds it.
pub(crate) struct Reading(pub(crate) Box<dyn ReadTxn>);

impl Read for Reading {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.0.get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        start: image::Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, ReadError> {
        scan_without_meta(&*self.0, prefix, start, direction, limit)
    }
}

/// A scan over everything must not show what isn't the board's.
fn scan_without_meta(
    map: &(impl Read + ?Sized),
    prefix: &[u8],
    start: image::Start<'_>,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Pair>, ReadError> {
    if !META.starts_with(prefix) {
        return map.scan(prefix, start, direction, limit);
    }
    let mut pairs = map.scan(prefix, start, direction, limit.saturating_add(1))?;
    pairs.retain(|(key, _)| key != META);
    pairs.truncate(limit);
    Ok(pairs)
}

/// A map at one instant, for several views.
#[derive(Clone)]
pub(crate) struct SharedReading(Arc<Mutex<Reading>>);

impl SharedReading {
    pub(crate) fn new(reading: Reading) -> Self {
        Self(Arc::new(Mutex::new(reading)))
    }
}

impl Read for SharedReading {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.0.lock().get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        start: image::Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, ReadError> {
        self.0.lock().scan(prefix, start, direction, limit)
    }
}

/// A map that is being changed, as the board's image changes it.
pub(crate) struct Writing<'a>(Box<dyn WriteTxn + 'a>);

impl Writing<'_> {
    pub(crate) fn settle(&mut self) -> Result<Settled, ReadError> {
        self.0.settle()
    }

    pub(crate) fn commit(self) -> Result<(), ReadError> {
        self.0.commit()
    }

    pub(crate) fn put_meta(&mut self, meta: &Meta) -> Result<(), ReadError> {
        let value = rmp_serde::to_vec(meta).map_err(|e| ReadError::Failed(e.to_string()))?;
        self.0.put(META, &value)
    }

    /// Makes these changes.
    pub(crate) fn take_steps(&mut self, steps: Steps) -> Result<(), ReadError> {
        self.0.take_steps(steps)
    }

    /// Begins an empty board.
    pub(crate) fn start(&mut self, header: &Header, boot: &BootId) -> Result<(), ReadError> {
        image::start(self, boot, &header.head(), &header.policies, &header.settings)
    }

    /// Applies an entry that continues the map.
    pub(crate) fn apply(&mut self, sequence: Sequence, entry: &Entry) -> Result<(), ReadError> {
        image::apply(self, sequence, entry)
    }

    /// Applies a line of the journal.
    pub(crate) fn apply_line(&mut self, line: &Line) -> Result<(), ReadError> {
        self.apply(line.place.sequence, &line.entry)
    }
}

impl Read for Writing<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.0.get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        start: image::Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, ReadError> {
        scan_without_meta(&*self.0, prefix, start, direction, limit)
    }
}

impl Write for Writing<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        self.0.put(key, value)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), ReadError> {
        self.0.delete(key)
    }
}

/// Begins a change of an index.
pub(crate) fn write(index: &dyn Index) -> Result<Writing<'_>, ReadError> {
    Ok(Writing(index.write()?))
}

/// Reads an index.
pub(crate) fn read(index: &dyn Index) -> Result<Reading, ReadError> {
    Ok(Reading(index.read()?))
}

/// What an index was made from; `None` if it doesn't say, or is of another layout.
pub(crate) fn meta(map: &impl Read) -> Result<Option<Meta>, ReadError> {
    let value = map.get(META)?;
    let meta: Option<Meta> = value.and_then(|value| rmp_serde::from_slice(&value).ok());
    Ok(meta.filter(|meta| meta.layout == LAYOUT))
}
