//! A snapshot: the board that a generation starts from.
//!
//! ```text
//! {"header":{"format":2,"board":"…","generation":2,"base":41,"token":9,"born":7,"policies":{…},…}}⏎
//! {"task":{…}}⏎      a line per record: tasks, request keys, policies' memory, wakes
//! {"end":{"records":12,"sum":"…"}}⏎
//! ```
//!
//! `base` is the last sequence in it; `token` and `born` are the last ones given, which tasks alone don't say
//! once some are archived. `sum` is the SHA-256 of all bytes before the last line; its first 8 bytes go into the
//! seed of the journal's chain, so that a journal belongs to one snapshot.
//!
//! - [`SnapshotWriter`] writes one that nobody sees yet; [`read`] verifies all of one while reading it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use taskhost_board::image::Record;
use taskhost_board::{
    BoardSettings, Digest, Elsewhere, Generation, Head, Millis, PolicySet, ReadError, Sequence,
    Token,
};

use super::{Checksum, FORMAT};
use crate::disk::{DiskFile, append_all};
use crate::journal::Lines;

/// What stands at the top.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) board: String,
    pub(crate) generation: Generation,
    pub(crate) base: Sequence,
    pub(crate) token: Token,
    #[serde(deserialize_with = "taskhost_board::read_born")]
    pub(crate) born: u64,
    pub(crate) policies: PolicySet,
    pub(crate) settings: BoardSettings,
    pub(crate) created: Millis,
    /// How the journals before this generation's end, oldest first, as far as it is known: a board that was imported,
    /// repaired or made by an older version may say less.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) past: Vec<Past>,
    /// Where the board is, if it isn't to be worked on here: what `board.json` says, for whoever has to make that again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) elsewhere: Option<Elsewhere>,
}

/// What ties a retired journal to the board that it is history of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Past {
    pub(crate) generation: Generation,
    /// The last sequence of it that isn't in the journals after it.
    pub(crate) through: Sequence,
    /// The checksum of that line; the chain's seed if it has none up to there.
    pub(crate) sum: Checksum,
}

impl Header {
    /// The head that the snapshot's index starts with.
    pub(crate) fn head(&self) -> Head {
        Head { sequence: self.base, token: self.token, born: self.born, ..Head::default() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Top {
    Header(Header),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Bottom {
    End { records: u64, sum: Digest },
}

/// How texts about damage end, except in the doctor's report.
pub(crate) const SEE_DOCTOR: &str = ", and `taskhost doctor` says more";

/// How many bytes are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 18;
/// After how many bytes they are synced: in one piece, all of a large board would keep the disk busy while claims wait for
/// their own sync.
const SYNC_BYTES: usize = 8 << 20;

/// Writes a snapshot into a file that nobody sees yet.
pub(crate) struct SnapshotWriter<'a> {
    file: &'a dyn DiskFile,
    buffer: Vec<u8>,
    unsynced: usize,
    hash: Sha256,
    records: u64,
}

impl<'a> SnapshotWriter<'a> {
    pub(crate) fn begin(file: &'a dyn DiskFile, header: &Header) -> std::io::Result<Self> {
        let (buffer, hash) = (Vec::new(), Sha256::new());
        let mut writer = Self { file, buffer, unsynced: 0, hash, records: 0 };
        writer.line(&Top::Header(header.clone()))?;
        Ok(writer)
    }

    pub(crate) fn record(&mut self, record: &Record) -> std::io::Result<()> {
        self.records += 1;
        self.line(record)
    }

    fn line(&mut self, value: &impl Serialize) -> std::io::Result<()> {
        let start = self.buffer.len();
        serde_json::to_writer(&mut self.buffer, value)?;
        self.buffer.push(b'\n');
        self.hash.update(&self.buffer[start..]);
        if self.buffer.len() >= BUFFER_BYTES {
            append_all(self.file, &self.buffer)?;
            self.unsynced += self.buffer.len();
            self.buffer.clear();
            if self.unsynced >= SYNC_BYTES {
                self.file.sync()?;
                self.unsynced = 0;
            }
        }
        Ok(())
    }

    /// Writes the end, and syncs. What it returns goes into the chain's seed.
    pub(crate) fn finish(mut self) -> std::io::Result<Checksum> {
        let sum = digest_of(self.hash.clone().finalize().into());
        serde_json::to_writer(&mut self.buffer, &Bottom::End { records: self.records, sum })?;
        self.buffer.push(b'\n');
        append_all(self.file, &self.buffer)?;
        self.file.sync()?;
        Ok(short(sum))
    }
}

fn digest_of(bytes: [u8; 32]) -> Digest {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.parse().expect("64 hex digits are a digest")
}

pub(crate) fn parse_header(bytes: &[u8], name: &str) -> Result<Header, ReadError> {
    // Asked first: another format's header may not parse as ours.
    #[derive(Deserialize)]
    struct AnyTop {
        header: AnyHeader,
    }
    #[derive(Deserialize)]
    struct AnyHeader {
        format: u32,
    }
    let any: AnyTop = serde_json::from_slice(bytes)
        .map_err(|e| damaged(name, 1, 0, &format!("its header can't be read: {e}")))?;
    let Top::Header(header) = serde_json::from_slice(bytes).map_err(|e| {
        let format = any.header.format;
        damaged(name, 1, 0, &format!("its header of format {format} can't be read: {e}"))
    })?;
    Ok(header)
}

/// Reads a snapshot, checking all of it; returns what goes into the chain's seed. Records are handed over before
/// the end was checked, so what they are put in must be thrown away on an error.
pub(crate) fn read(
    file: &dyn DiskFile,
    name: &str,
    mut begin: impl FnMut(&Header) -> Result<(), ReadError>,
    mut each: impl FnMut(Record) -> Result<(), ReadError>,
) -> Result<(Header, Checksum), ReadError> {
    let mut lines = Lines::new(file, name, 0);
    let first = lines.next_line()?.ok_or_else(|| damaged(name, 1, 0, "it is empty"))?;
    let header = parse_header(&first.bytes, name)?;
    begin(&header)?;
    let mut hash = Sha256::new();
    hash.update(&first.bytes);
    hash.update(b"\n");
    let mut records = 0;
    let mut number = 1;
    while let Some(line) = lines.next_line()? {
        number += 1;
        let at = |why: &str| damaged(name, number, line.offset, why);
        if !line.ended {
            return Err(at("it is cut off"));
        }
        if line.bytes.starts_with(b"{\"end\":") {
            let Bottom::End { records: expected, sum } = serde_json::from_slice(&line.bytes)
                .map_err(|e| at(&format!("its end can't be read: {e}")))?;
            if sum != digest_of(hash.finalize().into()) {
                return Err(at("its checksum is wrong: some line above was changed"));
            }
            if expected != records {
                return Err(at(&format!("it has {records} records and says {expected}")));
            }
            if lines.next_line()?.is_some() {
                return Err(at("something follows its end"));
            }
            return Ok((header, short(sum)));
        }
        hash.update(&line.bytes);
        hash.update(b"\n");
        let record = serde_json::from_slice(&line.bytes)
            .map_err(|e| at(&format!("the record can't be read: {e}")))?;
        records += 1;
        each(record)?;
    }
    Err(damaged(name, number, lines.offset(), "it has no end: it is cut off"))
}

/// What goes into the chain's seed, as the last line states it; nothing is checked. `None` if there is no such line.
pub(crate) fn stated_sum(file: &dyn DiskFile) -> std::io::Result<Option<Checksum>> {
    // It has two numbers, of which one is short, and the other of a fixed length.
    const LINE_MAX: usize = 256;
    let length = file.len()?;
    let mut bytes = vec![0; LINE_MAX];
    let read = file.read_at(&mut bytes, length.saturating_sub(LINE_MAX as u64))?;
    let whole = bytes[..read].strip_suffix(b"\n");
    let last = whole.and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    let bottom = last.and_then(|line| serde_json::from_slice(line).ok());
    Ok(bottom.map(|Bottom::End { sum, .. }| short(sum)))
}

/// The first bytes of a digest.
fn short(sum: Digest) -> Checksum {
    let mut short = [0; 8];
    short.copy_from_slice(&sum.as_bytes()[..8]);
    Checksum(short)
}

/// Damage, with its place.
pub(crate) fn damaged(name: &str, line: u64, offset: u64, why: &str) -> ReadError {
    ReadError::Damaged(format!(
        "`{name}`, line {line}, byte {offset}: {why}; nothing was changed{SEE_DOCTOR}"
    ))
}

/// Refuses a snapshot that isn't the one wanted.
pub(crate) fn expect(
    header: &Header,
    name: &str,
    board: &str,
    generation: Generation,
) -> Result<(), ReadError> {
    let wrong = |what: &str| Err(damaged(name, 1, 0, what));
    if header.board != board {
        return wrong(&format!("it belongs to board `{}`, not to `{board}`", header.board));
    }
    if header.generation != generation {
        return wrong(&format!("its header says generation {}", header.generation));
    }
    if header.format > FORMAT {
        let format = header.format;
        return wrong(&format!("its header says format {format}, `board.json` an older one"));
    }
    Ok(())
}
