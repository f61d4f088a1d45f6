//! Reading a journal: line by line, each verified, until its end or a line that can't be what was written.
//!
//! - [`Lines`] cuts a file into lines. [`replay`] verifies them and says where and how they [`End`].
//! - [`judge`] tells a torn end, which a crash may leave, from damage, which it may not.
//!
//! Invariant: a bad line ends the journal only if nothing says that it was durable. What says so: a later line
//! of the same generation that verifies and whose `durable_through` reaches it, or the shared words of this
//! boot. Nor is it an end if the very line that should be there follows later: something was put before it. When the very last batch was synced, no line was written after it and the machine was then restarted,
//! a flipped bit in it can't be told from a torn end: the bytes are set aside and reported.

use taskhost_board::{Generation, ReadError, Sequence};

use crate::disk::DiskFile;
use crate::format::Checksum;
use crate::format::line::{self, Line};
use crate::format::snapshot::damaged;

/// One line of a file.
pub(crate) struct RawLine {
    /// Its bytes, without its end.
    pub(crate) bytes: Vec<u8>,
    /// Where it begins.
    pub(crate) offset: u64,
    /// Whether it has an end; only a file's last one may lack it.
    pub(crate) ended: bool,
}

const CHUNK_BYTES: usize = 1 << 18;

/// The lines of a file from an offset on.
pub(crate) struct Lines<'a> {
    file: &'a dyn DiskFile,
    name: &'a str,
    /// Read and not handed over yet; begins at `offset`.
    buffer: Vec<u8>,
    /// How much of `buffer` was handed over.
    used: usize,
    offset: u64,
    at_end: bool,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, name: &'a str, offset: u64) -> Self {
        Self { file, name, buffer: Vec::new(), used: 0, offset, at_end: false }
    }

    /// Where the next line begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset + self.used as u64
    }

    pub(crate) fn next_line(&mut self) -> Result<Option<RawLine>, ReadError> {
        let mut searched = self.used;
        loop {
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[searched..]) {
                let end = searched + length;
                let line = RawLine {
                    bytes: self.buffer[self.used..end].to_vec(),
                    offset: self.offset(),
                    ended: true,
                };
                self.used = end + 1;
                return Ok(Some(line));
            }
            searched = self.buffer.len();
            if self.at_end {
                if self.used == self.buffer.len() {
                    return Ok(None);
                }
                let line = RawLine {
                    bytes: self.buffer[self.used..].to_vec(),
                    offset: self.offset(),
                    ended: false,
                };
                self.used = self.buffer.len();
                return Ok(Some(line));
            }
            searched -= self.used;
            self.offset = self.offset();
            self.buffer.drain(..self.used);
            self.used = 0;
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        let start = self.buffer.len();
        self.buffer.resize(start + CHUNK_BYTES, 0);
        let read = self
            .file
            .read_at(&mut self.buffer[start..], self.offset + start as u64)
            .map_err(|e| ReadError::Failed(format!("`{}` could not be read: {e}", self.name)))?;
        self.buffer.truncate(start + read);
        self.at_end = read == 0;
        Ok(())
    }
}

/// A place between two lines: what was read up to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The last sequence before it.
    pub(crate) sequence: Sequence,
    /// The checksum of the line before it, or the chain's seed.
    pub(crate) chain: Checksum,
    /// The offset in bytes.
    pub(crate) offset: u64,
}

/// How a journal ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// After a whole line.
    Clean,
    /// At a line that isn't what was written.
    Bad(String),
}

/// Hands over every line after `from` that verifies and continues the chain; returns the place after the last
/// one, and what comes there.
pub(crate) fn replay(
    file: &dyn DiskFile,
    name: &str,
    generation: Generation,
    from: Tail,
    mut each: impl FnMut(Line, Tail) -> Result<(), ReadError>,
) -> Result<(Tail, End), ReadError> {
    let mut tail = from;
    let mut lines = Lines::new(file, name, from.offset);
    while let Some(raw) = lines.next_line()? {
        let line = match continues(&raw, generation, tail) {
            Ok(line) => line,
            Err(why) => return Ok((tail, End::Bad(why))),
        };
        tail = Tail { sequence: line.place.sequence, chain: line.sum, offset: lines.offset() };
        each(line, tail)?;
    }
    Ok((tail, End::Clean))
}

fn continues(raw: &RawLine, generation: Generation, tail: Tail) -> Result<Line, String> {
    if !raw.ended {
        return Err("the line is cut off".into());
    }
    let line = line::decode(&raw.bytes)?;
    if line.place.generation != generation {
        return Err(format!("the line belongs to generation {}", line.place.generation));
    }
    if line.place.sequence != tail.sequence.next() {
        let expected = tail.sequence.next();
        return Err(format!(
            "the line has number {} where {expected} must follow",
            line.place.sequence
        ));
    }
    if line.place.prev != tail.chain {
        return Err("the line doesn't continue the one before it".into());
    }
    Ok(line)
}

const OLDER_COPY: &str = "; if you put an older copy here yourself, remove its `index` directory, which belongs to \
    the newer one";

/// Decides whether what follows `tail` may be dropped as a torn end. `known_durable` is what the shared words of
/// this boot say, if there are any.
pub(crate) fn judge(
    file: &dyn DiskFile,
    name: &str,
    generation: Generation,
    tail: Tail,
    end: &End,
    known_durable: Option<Sequence>,
) -> Result<(), ReadError> {
    let lost = tail.sequence.next();
    let place = |why: String| -> Result<(), ReadError> {
        Err(damaged(name, line_number(file, name, tail.offset)?, tail.offset, &why))
    };
    let why = match end {
        End::Clean => "the journal ends here".to_owned(),
        End::Bad(why) => why.clone(),
    };
    // What a backup leaves when it is put back in place: everything in it is good, and the words know of more.
    let older = match end {
        End::Clean => OLDER_COPY,
        End::Bad(_) => "",
    };
    if let Some(durable) = known_durable
        && durable >= lost
    {
        return place(format!(
            "{why}, although entry {lost} was durable (up to {durable} were){older}"
        ));
    }
    if matches!(end, End::Clean) {
        return Ok(());
    }
    let mut witness = None;
    let mut stands_behind = false;
    let mut lines = Lines::new(file, name, tail.offset);
    while let Some(raw) = lines.next_line()? {
        // Blocks that never reached the disk read as zeros, so a good line may begin in the middle of a bad one.
        for start in openings(&raw.bytes) {
            if let Ok(line) = line::decode(&raw.bytes[start..])
                && line.place.generation == generation
            {
                if line.place.durable_through >= lost {
                    witness = witness.or(Some(line.place.sequence));
                }
                // Each line is appended where the one before it ends, so a crash puts nothing between the two.
                stands_behind |= line.place.sequence == lost && line.place.prev == tail.chain;
            }
        }
    }
    match witness {
        Some(later) => {
            place(format!("{why}, although entry {lost} was durable, as entry {later} says"))
        }
        None if stands_behind => place(format!("{why}, although entry {lost} stands behind it")),
        None => Ok(()),
    }
}

fn openings(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let opening = line::OPENING;
    (0..bytes.len().saturating_sub(opening.len() - 1))
        .filter(move |start| bytes[*start] == b'{' && bytes[*start..].starts_with(opening))
}

/// The number of the line at `offset`, counted from 1.
pub(crate) fn line_number(file: &dyn DiskFile, name: &str, offset: u64) -> Result<u64, ReadError> {
    let mut lines = Lines::new(file, name, 0);
    let mut number = 1;
    while lines.offset() < offset && lines.next_line()?.is_some() {
        number += 1;
    }
    Ok(number)
}
