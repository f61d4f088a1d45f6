//! A board's lines on their way into files that nobody looks for yet, each checked.
//!
//! Checked are: what every store checks (`taskhost_board::transfer::Inspection`), and that each record can be loaded.
//! Every error names its line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use taskhost_board::image::{self, Record};
use taskhost_board::transfer::{Inspection, TransferError, TransferHeader, TransferLine};
use taskhost_board::{
    BoardSettings, BootId, Elsewhere, Entry, Generation, Owner, ReadError, Sequence, TaskId,
};

use crate::disk::{DiskFile, How, append_all, temporary_name};
use crate::filler::Filler;
use crate::format::line::{self, Place};
use crate::format::snapshot::{Header, SnapshotWriter};
use crate::format::{Checksum, FORMAT, names};
use crate::import::{ImportError, PAST};
use crate::index::Index;
use crate::state::{Inner, failed};

/// How many bytes of the history are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 18;

/// The journals that a history becomes are no smaller than this, in bytes, but for the last.
const VOLUME_MIN: u64 = 16 << 10;
/// Into how many parts a history is divided at least of which only so much is kept: it goes part by part.
const PARTS: u64 = 8;

/// A synced file under a name that nobody looks for, and whose large value it is to be.
pub(crate) type Value = (String, Owner, TaskId);

/// Under which name a file is, and which one it is to have.
pub(crate) type Renamed = (String, String);

/// What was taken in. All files are synced.
pub(crate) struct Intaken {
    /// The generation that the board begins with.
    pub(crate) first: Generation,
    /// The history's journals.
    pub(crate) past: Vec<Renamed>,
    pub(crate) values: Vec<Value>,
    /// The starts of machines in which the processes run that claims name.
    pub(crate) boots: BTreeSet<BootId>,
}

/// A board while it is taken in.
pub(crate) struct Intake<'a> {
    inner: &'a Inner,
    inspection: Inspection<'a>,
    past: Past<'a>,
    top: Header,
    tasks: &'a dyn DiskFile,
    /// Begun when it is known how many journals there are.
    snapshot: Option<SnapshotWriter<'a>>,
    checks: Filler<'a>,
    values: Vec<Value>,
    boots: BTreeSet<BootId>,
}

impl<'a> Intake<'a> {
    /// Begins with the header; `tasks` is the file that the snapshot goes into, and `index` is only to check by.
    pub(crate) fn begin(
        inner: &'a Inner,
        header: &'a TransferHeader,
        elsewhere: Option<Elsewhere>,
        tasks: &'a dyn DiskFile,
        index: &'a dyn Index,
    ) -> Result<Self, ImportError> {
        let inspection = Inspection::begin(header)?;
        let now = inner.platform.now();
        let top = Header {
            format: FORMAT,
            board: header.board.clone(),
            generation: PAST,
            base: header.sequence,
            token: header.token,
            born: header.born,
            policies: header.policies.clone(),
            settings: header.settings.clone(),
            created: now.wall,
            past: Vec::new(),
            elsewhere,
        };
        let mut checks = Filler::new(inner, index);
        checks.step("importing", |writing| writing.start(&top, &now.boot))?;
        let past = Past::begin(inner, &header.board, volume_bytes(&header.settings))?;
        let (snapshot, values, boots) = (None, Vec::new(), BTreeSet::new());
        Ok(Self { inner, inspection, past, top, tasks, snapshot, checks, values, boots })
    }

    /// The snapshot, which all of the history comes before.
    fn snapshot(&mut self) -> Result<&mut SnapshotWriter<'a>, ReadError> {
        let snapshot = match self.snapshot.take() {
            Some(snapshot) => snapshot,
            None => {
                self.top.generation = self.past.generation.next();
                SnapshotWriter::begin(self.tasks, &self.top).map_err(failed("the snapshot"))?
            }
        };
        Ok(self.snapshot.insert(snapshot))
    }

    /// Takes a line in.
    pub(crate) fn take(&mut self, number: u64, line: TransferLine) -> Result<(), ImportError> {
        self.inspection.line(number, &line)?;
        match line {
            TransferLine::Component { digest, content } => {
                self.inner.put_components(&BTreeMap::from([(digest, content.0)]))?;
            }
            TransferLine::Entry { sequence, policy, entry } => {
                self.past.add(sequence, policy, &entry)?;
            }
            TransferLine::Record(record) => {
                if let Record::Task(task) = &*record
                    && let Some(process) = task.claim.as_ref().and_then(|c| c.process.as_ref())
                {
                    self.boots.insert(process.boot.clone());
                }
                self.snapshot()?.record(&record).map_err(failed("the snapshot"))?;
                let loaded = self.checks.step("importing", |writing| image::load(writing, &record));
                loaded.map_err(|error| TransferError::at(number, error))?;
            }
            TransferLine::Context { owner, key, content } => {
                let disk = &*self.inner.disk;
                let temporary = temporary_name(disk, "value");
                let file = disk.open(&temporary, How::New).map_err(failed(&temporary))?;
                append_all(&*file, &content.0)
                    .and_then(|()| file.sync())
                    .map_err(failed(&temporary))?;
                self.values.push((temporary, owner, key));
            }
            // Refused above.
            TransferLine::Header(_) | TransferLine::End { .. } => {}
        }
        Ok(())
    }

    /// Checks what only the end shows, and syncs.
    pub(crate) fn finish(mut self) -> Result<Intaken, ImportError> {
        self.snapshot()?;
        let first = self.top.generation;
        self.inspection.end()?;
        let past = self.past.finish()?;
        if let Some(snapshot) = self.snapshot {
            snapshot.finish().map_err(failed("the snapshot"))?;
        }
        Ok(Intaken { first, past, values: self.values, boots: self.boots })
    }
}

/// How long each journal is that the history becomes: as on a board that was always here, so that what isn't kept can go
/// and the rest stays.
fn volume_bytes(settings: &BoardSettings) -> u64 {
    let usual = settings.compact_bytes().or(BoardSettings::default().compact_bytes());
    let part = settings.history.bytes.map_or(u64::MAX, |kept| kept / PARTS);
    usual.unwrap_or(u64::MAX).min(part).max(VOLUME_MIN)
}

/// The history on its way into retired journals.
struct Past<'a> {
    inner: &'a Inner,
    board: &'a str,
    volume_bytes: u64,
    generation: Generation,
    file: Arc<dyn DiskFile>,
    files: Vec<Renamed>,
    buffer: Vec<u8>,
    /// How long the current one is, with what is still to be written.
    bytes: u64,
    chain: Checksum,
}

impl<'a> Past<'a> {
    fn begin(inner: &'a Inner, board: &'a str, volume_bytes: u64) -> Result<Self, ReadError> {
        let (file, names) = volume(inner, PAST)?;
        Ok(Self {
            inner,
            board,
            volume_bytes,
            generation: PAST,
            file,
            files: vec![names],
            buffer: Vec::new(),
            bytes: 0,
            chain: first_link(board, PAST),
        })
    }

    fn add(&mut self, sequence: Sequence, policy: String, entry: &Entry) -> Result<(), ReadError> {
        if self.bytes >= self.volume_bytes {
            self.end_volume()?;
            self.generation = self.generation.next();
            let (file, names) = volume(self.inner, self.generation)?;
            (self.file, self.bytes) = (file, 0);
            self.files.push(names);
            self.chain = first_link(self.board, self.generation);
        }
        let place = Place {
            sequence,
            generation: self.generation,
            prev: self.chain,
            policy,
            // Nothing in it counts before all of it is synced.
            durable_through: Sequence(sequence.0 - 1),
        };
        let (bytes, sum) =
            line::encode(&place, entry).map_err(|e| ReadError::Failed(e.to_string()))?;
        self.buffer.extend_from_slice(&bytes);
        self.bytes += bytes.len() as u64;
        self.chain = sum;
        if self.buffer.len() >= BUFFER_BYTES {
            append_all(&*self.file, &self.buffer).map_err(failed("the history"))?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn end_volume(&mut self) -> Result<(), ReadError> {
        append_all(&*self.file, &self.buffer).map_err(failed("the history"))?;
        self.buffer.clear();
        self.file.sync().map_err(failed("the history"))
    }

    fn finish(mut self) -> Result<Vec<Renamed>, ReadError> {
        self.end_volume()?;
        Ok(self.files)
    }
}

/// A journal's file under a name that nobody looks for.
fn volume(
    inner: &Inner,
    generation: Generation,
) -> Result<(Arc<dyn DiskFile>, Renamed), ReadError> {
    let temporary = temporary_name(&*inner.disk, &names::journal(generation));
    let file = inner.disk.open(&temporary, How::New).map_err(failed(&temporary))?;
    Ok((file, (temporary, names::retired(generation))))
}

/// Nothing is left of the snapshot that this generation would have started from.
fn first_link(board: &str, generation: Generation) -> Checksum {
    Checksum::seed(board, generation, Checksum::default())
}
