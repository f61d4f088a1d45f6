//! What ties the history to its board: each snapshot's header says how the journals before it end ([`Past`]), and is
//! itself tied to the current journal by the snapshot's checksum.
//!
//! - [`Inner::past_of`]: what the next generation's header says. [`Tie`]: checks a journal line by line while it is
//!   read.
//!
//! A journal that the header says nothing of is only checked in itself.

use std::io;

use taskhost_board::{Generation, ReadError, Sequence};

use crate::disk::{How, has_file};
use crate::format::line::{self, Line};
use crate::format::snapshot::{self, Past};
use crate::format::{BoardFile, Checksum, names};
use crate::index::Meta;
use crate::journal::{End, Lines, Tail};
use crate::state::{Current, Inner, failed};

impl Inner {
    /// How the journals end before the generation that follows `file`'s at `meta`. Those that are no longer kept are
    /// left out, so that this doesn't grow for ever.
    pub(crate) fn past_of(&self, file: &BoardFile, meta: &Meta) -> Result<Vec<Past>, ReadError> {
        let mut past = self.read_past(file.generation)?;
        let kept = self.list_if_there(names::HISTORY)?;
        // The newest one may still be on its way into the history.
        past.retain(|past| {
            past.generation.next() == file.generation
                || kept.iter().any(|name| names::retired(past.generation).ends_with(&**name))
        });
        past.push(Past { generation: file.generation, through: meta.applied, sum: meta.chain });
        Ok(past)
    }

    /// The last entry of the journal before the current one, if it has any that the current one must begin with: a
    /// switch copies what came while it was preparing, and is published when that is durable. Only looked for where
    /// the current journal's end, at `tail`, is in doubt.
    pub(crate) fn copied_through(
        &self,
        past: &[Past],
        tail: Tail,
        end: &End,
    ) -> Result<Option<Sequence>, ReadError> {
        let in_doubt = tail.offset == 0 || matches!(end, End::Bad(_));
        let Some(newest) = past.iter().map(|past| past.generation).max().filter(|_| in_doubt)
        else {
            return Ok(None);
        };
        let is_there = |name: &str| has_file(&*self.disk, name).map_err(failed(name));
        let mut name = names::retired(newest);
        if !is_there(&name)? {
            // The switch that retires it may have died before it moved the file.
            name = names::journal(newest);
            if !is_there(&name)? {
                return Ok(None);
            }
        }
        let file = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let (mut lines, mut tie) = (Lines::new(&*file, &name, 0), Tie::new(past, newest));
        let mut last: Option<Sequence> = None;
        while let Some(raw) = lines.next_line()? {
            let Ok(line) = line::decode(&raw.bytes) else { break };
            let follows = last.is_none_or(|last| last.next() == line.place.sequence);
            if !follows || tie.take(&line).is_err() {
                break;
            }
            last = Some(line.place.sequence);
        }
        Ok(last)
    }

    /// What the current generation's header says; nothing if the generation was replaced just now, and with it its
    /// snapshot: then whoever reads next checks the history by the new one.
    pub(crate) fn past(&self, current: &Current) -> Result<Vec<Past>, ReadError> {
        match self.read_past(current.generation) {
            Err(_) if !current.is_current() => Ok(Vec::new()),
            read => read,
        }
    }

    pub(crate) fn read_past(&self, generation: Generation) -> Result<Vec<Past>, ReadError> {
        let name = names::tasks(generation);
        self.expect_regular(&name)?;
        let file = self.disk.open(&name, How::Read).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ReadError::Damaged(format!("`{name}` is missing")),
            _ => failed(&name)(error),
        })?;
        let first = Lines::new(&*file, &name, 0).next_line()?;
        let first = first.ok_or_else(|| snapshot::damaged(&name, 1, 0, "it is empty"))?;
        Ok(snapshot::parse_header(&first.bytes, &name)?.past)
    }
}

/// What must hold of a retired journal's lines.
pub(crate) struct Tie {
    past: Option<Past>,
    last: Option<(Sequence, Checksum)>,
}

impl Tie {
    pub(crate) fn new(past: &[Past], generation: Generation) -> Self {
        let past = past.iter().find(|past| past.generation == generation).cloned();
        Self { past, last: None }
    }

    /// Takes the next line; an error says why it isn't this board's.
    pub(crate) fn take(&mut self, line: &Line) -> Result<(), String> {
        let Some(past) = &self.past else {
            return Ok(());
        };
        let sequence = line.place.sequence;
        if line.place.generation != past.generation {
            return Err(format!("the line belongs to generation {}", line.place.generation));
        }
        if self.last.is_some_and(|(_, sum)| sum != line.place.prev) {
            return Err("the line doesn't continue the one before it".into());
        }
        let ends = match self.last {
            None if sequence == past.through.next() => Some(line.place.prev),
            _ if sequence == past.through => Some(line.sum),
            _ => None,
        };
        if ends.is_some_and(|sum| sum != past.sum) {
            return Err(format!(
                "the journal isn't the one that this board's generation {} was: it ends otherwise",
                past.generation
            ));
        }
        self.last = Some((sequence, line.sum));
        Ok(())
    }

    /// The journal has no more lines.
    pub(crate) fn end(&self) -> Result<(), String> {
        match (&self.past, self.last) {
            (Some(past), Some((last, _))) if last < past.through => Err(format!(
                "the journal ends with entry {last}, and this board's generation {} with {}",
                past.generation, past.through
            )),
            _ => Ok(()),
        }
    }
}
