//! The next generation while it is made: its snapshot, index and journal, under names that nobody looks for yet.
//!
//! - [`Draft`]: what `switch` prepares off the lock, and completes under it.
//!
//! Invariant: nothing here touches what is current. A draft that isn't published leaves litter at most.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use taskhost_board::image::{self, ImageView, Record};
use taskhost_board::{
    Ask, Change, Elsewhere, Entry, Generation, Instant, Millis, ReadError, Readiness, Sequence,
    Status, SwitchError, SwitchPlan, Task, TaskId, View as _,
};

use crate::disk::{DiskFile, How, append_all, remove_if_there, temporary_name};
use crate::filler::Filler;
use crate::format::line::{self, Line, Place};
use crate::format::snapshot::{Header, SnapshotWriter, damaged};
use crate::format::{BoardFile, Checksum, FORMAT, names};
use crate::index::{self, Index, Meta, SharedReading, Writing};
use crate::journal::{Tail, line_number, replay};
use crate::publish::Next;
use crate::state::{Current, Inner, failed};
use crate::switch::{Purpose, begin};

/// How many tasks the new policy is asked about at a time.
const ASK_PAGE: usize = 256;

/// The next generation while it is made.
pub(crate) struct Draft {
    /// The generation that it is to follow.
    pub(crate) file: BoardFile,
    generation: Generation,
    epoch: u64,
    base: Sequence,
    tasks: String,
    pub(crate) journal_name: String,
    pub(crate) journal: Arc<dyn DiskFile>,
    /// Taken when it is published.
    index: Option<Box<dyn Index>>,
    /// How far the old journal was copied.
    pub(crate) old: Tail,
    /// What its own index and journal contain.
    meta: Meta,
    /// Tasks that changed since the snapshot, and the parents of those that were added.
    touched: BTreeSet<TaskId>,
    /// Those whose status did.
    moved: BTreeSet<TaskId>,
}

impl Draft {
    pub(crate) fn begin(
        inner: &Inner,
        file: BoardFile,
        header: &Header,
        from: &Meta,
    ) -> Result<Self, ReadError> {
        let epoch = inner.disk.random();
        let (journal_name, journal) = inner.new_journal(header.generation)?;
        let name = names::index(header.generation, epoch);
        let index = inner.platform.create_index(&name, &inner.pages)?;
        Ok(Self {
            file,
            generation: header.generation,
            epoch,
            base: header.base,
            tasks: temporary_name(&*inner.disk, &names::tasks(header.generation)),
            journal_name,
            journal,
            index: Some(index),
            old: from.tail(),
            meta: Meta { generation: header.generation, ..from.clone() },
            touched: BTreeSet::new(),
            moved: BTreeSet::new(),
        })
    }

    fn index(&self) -> Result<&dyn Index, ReadError> {
        self.index
            .as_deref()
            .ok_or_else(|| ReadError::Failed("the generation was published".into()))
    }

    /// Writes snapshot and index in one pass, asking about pending tasks on the way.
    pub(crate) fn write_snapshot(
        &mut self,
        inner: &Inner,
        header: &Header,
        from: &Meta,
        reading: &SharedReading,
        purpose: &mut Purpose<'_, '_>,
    ) -> Result<(), SwitchError> {
        let now = inner.platform.now();
        let io = |error| begin(failed(&self.tasks)(error));
        let file = inner.disk.open(&self.tasks, How::New).map_err(io)?;
        let mut writer = SnapshotWriter::begin(&*file, header).map_err(io)?;
        let mut filler = Filler::new(inner, self.index().map_err(begin)?);
        filler
            .step("writing the snapshot", |writing| writing.start(header, &now.boot))
            .map_err(begin)?;
        let mut put = |record: &Record| -> Result<(), SwitchError> {
            writer.record(record).map_err(io)?;
            filler
                .step("writing the snapshot", |writing| image::load(writing, record))
                .map_err(begin)?;
            Ok(())
        };
        let mut waiting: Vec<Task> = Vec::new();
        // An upgrade takes nothing away, not even request keys that were outlived while nobody looked; nor does a move.
        let takes_nothing = self.file.format < FORMAT || matches!(purpose, Purpose::Say(_));
        let outlived_at = if takes_nothing { Millis(0) } else { header.created };
        let dumped = image::dump(reading, outlived_at, |record| -> Result<(), Stopped> {
            match (record, &mut *purpose) {
                (Record::Task(task), Purpose::Policies(_, ask))
                    if task.status == Status::Pending =>
                {
                    waiting.push(*task);
                    if waiting.len() == ASK_PAGE {
                        answer(reading, &now, ask, &mut waiting, &mut put)?;
                    }
                }
                (record, _) => put(&record)?,
            }
            Ok(())
        });
        dumped.map_err(|Stopped(error)| error)?;
        if let Purpose::Policies(_, ask) = purpose {
            answer(reading, &now, ask, &mut waiting, &mut put)?;
        }
        let sum = writer.finish().map_err(io)?;
        let meta = Meta {
            chain: Checksum::seed(&self.file.board, self.generation, sum),
            generation: self.generation,
            applied: header.base,
            offset: 0,
            ..from.clone()
        };
        filler.finish(&meta).map_err(begin)?;
        self.meta = meta;
        Ok(())
    }

    /// Copies the lines that the old journal has gained, as far as they are whole.
    pub(crate) fn copy_lines(&mut self, current: &Current) -> Result<(), ReadError> {
        let mut copy = Copy::begin(self)?;
        let name = current.journal_name();
        let (touched, moved) = (&mut BTreeSet::new(), &mut BTreeSet::new());
        // Where it ends badly, somebody is writing just now; under the lock the end was mended before.
        let (old, _) = replay(&*current.journal, name, current.generation, self.old, |line, _| {
            for change in &line.entry.changes {
                if let Some(id) = change.task() {
                    touched.insert(id.clone());
                    if change.wakes_waiters() {
                        moved.insert(id.clone());
                    }
                }
                // As in a transaction: a parent may have to wait for a child that it didn't have when the
                // new policy was asked about it.
                if let Change::Added(task) = change {
                    touched.extend(task.parent.clone());
                }
            }
            let Line { place, entry, .. } = line;
            copy.add(place.policy, &entry)
        })?;
        self.meta = copy.finish(&*self.journal)?;
        self.old = old;
        self.touched.append(touched);
        self.moved.append(moved);
        Ok(())
    }

    /// Makes sure that all lines were copied that the old journal has up to `tail`, which is its end: a line that was
    /// answered may have rotted since the index had it.
    pub(crate) fn expect_all(&self, current: &Current, tail: Tail) -> Result<(), ReadError> {
        if self.old == tail {
            return Ok(());
        }
        let name = current.journal_name();
        let why = format!("entry {} can't be read back", self.old.sequence.next());
        let line = line_number(&*current.journal, name, self.old.offset)?;
        Err(damaged(name, line, self.old.offset, &why))
    }

    /// Adds the line of the switch itself.
    pub(crate) fn add_switch(&mut self, inner: &Inner, plan: &SwitchPlan) -> Result<(), ReadError> {
        let mut changes = vec![Change::PoliciesSet(Box::new(plan.policies.clone()))];
        let view = ImageView::new(index::read(self.index()?)?);
        for id in &self.touched {
            if view.task(id)?.is_some_and(|task| task.status == Status::Pending) {
                changes.push(Change::Answered { id: id.clone(), readiness: Readiness::Unasked });
            }
        }
        drop(view);
        changes.extend(self.moved.iter().map(|on| Change::Wake { on: on.clone(), past: None }));
        let entry = Entry {
            time: inner.platform.now().wall,
            request: plan.request.clone(),
            seed: inner.disk.random(),
            changes,
        };
        let mut copy = Copy::begin(self)?;
        copy.add(plan.policies.leading().digest.short(), &entry)?;
        self.meta = copy.finish(&*self.journal)?;
        Ok(())
    }

    pub(crate) fn take_next(&mut self, elsewhere: Option<Elsewhere>) -> Option<Next> {
        Some(Next {
            format: FORMAT,
            elsewhere,
            generation: self.generation,
            epoch: self.epoch,
            through: self.meta.applied,
            tasks: self.tasks.clone(),
            journal: self.journal_name.clone(),
            index: self.index.take()?,
        })
    }

    /// Removes it, if it was not published. Whatever can't be removed is litter.
    pub(crate) fn discard(&mut self, inner: &Inner) {
        if self.index.take().is_some() {
            let _ = remove_if_there(&*inner.disk, &self.tasks);
            let _ = remove_if_there(&*inner.disk, &self.journal_name);
            self.remove_index(inner);
        }
    }

    /// Removes its index, if it was not published after all.
    pub(crate) fn remove_index(&self, inner: &Inner) {
        let _ = inner.platform.remove_index(&names::index(self.generation, self.epoch));
    }
}

/// Lines on their way into the next journal and index.
struct Copy<'a> {
    writing: Writing<'a>,
    bytes: Vec<u8>,
    meta: Meta,
    base: Sequence,
}

impl<'a> Copy<'a> {
    fn begin(draft: &'a Draft) -> Result<Self, ReadError> {
        let writing = index::write(draft.index()?)?;
        Ok(Self { writing, bytes: Vec::new(), meta: draft.meta.clone(), base: draft.base })
    }

    fn add(&mut self, policy: String, entry: &Entry) -> Result<(), ReadError> {
        let place = Place {
            sequence: self.meta.applied.next(),
            generation: self.meta.generation,
            prev: self.meta.chain,
            policy,
            // All that is known of this journal until it is published.
            durable_through: self.base,
        };
        let (bytes, sum) =
            line::encode(&place, entry).map_err(|e| ReadError::Failed(e.to_string()))?;
        self.writing.apply(place.sequence, entry)?;
        self.meta = Meta {
            applied: place.sequence,
            chain: sum,
            offset: self.meta.offset + bytes.len() as u64,
            ..self.meta.clone()
        };
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    fn finish(mut self, journal: &dyn DiskFile) -> Result<Meta, ReadError> {
        append_all(journal, &self.bytes).map_err(failed("the next journal"))?;
        self.writing.put_meta(&self.meta)?;
        self.writing.commit()?;
        Ok(self.meta)
    }
}

/// What ended a pass over the board before its end.
struct Stopped(SwitchError);

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Self(SwitchError::Begin(begin(error)))
    }
}

impl From<SwitchError> for Stopped {
    fn from(error: SwitchError) -> Self {
        Self(error)
    }
}

/// Asks about a page of pending tasks, and puts them with their answers. Those it says nothing of are unasked.
fn answer(
    reading: &SharedReading,
    now: &Instant,
    ask: &mut Ask<'_>,
    waiting: &mut Vec<Task>,
    put: &mut impl FnMut(&Record) -> Result<(), SwitchError>,
) -> Result<(), SwitchError> {
    if waiting.is_empty() {
        return Ok(());
    }
    let ids = waiting.iter().map(|task| task.id.clone()).collect::<Vec<_>>();
    let view = Box::new(ImageView::new(reading.clone()));
    let answers = ask(view, now.clone(), ids).map_err(SwitchError::Asking)?;
    let mut answers: BTreeMap<TaskId, Option<Readiness>> = answers.into_iter().collect();
    for mut task in waiting.drain(..) {
        task.readiness = answers.remove(&task.id).flatten().unwrap_or(Readiness::Unasked);
        put(&Record::Task(Box::new(task)))?;
    }
    Ok(())
}
