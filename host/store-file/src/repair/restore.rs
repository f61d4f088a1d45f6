//! Making out what a board holds, from what can be read of it. Changes nothing.
//!
//! In this order: snapshot and journal, if both are whole; the same up to the damage, if it is the journal's; every
//! entry since the first one, if the history has them all; or else what can be read (`salvage`). Entries after a
//! damaged one are never applied: what they were decided on is gone.

use std::cell::RefCell;

use taskhost_board::image;
use taskhost_board::memory::MemoryMap;
use taskhost_board::{ReadError, Sequence};

use super::Losses;
use super::survey::Highest;
use crate::disk::{How, has_file};
use crate::format::line::{self, Line};
use crate::format::snapshot::{self, Header, Past};
use crate::format::{BoardFile, Checksum, names};
use crate::journal::{Lines, Tail, judge, replay};
use crate::mend::beginning;
use crate::state::{Inner, failed};

/// How the board was made out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Snapshot and journal are as they should be; what a crash may leave is mended when the board is opened.
    Whole,
    /// The journal is damaged.
    Cut,
    /// The snapshot is, and the history has everything.
    Replayed,
    /// The snapshot is, and this is what was left.
    Salvaged,
}

/// What the board holds.
pub(super) struct Restored {
    pub(super) map: MemoryMap,
    /// The snapshot's, or one in its place.
    pub(super) header: Header,
    pub(super) way: Way,
    pub(super) lost: Losses,
}

impl Restored {
    /// Whether every entry that was ever written is there, whatever else is lost: then every number that was given is
    /// known.
    pub(super) fn has_every_entry(&self) -> bool {
        let beside = Losses { notes: Vec::new(), ..self.lost.clone() };
        self.lost.is_nothing() || (self.way == Way::Replayed && beside.is_nothing())
    }
}

impl Inner {
    /// Makes out what `file`'s generation holds.
    pub(super) fn restore(
        &self,
        file: &BoardFile,
        highest: &Highest,
    ) -> Result<Restored, ReadError> {
        match self.load_whole(file) {
            Ok((map, header, sum)) => {
                let seed = Checksum::seed(&file.board, file.generation, sum);
                self.restore_journal(file, map, header, seed, highest)
            }
            Err(ReadError::Failed(why)) if !self.is_missing(file)? => Err(ReadError::Failed(why)),
            Err(_) => {
                let mut lost = Losses::default();
                let header = self.header_in_place(file, &mut lost)?;
                match self.replay_all(file, &header, highest, &lost)? {
                    Some(restored) => Ok(restored),
                    None => self.salvage(file, header, highest, lost),
                }
            }
        }
    }

    pub(super) fn is_missing(&self, file: &BoardFile) -> Result<bool, ReadError> {
        let name = names::tasks(file.generation);
        Ok(!has_file(&*self.disk, &name).map_err(failed(&name))?)
    }

    fn load_whole(&self, file: &BoardFile) -> Result<(MemoryMap, Header, Checksum), ReadError> {
        let name = names::tasks(file.generation);
        let tasks = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let map = RefCell::new(MemoryMap::default());
        let (header, sum) = snapshot::read(
            &*tasks,
            &name,
            |header| {
                snapshot::expect(header, &name, &file.board, file.generation)?;
                self.start(&mut map.borrow_mut(), header)
            },
            |record| image::load(&mut *map.borrow_mut(), &record),
        )?;
        Ok((map.into_inner(), header, sum))
    }

    pub(super) fn start(&self, map: &mut MemoryMap, header: &Header) -> Result<(), ReadError> {
        let boot = self.platform.now().boot;
        image::start(map, &boot, &header.head(), &header.policies, &header.settings)
    }

    /// The journal after a snapshot that is whole.
    fn restore_journal(
        &self,
        file: &BoardFile,
        mut map: MemoryMap,
        header: Header,
        seed: Checksum,
        highest: &Highest,
    ) -> Result<Restored, ReadError> {
        let mut lost = Losses::default();
        let from = beginning(header.base, seed);
        self.apply_journal(file, from, &header.past, highest, &mut lost, &mut |line| {
            image::apply(&mut map, line.place.sequence, &line.entry)
        })?;
        let way = if lost.is_nothing() { Way::Whole } else { Way::Cut };
        Ok(Restored { map, header, way, lost })
    }

    /// Hands over the lines of the current journal after `from`, up to its end or the damage.
    fn apply_journal(
        &self,
        file: &BoardFile,
        from: Tail,
        past: &[Past],
        highest: &Highest,
        lost: &mut Losses,
        each: &mut dyn FnMut(Line) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let name = names::journal(file.generation);
        let until = |first: Sequence| (first, Sequence(highest.sequence.max(first.0)));
        if !has_file(&*self.disk, &name).map_err(failed(&name))? {
            let why =
                format!("`{name}` is missing, with every change after entry {}", from.sequence);
            lost.notes.push(why);
            lost.entries = Some(until(from.sequence.next()));
            return Ok(());
        }
        let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let mut reached = from;
        let replayed = replay(&*journal, &name, file.generation, from, |line, tail| {
            each(line)?;
            reached = tail;
            Ok(())
        });
        let (tail, end) = match replayed {
            // It can be read, and says what can't have happened.
            Err(ReadError::Damaged(_)) => {
                lost.entries = Some(until(reached.sequence.next()));
                return self.count_rest(&name, reached.offset, lost);
            }
            replayed => replayed?,
        };
        let known = highest.durable.max(self.copied_through(past, tail, &end)?);
        match judge(&*journal, &name, file.generation, tail, &end, known) {
            Ok(()) => Ok(()),
            Err(ReadError::Damaged(_)) => {
                lost.entries = Some(until(tail.sequence.next()));
                self.count_rest(&name, tail.offset, lost)
            }
            Err(error) => Err(error),
        }
    }

    /// Counts what stands after the place where a journal can't go on.
    pub(super) fn count_rest(
        &self,
        name: &str,
        offset: u64,
        lost: &mut Losses,
    ) -> Result<(), ReadError> {
        let journal = self.disk.open(name, How::Read).map_err(failed(name))?;
        let mut lines = Lines::new(&*journal, name, offset);
        while let Some(raw) = lines.next_line()? {
            match line::decode(&raw.bytes) {
                Ok(line) => {
                    lost.readable += 1;
                    lost.tasks.extend(line.entry.changes.iter().filter_map(|c| c.task().cloned()));
                }
                Err(_) => lost.unreadable += 1,
            }
        }
        Ok(())
    }

    /// Every entry since the first one, if the history has them all: generation 1 begins empty.
    fn replay_all(
        &self,
        file: &BoardFile,
        header: &Header,
        highest: &Highest,
        lost: &Losses,
    ) -> Result<Option<Restored>, ReadError> {
        let (mut map, mut lost) = (MemoryMap::default(), lost.clone());
        let token = taskhost_board::Token(0);
        let empty = Header { base: Sequence(0), token, born: 0, ..header.clone() };
        self.start(&mut map, &empty)?;
        let mut last = Sequence(0);
        for name in self.retired_journals(file.generation)? {
            let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
            let mut lines = Lines::new(&*journal, &name, 0);
            while let Some(raw) = lines.next_line()? {
                // What can't be read may stand in the next journal as well.
                let Ok(line) = line::decode(&raw.bytes) else { break };
                if line.place.sequence == last.next() {
                    image::apply(&mut map, line.place.sequence, &line.entry)?;
                    last = line.place.sequence;
                }
            }
        }
        if last < header.base {
            return Ok(None);
        }
        // The current journal begins after the snapshot, perhaps with what the one before it has too. What ties it
        // to the snapshot is gone with that.
        let first = self.first_of_journal(file)?;
        let seed = first.map_or_else(Checksum::default, |line| line.place.prev);
        let from = beginning(header.base, seed);
        self.apply_journal(file, from, &header.past, highest, &mut lost, &mut |line| {
            if line.place.sequence == last.next() {
                image::apply(&mut map, line.place.sequence, &line.entry)?;
                last = line.place.sequence;
            }
            Ok(())
        })?;
        Ok(Some(Restored { map, header: header.clone(), way: Way::Replayed, lost }))
    }

    /// The first line of the current journal, if it can be read.
    pub(super) fn first_of_journal(&self, file: &BoardFile) -> Result<Option<Line>, ReadError> {
        let name = names::journal(file.generation);
        if !has_file(&*self.disk, &name).map_err(failed(&name))? {
            return Ok(None);
        }
        let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let first = Lines::new(&*journal, &name, 0).next_line()?;
        Ok(first.and_then(|raw| line::decode(&raw.bytes).ok()))
    }
}
