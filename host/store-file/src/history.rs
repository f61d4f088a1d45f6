//! Everything that ever happened on a board: the retired journals, then the current one.
//!
//! A switch copies the lines that came while it was preparing into the next journal, so a line may stand in two
//! journals. Each journal therefore counts up to where the next one begins.
//!
//! Each line must continue the one before it, and each retired journal is checked against what the current snapshot's
//! header says of it (`past`).
//!
//! How far back it goes is up to the board's settings (`retain`): it begins with the oldest journal that is there.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use taskhost_board::{Entry, Generation, ReadError, Sequence};

use crate::disk::{DiskFile, How};
use crate::format::Checksum;
use crate::format::line::{self, Line};
use crate::format::names;
use crate::format::snapshot::damaged;
use crate::index::Meta;
use crate::journal::Lines;
use crate::past::Tie;
use crate::state::{Current, Inner, failed};

/// How often the journals are looked for.
const LOOKS_MAX: u32 = 10;

/// A journal to be read.
struct Volume {
    generation: Generation,
    name: String,
    file: Arc<dyn DiskFile>,
    /// The first sequence of the journals after it.
    end: Option<Sequence>,
    /// Whether it is being written, so that not all of it is durable.
    is_current: bool,
}

impl Inner {
    /// Hands over every durable entry after `past`, oldest first, until `each` says `false`.
    pub(crate) fn history(
        &self,
        past: Sequence,
        each: &mut dyn FnMut(Sequence, Entry) -> bool,
    ) -> Result<(), ReadError> {
        let (current, reading, meta) = self.snapshot(self.wait_max())?;
        drop(reading);
        let mut each = |line: Line| each(line.place.sequence, line.entry);
        self.history_at(&current, &meta, past, &mut each)
    }

    /// The same up to the instant that `meta` is of, as whole lines.
    pub(crate) fn history_at(
        &self,
        current: &Current,
        meta: &Meta,
        past: Sequence,
        each: &mut dyn FnMut(Line) -> bool,
    ) -> Result<(), ReadError> {
        let past_ends = self.past(current)?;
        for volume in self.all_volumes(current.generation, &current.journal)? {
            if volume.end.is_some_and(|end| end <= past.next()) {
                continue;
            }
            let mut lines = Lines::new(&*volume.file, &volume.name, 0);
            let mut tie = Tie::new(&past_ends, volume.generation);
            let mut number = 0;
            let mut before: Option<(Sequence, Checksum)> = None;
            loop {
                let at = lines.offset();
                let here = |why: String| damaged(&volume.name, number + 1, at, &why);
                let Some(raw) = lines.next_line()? else {
                    tie.end().map_err(here)?;
                    break;
                };
                // Beyond this, nothing is known to be durable.
                if volume.is_current && raw.offset >= meta.offset {
                    break;
                }
                let line = line::decode(&raw.bytes).map_err(here)?;
                if let Some((sequence, sum)) = before
                    && (line.place.sequence != sequence.next() || line.place.prev != sum)
                {
                    return Err(here("the line doesn't continue the one before it".into()));
                }
                before = Some((line.place.sequence, line.sum));
                tie.take(&line).map_err(here)?;
                number += 1;
                let sequence = line.place.sequence;
                if volume.end.is_some_and(|end| sequence >= end) {
                    break;
                }
                if sequence > past && !each(line) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The journals of the board, oldest first. One that is being retired just now has two names, one after the
    /// other, and may be found under neither; then they are looked for again.
    fn all_volumes(
        &self,
        generation: Generation,
        journal: &Arc<dyn DiskFile>,
    ) -> Result<Vec<Volume>, ReadError> {
        for _ in 1..LOOKS_MAX {
            if let Some(volumes) = self.volumes(generation, journal)? {
                return Ok(volumes);
            }
        }
        let why = "a journal is listed and can't be found, again and again";
        self.volumes(generation, journal)?.ok_or_else(|| ReadError::Failed(why.into()))
    }

    fn volumes(
        &self,
        generation: Generation,
        journal: &Arc<dyn DiskFile>,
    ) -> Result<Option<Vec<Volume>>, ReadError> {
        let mut old: BTreeMap<Generation, String> = BTreeMap::new();
        // One that could not be moved yet still stands at the top; one that is in the history is better.
        for (directory, prefix) in
            [(".", String::new()), (names::HISTORY, format!("{}/", names::HISTORY))]
        {
            for name in self.list_if_there(directory)? {
                if let Some(of) = names::generation_in(&name, "journal-", ".jsonl")
                    && of < generation
                {
                    old.insert(of, format!("{prefix}{name}"));
                }
            }
        }
        let mut volumes = Vec::new();
        for (of, name) in old {
            self.expect_regular(&name)?;
            let file = match self.disk.open(&name, How::Read) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened.map_err(failed(&name))?,
            };
            volumes.push(Volume { generation: of, name, file, end: None, is_current: false });
        }
        let (name, file) = (names::journal(generation), journal.clone());
        volumes.push(Volume { generation, name, file, end: None, is_current: true });
        let mut end = None;
        for volume in volumes.iter_mut().rev() {
            volume.end = end;
            if let Some(first) = first_line(volume)? {
                end = Some(first.place.sequence);
            }
        }
        Ok(Some(volumes))
    }

    /// Backups and git leave out a directory that is empty.
    pub(crate) fn list_if_there(&self, directory: &str) -> Result<Vec<String>, ReadError> {
        match self.disk.list(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed.map_err(failed(directory)),
        }
    }
}

fn first_line(volume: &Volume) -> Result<Option<Line>, ReadError> {
    let first = Lines::new(&*volume.file, &volume.name, 0).next_line()?;
    let Some(first) = first else { return Ok(None) };
    match line::decode(&first.bytes) {
        Ok(line) => Ok(Some(line)),
        // The first line of the current journal, being written.
        Err(_) if volume.is_current && !first.ended => Ok(None),
        Err(why) => Err(damaged(&volume.name, 1, 0, &why)),
    }
}
