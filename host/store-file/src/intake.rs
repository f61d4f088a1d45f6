//! A board's lines on their way into files that nobody looks for yet, each checked.
//!
//! Checked are: that every policy has its component, whole; that no record comes twice and each can be loaded; and what
//! must hold of every board that travels (`travel`). Every error names its line.

use std::collections::{BTreeMap, BTreeSet};

use taskhost_board::image::{self, Record};
use taskhost_board::transfer::{TransferError, TransferHeader, TransferLine};
use taskhost_board::{
    CONTEXT_BYTES_MAX, ContextFailure, Digest, Entry, Generation, Owner, ReadError, Sequence,
    TaskId,
};

use crate::disk::{DiskFile, How, append_all, temporary_name};
use crate::filler::Filler;
use crate::format::line::{self, Place};
use crate::format::snapshot::{Header, SnapshotWriter};
use crate::format::{Checksum, FORMAT};
use crate::import::ImportError;
use crate::index::Index;
use crate::state::{Inner, failed};
use crate::travel::Travel;

/// How many bytes of the history are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 18;

/// A synced file under a name that nobody looks for, and whose large value it is to be.
pub(crate) type Value = (String, Owner, TaskId);

/// A board while it is taken in.
pub(crate) struct Intake<'a> {
    inner: &'a Inner,
    header: &'a TransferHeader,
    components: BTreeSet<Digest>,
    travel: Travel<'a>,
    past: Past<'a>,
    snapshot: SnapshotWriter<'a>,
    checks: Filler<'a>,
    seen: BTreeSet<Vec<u8>>,
    values: Vec<Value>,
    /// The last line's number.
    line: u64,
}

impl<'a> Intake<'a> {
    /// Begins with the header; `past` is the file that the history goes into, `tasks` the snapshot's, and `index`
    /// is only to check by.
    pub(crate) fn begin(
        inner: &'a Inner,
        header: &'a TransferHeader,
        past: (Generation, &'a dyn DiskFile),
        tasks: (Generation, &'a dyn DiskFile),
        index: &'a dyn Index,
    ) -> Result<Self, ImportError> {
        let travel = Travel::begin(header).map_err(|why| TransferError::at(1, why))?;
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
        };
        let mut checks = Filler::new(inner, index);
        checks.step("importing", |writing| writing.start(&top, &now.boot))?;
        Ok(Self {
            inner,
            header,
            components: BTreeSet::new(),
            travel,
            past: Past {
                file: past.1,
                buffer: Vec::new(),
                generation: past.0,
                // Nothing is left of the snapshot that this generation would have started from.
                chain: Checksum::seed(&header.board, past.0, Checksum::default()),
            },
            snapshot: SnapshotWriter::begin(tasks.1, &top).map_err(failed("the snapshot"))?,
            checks,
            seen: BTreeSet::new(),
            values: Vec::new(),
            line: 1,
        })
    }

    /// Takes a line in.
    pub(crate) fn take(&mut self, number: u64, line: TransferLine) -> Result<(), ImportError> {
        self.line = number;
        let at = |why: &dyn std::fmt::Display| TransferError::at(number, why);
        match line {
            TransferLine::Component { digest, content } => {
                let found = Digest::of(&content.0);
                if found != digest {
                    let why = format!("the component of `{digest}` is another one: `{found}`");
                    return Err(at(&why).into());
                }
                self.inner.put_components(&BTreeMap::from([(digest, content.0)]))?;
                self.components.insert(digest);
            }
            TransferLine::Entry { sequence, policy, entry } => {
                self.travel.entry(sequence).map_err(|why| at(&why))?;
                self.past.add(sequence, policy, &entry)?;
            }
            TransferLine::Record(record) => {
                self.check(&record).map_err(|why| at(&why))?;
                self.snapshot.record(&record).map_err(failed("the snapshot"))?;
                let loaded = self.checks.step("importing", |writing| image::load(writing, &record));
                loaded.map_err(|error| at(&error))?;
            }
            TransferLine::Context { owner, key, content } => {
                if content.0.len() as u64 > CONTEXT_BYTES_MAX {
                    return Err(at(&ContextFailure::TooLarge).into());
                }
                let disk = &*self.inner.disk;
                let temporary = temporary_name(disk, "value");
                let file = disk.open(&temporary, How::New).map_err(failed(&temporary))?;
                append_all(&*file, &content.0)
                    .and_then(|()| file.sync())
                    .map_err(failed(&temporary))?;
                self.values.push((temporary, owner, key));
            }
            TransferLine::Header(_) | TransferLine::End { .. } => {
                return Err(at(&"it can't stand here").into());
            }
        }
        Ok(())
    }

    /// Checks what only the end shows, and syncs. Says which files are to become which large values.
    pub(crate) fn finish(self) -> Result<Vec<Value>, ImportError> {
        let end = |why: String| TransferError::at(self.line + 1, why);
        for digest in self.header.policies.digests() {
            if !self.components.contains(&digest) {
                return Err(end(format!("the component of policy `{digest}` is missing")).into());
            }
        }
        self.travel.end().map_err(end)?;
        self.past.finish()?;
        self.snapshot.finish().map_err(failed("the snapshot"))?;
        Ok(self.values)
    }

    fn check(&mut self, record: &Record) -> Result<(), String> {
        let seen = &self.seen;
        self.travel.record(record, |id| Ok(seen.contains(&task_key(id).concat())))?;
        let (key, what): (Vec<&[u8]>, String) = match record {
            Record::Task(task) => {
                if !self.seen.insert([b"b", &task.born.to_be_bytes()[..]].concat()) {
                    return Err(format!(
                        "`{}` has another task's place in the order of creation",
                        task.id
                    ));
                }
                (task_key(&task.id).to_vec(), format!("task `{}`", task.id))
            }
            Record::Key { command, key, .. } => {
                let parts = vec![b"k", command.as_str().as_bytes(), b"\0", key.as_bytes()];
                (parts, format!("request key `{key}`"))
            }
            Record::Memory { space: taskhost_board::Space::Custom, key, .. } => {
                (vec![b"c", key.as_bytes()], format!("memory `{key}`"))
            }
            Record::Memory { key, .. } => (vec![b"s", key.as_bytes()], format!("memory `{key}`")),
            Record::Meta { key, .. } => {
                (vec![b"m", key.as_str().as_bytes()], format!("metadata `{key}`"))
            }
            Record::Wake { on, .. } => {
                (vec![b"w", on.as_str().as_bytes()], format!("wake of `{on}`"))
            }
        };
        if self.seen.insert(key.concat()) { Ok(()) } else { Err(format!("{what} comes twice")) }
    }
}

/// Under which key it is remembered that a task has come.
fn task_key(id: &TaskId) -> [&[u8]; 2] {
    [b"t", id.as_str().as_bytes()]
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
