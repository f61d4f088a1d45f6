//! Filling an index that nobody sees yet, whole boards at a time, in steps of bounded size.

use std::sync::atomic::Ordering::Relaxed;

use taskhost_board::ReadError;

use crate::index::{self, Index, Meta, Writing};
use crate::state::Inner;

/// How many records go into one step of an index that nobody sees yet.
const BATCH: u64 = 4096;

/// Fills an index that nobody sees yet, in steps of bounded size.
pub(crate) struct Filler<'a> {
    inner: &'a Inner,
    index: &'a dyn Index,
    writing: Option<Writing<'a>>,
    done: u64,
}

impl<'a> Filler<'a> {
    pub(crate) fn new(inner: &'a Inner, index: &'a dyn Index) -> Self {
        Self { inner, index, writing: None, done: 0 }
    }

    pub(crate) fn step(
        &mut self,
        doing: &'static str,
        change: impl FnOnce(&mut Writing<'a>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let writing = match &mut self.writing {
            Some(writing) => writing,
            None => self.writing.insert(index::write(self.index)?),
        };
        change(writing)?;
        self.done += 1;
        if self.done.is_multiple_of(BATCH) {
            self.inner.options.report(doing, self.done);
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ReadError> {
        self.writing.take().map_or(Ok(()), Writing::commit)
    }

    pub(crate) fn finish(mut self, meta: &Meta) -> Result<(), ReadError> {
        self.step("finishing the index", |writing| writing.put_meta(meta))?;
        self.flush()?;
        self.index.seal(self.inner.index_room.load(Relaxed))
    }
}
