//! Looking at everything that is there, readable or not.
//!
//! - [`Highest`]: the highest numbers that any line mentions, so that none is given again.
//! - [`Inner::likely_pointer`]: what `board.json` must have said.

use taskhost_board::image::Record;
use taskhost_board::{Change, Generation, ReadError, Sequence, Task};

use crate::disk::{How, has_file};
use crate::format::line;
use crate::format::snapshot::{self, parse_header};
use crate::format::{BoardFile, Checksum, names};
use crate::journal::{Lines, replay};
use crate::mend::beginning;
use crate::state::{Inner, failed};

/// The highest numbers that were ever given, as far as anything says.
#[derive(Debug, Clone, Default)]
pub(super) struct Highest {
    pub(super) sequence: u64,
    pub(super) token: u64,
    pub(super) born: u64,
    pub(super) generation: u64,
    /// Up to where everything was durable, as the shared words say.
    pub(super) durable: Option<Sequence>,
}

/// Numbers with more digits than this are no numbers of a board, but what damage has made of them.
const DIGITS_MAX: usize = 12;

impl Highest {
    /// Takes in a line of any file.
    fn line(&mut self, bytes: &[u8]) {
        if let Ok(line) = line::decode(bytes) {
            self.sequence = self.sequence.max(line.place.sequence.0);
            line.entry.changes.iter().for_each(|change| self.change(change));
        } else if let Ok(record) = serde_json::from_slice::<Record>(bytes) {
            self.record(&record);
        } else {
            self.garbled(bytes);
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Added(task) | Change::Archived(task) => self.task(task),
            Change::Claimed { claim, .. } => self.token = self.token.max(claim.token.0),
            _ => {}
        }
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::Task(task) => self.task(task),
            Record::Key { record, .. } => {
                self.token = self.token.max(record.token.unwrap_or_default().0);
            }
            _ => {}
        }
    }

    fn task(&mut self, task: &Task) {
        self.born = self.born.max(task.born);
        let claim = task.claim.as_ref().map(|claim| claim.token);
        let closed = task.closed.as_ref().map(|closed| closed.token);
        for token in [claim, closed].into_iter().flatten() {
            self.token = self.token.max(token.0);
        }
    }

    /// Of a header, or of a line that can't be read, whatever looks like one of the numbers. Too high does no harm.
    fn garbled(&mut self, bytes: &[u8]) {
        for name in ["\"seq\":", "\"base\":", "\"durable_through\":"] {
            self.sequence = self.sequence.max(highest_after(bytes, name));
        }
        self.token = self.token.max(highest_after(bytes, "\"token\":"));
        self.born = self.born.max(highest_after(bytes, "\"born\":"));
    }
}

/// The highest number that follows `name`.
fn highest_after(bytes: &[u8], name: &str) -> u64 {
    let numbers = memchr::memmem::find_iter(bytes, name).filter_map(|at| {
        let rest = &bytes[at + name.len()..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&rest[..digits]).ok()?;
        (digits <= DIGITS_MAX).then(|| number.parse().ok())?
    });
    numbers.max().unwrap_or_default()
}

impl Inner {
    /// Looks at every line of every snapshot and journal, and of what was set aside.
    pub(super) fn survey(&self) -> Result<Highest, ReadError> {
        let mut highest = Highest::default();
        let mut done = 0;
        for (directory, prefix) in [(".", ""), (names::HISTORY, "history/")] {
            for name in self.regular_files(directory)? {
                let of = names::generation_in(&name, "journal-", ".jsonl")
                    .or_else(|| names::generation_in(&name, "tasks-", ".jsonl"));
                if let Some(of) = of {
                    highest.generation = highest.generation.max(of.0);
                } else if prefix.is_empty() {
                    continue;
                }
                let path = format!("{prefix}{name}");
                let file = self.disk.open(&path, How::Read).map_err(failed(&path))?;
                let mut lines = Lines::new(&*file, &path, 0);
                while let Some(raw) = lines.next_line()? {
                    highest.line(&raw.bytes);
                    done += 1;
                    if done % 4096 == 0 {
                        self.options.report("looking at every line", done);
                    }
                }
            }
        }
        Ok(highest)
    }

    /// The generation that goes furthest of those whose snapshot and journal fit together, or else the newest one
    /// that has a snapshot's header; `None` also if they are of different boards.
    pub(super) fn likely_pointer(&self) -> Result<Option<BoardFile>, ReadError> {
        let mut fitting: Vec<(Sequence, BoardFile)> = Vec::new();
        let mut others: Vec<BoardFile> = Vec::new();
        for name in self.regular_files(".")? {
            let Some(generation) = names::generation_in(&name, "tasks-", ".jsonl") else {
                continue;
            };
            let file = self.disk.open(&name, How::Read).map_err(failed(&name))?;
            let first = Lines::new(&*file, &name, 0).next_line()?;
            let header = first.and_then(|first| parse_header(&first.bytes, &name).ok());
            let Some(header) = header.filter(|header| header.generation == generation) else {
                continue;
            };
            let (format, board) = (header.format, header.board);
            let file = BoardFile { format, board, generation, elsewhere: None }
                .with_elsewhere(header.elsewhere);
            match self.reach(&file)? {
                Some(through) => fitting.push((through, file)),
                None => others.push(file),
            }
        }
        let all = fitting.iter().map(|(_, file)| file).chain(&others);
        let boards: std::collections::BTreeSet<&String> = all.map(|file| &file.board).collect();
        if boards.len() != 1 {
            return Ok(None);
        }
        let best = fitting.into_iter().max_by_key(|(through, file)| (*through, file.generation));
        let newest = others.into_iter().max_by_key(|file| file.generation);
        Ok(best.map(|(_, file)| file).or(newest))
    }

    /// How far a generation goes, if its journal continues its snapshot.
    fn reach(&self, file: &BoardFile) -> Result<Option<Sequence>, ReadError> {
        let Ok((header, sum)) = self.check_snapshot(file.generation) else { return Ok(None) };
        let name = names::journal(file.generation);
        if !has_file(&*self.disk, &name).map_err(failed(&name))? {
            return Ok(None);
        }
        let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let seed = Checksum::seed(&file.board, file.generation, sum);
        let from = beginning(header.base, seed);
        let (tail, _) = replay(&*journal, &name, file.generation, from, |_, _| Ok(()))?;
        let is_empty = journal.len().map_err(failed(&name))? == 0;
        Ok((is_empty || tail != from).then_some(tail.sequence))
    }

    fn check_snapshot(
        &self,
        generation: Generation,
    ) -> Result<(snapshot::Header, Checksum), ReadError> {
        let name = names::tasks(generation);
        let file = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        snapshot::read(&*file, &name, |_| Ok(()), |_| Ok(()))
    }
}
