//! Switching to the next generation while others go on working: to set policies, and to make the journal short.
//!
//! 1. Read the board at an instant, off the lock; ask the new policy about its pending tasks, page by page; write
//!    the next generation's snapshot and index with the answers.
//! 2. Copy the lines that came meanwhile into the next journal, still off the lock, until few are left.
//! 3. Under the lock: copy the rest, add a line for the switch itself, sync, and publish.
//!
//! The policy never runs under the lock: what changed meanwhile was answered by the old policy, so the switch's own
//! line marks it as unasked, and wakes whatever the new policy lets wait on it; the transactions after the switch
//! take these in batches, as always.
//!
//! Two switches at once would do the work twice, so they take turns, by a lock of their own. Recovery from a failed
//! sync doesn't wait for them: then the generation isn't the one that was prepared for, and the switch starts over.
//! A crash at any point leaves one generation current, and litter that the next switch sweeps up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant as Deadline;

use taskhost_board::image::{self, ImageView, Record};
use taskhost_board::{
    Ask, BeginError, Change, CommitError, Committed, Entry, Generation, Instant, PolicySet,
    ReadError, Readiness, Sequence, Status, SwitchError, SwitchPlan, Task, TaskId, View as _,
};

use crate::disk::{DiskFile, Hold, How, append_all, remove_if_there, temporary_name};
use crate::filler::Filler;
use crate::format::line::{self, Line, Place};
use crate::format::snapshot::{Header, SnapshotWriter};
use crate::format::{BoardFile, Checksum, FORMAT, names};
use crate::index::{self, Index, Meta, SharedReading, Writing};
use crate::journal::{Tail, replay};
use crate::lock::LockError;
use crate::platform::random_u64;
use crate::publish::{Next, PublishError};
use crate::state::{Current, Inner, failed};

/// How many tasks the new policy is asked about at a time.
const ASK_PAGE: usize = 256;
/// How many bytes of the journal may be left to copy under the lock.
const REST_BYTES: u64 = 64 * 1024;
/// How often the rest is copied off the lock before it is done under it, however much is left.
const ROUNDS_MAX: u32 = 16;
/// How often it is started over because the generation changed meanwhile.
const ATTEMPTS_MAX: u32 = 8;

/// Why a generation is switched.
enum Purpose<'a, 'b> {
    Policies(&'a SwitchPlan, &'a mut Ask<'b>),
    Compaction,
}

impl Inner {
    /// Sets the board's policies.
    pub(crate) fn switch(
        &self,
        plan: SwitchPlan,
        ask: &mut Ask<'_>,
        deadline: Deadline,
    ) -> Result<Committed, SwitchError> {
        self.next_generation(Purpose::Policies(&plan, ask), deadline)
    }

    /// Begins a generation with an empty journal.
    pub(crate) fn compact(&self, deadline: Deadline) -> Result<(), SwitchError> {
        self.next_generation(Purpose::Compaction, deadline).map(|_| ())
    }

    fn next_generation(
        &self,
        mut purpose: Purpose<'_, '_>,
        deadline: Deadline,
    ) -> Result<Committed, SwitchError> {
        self.lock.same_process().map_err(|e| ReadError::Failed(e.to_string())).map_err(begin)?;
        let started = Deadline::now();
        let turn = self.helpers.lock(&self.disk, "", names::SWITCH_LOCK, Hold::Exclusive, deadline);
        let _turn = turn.map_err(|error| match error {
            LockError::Timeout(waited) => {
                let file = self.disk.identity(names::SWITCH_LOCK).ok();
                let holder = file.and_then(|file| self.platform.lock_holder(file));
                BeginError::Timeout { waited, holder }
            }
            other => BeginError::Read(ReadError::Failed(other.to_string())),
        })?;
        if let Purpose::Policies(plan, _) = &purpose {
            self.put_components(&plan.components).map_err(begin)?;
            for digest in plan.policies.digests() {
                self.component(digest).map_err(begin)?;
            }
        }
        for _ in 0..ATTEMPTS_MAX {
            // The caller's patience is for the lock, not for the work before it, which may be long.
            let patience = deadline.saturating_duration_since(started);
            let Some(mut draft) = self.prepare(&mut purpose, deadline)? else { continue };
            let result = self.finish(&mut draft, &purpose, Deadline::now() + patience);
            if !matches!(result, Ok(Some(_))) {
                draft.discard(self);
            }
            if let Some(committed) = result? {
                return Ok(committed);
            }
        }
        Err(begin(ReadError::Failed("the board's generation changed again and again".into()))
            .into())
    }

    /// Steps 1 and 2. `None` if the generation changed meanwhile.
    fn prepare(
        &self,
        purpose: &mut Purpose<'_, '_>,
        deadline: Deadline,
    ) -> Result<Option<Draft>, SwitchError> {
        let (current, reading, meta) = self.snapshot(deadline)?;
        let file = self.board_file()?;
        if file.generation != current.generation {
            return Ok(None);
        }
        let reading = SharedReading::new(reading);
        let header = self.next_header(&file, &reading, purpose)?;
        let mut draft = Draft::begin(self, file, &header, &meta).map_err(begin)?;
        let written = draft.write_snapshot(self, &header, &meta, &reading, purpose);
        drop(reading);
        let copied = written.and_then(|()| {
            for _ in 0..ROUNDS_MAX {
                let rest = current.journal.len().map_err(failed("journal")).map_err(begin)?;
                if rest.saturating_sub(draft.old.offset) <= REST_BYTES {
                    break;
                }
                draft.copy_lines(&current).map_err(begin)?;
            }
            // So that little is left to sync under the lock.
            draft.journal.sync().map_err(failed(&draft.journal_name)).map_err(begin)?;
            Ok(())
        });
        if let Err(error) = copied {
            draft.discard(self);
            return Err(error);
        }
        Ok(Some(draft))
    }

    fn next_header(
        &self,
        file: &BoardFile,
        reading: &SharedReading,
        purpose: &Purpose<'_, '_>,
    ) -> Result<Header, SwitchError> {
        let view = ImageView::new(reading.clone());
        let head = view.head().map_err(begin)?;
        let policies = view.policies().map_err(begin)?;
        let policies = match purpose {
            Purpose::Policies(plan, _) => {
                check_policies(plan, &policies)?;
                plan.policies.clone()
            }
            Purpose::Compaction => policies,
        };
        Ok(Header {
            format: FORMAT,
            board: file.board.clone(),
            generation: file.generation.next(),
            base: head.sequence,
            token: head.token,
            born: head.born,
            policies,
            settings: view.settings().map_err(begin)?,
            created: self.platform.now().wall,
        })
    }

    /// Step 3. `None` if the generation changed meanwhile.
    fn finish(
        &self,
        draft: &mut Draft,
        purpose: &Purpose<'_, '_>,
        deadline: Deadline,
    ) -> Result<Option<Committed>, SwitchError> {
        let guard = self.lock(deadline)?;
        // What was prepared continues one generation and no other; a poisoned one was left by `mended`.
        let current = self.mended(&guard)?;
        let (current, reading, _) = self.catch_up(&guard, current)?;
        if current.generation != draft.file.generation {
            return Ok(None);
        }
        let policies = ImageView::new(reading).policies().map_err(begin)?;
        if let Purpose::Policies(plan, _) = purpose {
            check_policies(plan, &policies)?;
        }
        let not_written = |error: ReadError| CommitError::NotWritten(error.to_string());
        draft.copy_lines(&current).map_err(not_written)?;
        if let Purpose::Policies(plan, _) = purpose {
            draft.add_switch(self, plan).map_err(not_written)?;
        }
        draft.journal.sync().map_err(failed(&draft.journal_name)).map_err(not_written)?;
        let words = self.words(&draft.file.board).map_err(not_written)?;
        let Some(next) = draft.take_next() else { return Ok(None) };
        let committed = Committed { sequence: next.through };
        match self.publish(&guard, &draft.file, words, next) {
            Ok(current) => {
                self.sweep_litter(&guard, &current);
                drop(guard);
                self.retire(&current, false);
                Ok(Some(committed))
            }
            // It is done; whoever comes next opens it.
            Err(PublishError::Open(_)) => Ok(Some(committed)),
            Err(PublishError::Unchanged(why)) => Err(CommitError::NotWritten(why).into()),
            Err(PublishError::Unknown(why)) => Err(CommitError::Unknown(why).into()),
        }
    }
}

/// Refuses a plan that was made for other policies than those that are set now.
fn check_policies(plan: &SwitchPlan, now: &PolicySet) -> Result<(), SwitchError> {
    let found = now.leading().digest;
    match plan.expect {
        Some(expected) if expected != found => Err(SwitchError::Changed { found, expected }),
        _ if plan.derived_from != *now => Err(SwitchError::Moved),
        _ => Ok(()),
    }
}

fn begin(error: ReadError) -> BeginError {
    BeginError::Read(error)
}

/// The next generation while it is made.
struct Draft {
    /// The generation that it is to follow.
    file: BoardFile,
    generation: Generation,
    epoch: u64,
    base: Sequence,
    tasks: String,
    journal_name: String,
    journal: Arc<dyn DiskFile>,
    /// Taken when it is published.
    index: Option<Box<dyn Index>>,
    /// How far the old journal was copied.
    old: Tail,
    /// What its own index and journal contain.
    meta: Meta,
    /// Tasks that changed since the snapshot, and the parents of those that were added.
    touched: BTreeSet<TaskId>,
    /// Those whose status did.
    moved: BTreeSet<TaskId>,
}

impl Draft {
    fn begin(
        inner: &Inner,
        file: BoardFile,
        header: &Header,
        from: &Meta,
    ) -> Result<Self, ReadError> {
        let epoch = random_u64();
        let (journal_name, journal) = inner.new_journal(header.generation)?;
        let name = names::index(header.generation, epoch);
        let index = inner.platform.create_index(&name, &inner.pages)?;
        Ok(Self {
            file,
            generation: header.generation,
            epoch,
            base: header.base,
            tasks: temporary_name(&names::tasks(header.generation)),
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
    fn write_snapshot(
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
        let dumped = image::dump(reading, header.created, |record| -> Result<(), Stopped> {
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
    fn copy_lines(&mut self, current: &Current) -> Result<(), ReadError> {
        let mut copy = Copy::begin(self)?;
        let name = current.journal_name();
        let (touched, moved) = (&mut BTreeSet::new(), &mut BTreeSet::new());
        // Where it ends badly, somebody is writing just now; under the lock the end was mended before.
        let (old, _) =
            replay(&*current.journal, &name, current.generation, self.old, |line, _| {
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

    /// Adds the line of the switch itself.
    fn add_switch(&mut self, inner: &Inner, plan: &SwitchPlan) -> Result<(), ReadError> {
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
            seed: random_u64(),
            changes,
        };
        let mut copy = Copy::begin(self)?;
        copy.add(plan.policies.leading().digest.short(), &entry)?;
        self.meta = copy.finish(&*self.journal)?;
        Ok(())
    }

    fn take_next(&mut self) -> Option<Next> {
        Some(Next {
            generation: self.generation,
            epoch: self.epoch,
            through: self.meta.applied,
            tasks: self.tasks.clone(),
            journal: self.journal_name.clone(),
            index: self.index.take()?,
        })
    }

    /// Removes it, if it was not published. Whatever can't be removed is litter.
    fn discard(&mut self, inner: &Inner) {
        if self.index.take().is_some() {
            let _ = remove_if_there(&*inner.disk, &self.tasks);
            let _ = remove_if_there(&*inner.disk, &self.journal_name);
            let _ = inner.platform.remove_index(&names::index(self.generation, self.epoch));
        }
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
