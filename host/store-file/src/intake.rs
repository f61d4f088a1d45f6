//! A board's lines on their way into files that nobody looks for yet, each checked.
//!
//! Checked are: what every store checks (`taskhost_board::transfer::Inspection`), and that each record can be loaded.
//! Every error names its line.

use std::collections::BTreeMap;

use taskhost_board::image;
use taskhost_board::transfer::{Inspection, TransferError, TransferHeader, TransferLine};
use taskhost_board::{Elsewhere, Entry, Generation, Owner, ReadError, Sequence, TaskId};

use crate::disk::{DiskFile, How, append_all, temporary_name};
use crate::filler::Filler;
use crate::format::line::{self, Place};
use crate::format::snapshot::{Header, SnapshotWriter};
use crate::format::{Checksum, FORMAT};
use crate::import::ImportError;
use crate::index::Index;
use crate::state::{Inner, failed};

/// How many bytes of the history are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 18;

/// A synced file under a name that nobody looks for, and whose large value it is to be.
pub(crate) type Value = (String, Owner, TaskId);

/// A board while it is taken in.
pub(crate) struct Intake<'a> {
    inner: &'a Inner,
    inspection: Inspection<'a>,
    past: Past<'a>,
    snapshot: SnapshotWriter<'a>,
    checks: Filler<'a>,
    values: Vec<Value>,
}

impl<'a> Intake<'a> {
    /// Begins with the header; `past` is the file that the history goes into, `tasks` the snapshot's, and `index`
    /// is only to check by.
    pub(crate) fn begin(
        inner: &'a Inner,
        header: &'a TransferHeader,
        elsewhere: Option<Elsewhere>,
        past: (Generation, &'a dyn DiskFile),
        tasks: (Generation, &'a dyn DiskFile),
        index: &'a dyn Index,
    ) -> Result<Self, ImportError> {
        let inspection = Inspection::begin(header)?;
        let now = inner.platform.now();
        let top = Header {
            format: FORMAT,
            board: header.board.clone(),
            generation: tasks.0,
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
        Ok(Self {
            inner,
            inspection,
            past: Past {
                file: past.1,
                buffer: Vec::new(),
                generation: past.0,
                // Nothing is left of the snapshot that this generation would have started from.
                chain: Checksum::seed(&header.board, past.0, Checksum::default()),
            },
            snapshot: SnapshotWriter::begin(tasks.1, &top).map_err(failed("the snapshot"))?,
            checks,
            values: Vec::new(),
        })
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
                self.snapshot.record(&record).map_err(failed("the snapshot"))?;
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

    /// Checks what only the end shows, and syncs. Says which files are to become which large values.
    pub(crate) fn finish(self) -> Result<Vec<Value>, ImportError> {
        self.inspection.end()?;
        self.past.finish()?;
        self.snapshot.finish().map_err(failed("the snapshot"))?;
        Ok(self.values)
    }
}

/// The history on its way into a retired journal.
struct Past<'a> {
    file: &'a dyn DiskFile,
    buffer: Vec<u8>,
    generation: Generation,
    chain: Checksum,
}

impl Past<'_> {
    fn add(&mut self, sequence: Sequence, policy: String, entry: &Entry) -> Result<(), ReadError> {
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
        self.chain = sum;
        if self.buffer.len() >= BUFFER_BYTES {
            append_all(self.file, &self.buffer).map_err(failed("the history"))?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn finish(self) -> Result<(), ReadError> {
        append_all(self.file, &self.buffer).map_err(failed("the history"))?;
        self.file.sync().map_err(failed("the history"))
    }
}
