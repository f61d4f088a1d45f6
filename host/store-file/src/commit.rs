//! A transaction, from the lock to the answer.
//!
//! [`Inner::begin`] and [`FileOpened::commit`] are the commit sequence; its steps are numbered through both:
//!
//! 1. lock; check lock file, generation and poison; apply what a dead writer left;
//! 2. the hooks run on the view (the board's part);
//! 3. build the line, and the index's next state; and the same for each of those who wait for the lock and have
//!    posted what they want (`combine`);
//! 4. append the lines in one write, to the journal that has its name (`standing`);
//! 5. commit the index, in memory;
//! 6. unlock;
//! 7. sync, unless somebody's sync that began after step 4 covered the lines;
//! 8. raise `durable_through`; answer.
//!
//! Invariant: nothing leaves here before what it was decided on is durable, not even a "no".

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant as Deadline;

use taskhost_board::image::{self, ImageView};
use taskhost_board::{
    BeginError, Combiner, CommitError, Committed, Entry, Instant, Meter as _, NoCombiner, Opened,
    ReadError, Sequence, Tally, TaskLocks, View, Vital,
};

use crate::board_lock::BoardGuard;
use crate::combine::Served;
use crate::durable::SyncedBy;
use crate::format::line::{self, Place};
use crate::hand::FileTaskLocks;
use crate::index::{self, Meta, Overlay, Reading, Settled, Staged};
use crate::journal::Tail;
use crate::own::has_all;
use crate::state::{Current, Inner};

/// An open transaction.
pub(crate) struct FileOpened {
    pub(crate) inner: Arc<Inner>,
    guard: BoardGuard,
    pub(crate) current: Arc<Current>,
    /// The board as it is, and with what is about to be appended.
    staged: Staged,
    /// What the index has.
    meta: Meta,
    /// The lines that are about to be appended.
    lines: Vec<u8>,
    /// How far the journal goes with them.
    tail: Tail,
    pub(crate) now: Instant,
    /// When a look for dead holders began.
    look_began: Option<Deadline>,
    /// Whether what is decided is decided for others.
    for_others: bool,
}

impl Inner {
    /// Opens a transaction.
    pub(crate) fn begin(self: &Arc<Self>, deadline: Deadline) -> Result<FileOpened, BeginError> {
        let deadline = self.before_begin(deadline)?;
        self.follow();
        // 1. From here on nobody else changes the board. A crash at any point before step 4 leaves no trace.
        let guard = self.lock(deadline)?;
        self.begin_locked(guard)
    }

    /// What is to be done before the lock is taken; says until when to wait for it.
    pub(crate) fn before_begin(&self, deadline: Deadline) -> Result<Deadline, BeginError> {
        self.tidy_sometimes();
        self.recorder.count(Tally::Transactions);
        self.upgrade_if_old(deadline)
    }

    /// The same, once the lock is held.
    pub(crate) fn begin_locked(
        self: &Arc<Self>,
        guard: BoardGuard,
    ) -> Result<FileOpened, BeginError> {
        //    The lock was checked to be on the file of its name, the rest is checked here: a handle that slept
        //    through a switch must not append to a retired journal, nor one that came after a failed sync to a
        //    journal with a hole in it.
        let current = self.mended(&guard)?;
        current.expect_here()?;
        //    A writer that died between 4 and 5 left a line that the index lacks, or half a line.
        let (current, reading, meta) = self.catch_up(&guard, current)?;
        Ok(FileOpened {
            inner: self.clone(),
            guard,
            current,
            staged: Staged::over(reading),
            tail: meta.tail(),
            meta,
            lines: Vec::new(),
            now: self.platform.now(),
            look_began: None,
            for_others: false,
        })
    }
}

/// After how many transactions of a handle the index is rid of what dead readers left.
const TIDY_EVERY: u64 = 256;

impl Inner {
    /// A process that died while it read keeps pages of the index from being used again, so that it grows.
    fn tidy_sometimes(&self) {
        if self.begun.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1
            && let Some(current) = self.open_generation()
        {
            current.index.tidy();
            self.recorder.attach_again(&*self.platform);
        }
    }
}

impl Opened for FileOpened {
    fn now(&self) -> Instant {
        self.now.clone()
    }

    fn view(&mut self) -> Box<dyn View> {
        if let Err(error) = self.inner.lock.same_process() {
            return Box::new(ImageView::new(Unreadable(ReadError::Failed(error.to_string()))));
        }
        Box::new(ImageView::new(self.staged.clone()))
    }

    fn is_time_to_look_for_dead(&mut self) -> bool {
        self.look_began = Some(Deadline::now());
        self.inner.is_time_to_look_for_dead(&self.now)
    }

    fn dead(&mut self, holders: &[Vital]) -> Vec<Vital> {
        match self.inner.lock.same_process() {
            Ok(()) => {
                let dead = self.inner.dead(holders);
                if let Some(began) = self.look_began.take() {
                    self.inner.have_looked_for_dead(&self.now, began.elapsed());
                }
                dead
            }
            Err(_) => Vec::new(),
        }
    }

    fn is_dead(&mut self, holder: &Vital) -> bool {
        self.inner.lock.same_process().is_ok() && self.inner.is_dead(holder)
    }

    fn task_locks(&mut self) -> Box<dyn TaskLocks> {
        Box::new(FileTaskLocks::new(self.inner.clone(), self.for_others))
    }

    fn commit(self: Box<Self>, entry: Entry) -> Result<Committed, CommitError> {
        self.commit_and_combine(entry, &mut NoCombiner)
    }

    fn commit_and_combine(
        mut self: Box<Self>,
        entry: Entry,
        combiner: &mut dyn Combiner,
    ) -> Result<Committed, CommitError> {
        let sequence = self.stage(&entry)?;
        let served = self.serve(combiner);
        let appended = self.append(&served);
        combiner.ended(appended.is_ok());
        served.answer(&appended);
        let Self { inner, guard, current, tail, staged, .. } = *self;
        drop(staged);

        // 6. Unlock: others go on while the lines are synced. Those who have posted something are called after that.
        drop(guard.calling(None));

        // 7., 8. Make them durable and say so. A crash before the end may leave the lines or not, whole or not at
        //    all; a crash after it leaves them. Those who were served make sure themselves that theirs is durable too,
        //    which has just been done, or has failed.
        let durable = appended.and_then(|()| inner.make_answerable(&current, tail.sequence));
        served.wake();
        if !matches!(durable, Ok(SyncedBy::Us)) {
            // Nobody was called since the lock was free.
            current.call_one();
        }
        durable.map(|_| Committed { sequence })
    }

    fn finish(self: Box<Self>) -> Result<(), CommitError> {
        let Self { inner, guard, current, staged, meta, .. } = *self;
        drop(staged);
        drop(guard);
        inner.lock.same_process().map_err(|e| CommitError::NotWritten(e.to_string()))?;
        inner.make_durable(&current, meta.applied).map_err(CommitError::Unknown)?;
        Ok(())
    }
}

impl FileOpened {
    /// 3. Builds everything that can fail without leaving a trace. What is decided next is decided after it.
    pub(crate) fn stage(&mut self, entry: &Entry) -> Result<Sequence, CommitError> {
        // The lock is the parent's, which goes on with this very transaction.
        self.inner.lock.same_process().map_err(|e| not_written(&e))?;
        let sequence = self.next_sequence();
        let place = Place {
            sequence,
            generation: self.current.generation,
            prev: self.tail.chain,
            policy: self.current.policy.clone(),
            durable_through: self.current.words.durable_through(),
        };
        let (bytes, sum) = line::encode(&place, entry).map_err(|e| not_written(&e))?;
        // Nothing of an entry that fails half-way must stay.
        let mut next = Overlay::over(self.staged.clone());
        image::apply(&mut next, sequence, entry).map_err(|e| not_written(&e))?;
        self.staged.add(next.into_steps());
        let offset = self.tail.offset + bytes.len() as u64;
        self.tail = Tail { sequence, chain: sum, offset };
        self.lines.extend_from_slice(&bytes);
        Ok(sequence)
    }

    /// The number of the entry that is staged next.
    pub(crate) fn next_sequence(&self) -> Sequence {
        self.tail.sequence.next()
    }

    /// The last entry that there is.
    pub(crate) fn applied(&self) -> Sequence {
        self.meta.applied
    }

    /// What is decided next is for others, and at a time of its own.
    pub(crate) fn go_on_for_others(&mut self) {
        self.now = self.inner.platform.now();
        self.look_began = None;
        self.for_others = true;
    }

    /// Steps 4 and 5, for all that was staged.
    pub(crate) fn append(&mut self, served: &Served) -> Result<(), CommitError> {
        self.try_append(served).map_err(|error| match error {
            // Perhaps for their sake: without them it is tried again.
            CommitError::NotWritten(_) if !served.is_empty() => CommitError::Conflict,
            error => error,
        })
    }

    fn try_append(&mut self, served: &Served) -> Result<(), CommitError> {
        let Self { inner, guard, current, staged, meta, lines, tail, .. } = self;
        inner.lock.same_process().map_err(|e| not_written(&e))?;
        let mut writing = index::write(&*current.index).map_err(|e| not_written(&e))?;
        writing.take_steps(staged.take_steps()).map_err(|e| not_written(&e))?;
        writing.put_meta(&meta.at(*tail)).map_err(|e| not_written(&e))?;
        if let Settled::Full { needed } = writing.settle().map_err(|e| not_written(&e))? {
            drop(writing);
            inner.replace_full_index(guard, current, needed).map_err(|e| not_written(&e))?;
            return Err(CommitError::Conflict);
        }

        // 4. Append, in one write. After a crash a line is there whole, or torn, or not at all; nobody was
        //    told of it, so each of these is right. Whoever deletes the lock's file lets somebody else in beside us;
        //    they may have appended, or be about to.
        guard.still_excludes().map_err(|e| not_written(&e))?;
        inner.expect_named(current).map_err(|e| not_written(&e))?;
        if !served.begin_appending() {
            return Err(CommitError::Conflict);
        }
        append_lines(guard, current, lines, meta.offset)?;

        // 5. Commit the index. If this process dies before, the next one applies the lines in step 1; if the
        //    index can't take them, they stand all the same: they are counted, so everybody who reads finds that
        //    the index lacks them, and mends the index or fails.
        if current.index.is_own() {
            // Otherwise a thread of this process could see the lines, and then another process not.
            current.words.set_appended(tail.sequence);
        }
        if writing.commit().is_err() {
            *inner.current.write() = None;
        }
        current.words.set_appended(tail.sequence);
        Ok(())
    }
}

fn not_written(why: &dyn std::fmt::Display) -> CommitError {
    CommitError::NotWritten(why.to_string())
}

/// Appends lines at `offset`, or leaves the journal as it was.
fn append_lines(
    guard: &BoardGuard,
    current: &Current,
    bytes: &[u8],
    offset: u64,
) -> Result<(), CommitError> {
    let name = current.journal_name();
    let length =
        current.journal.len().map_err(|e| CommitError::NotWritten(format!("`{name}`: {e}")))?;
    if length != offset {
        // Never cut off: it may be somebody's acknowledged line.
        let why = format!(
            "`{name}` was changed while the board was locked: it has {length} bytes and not {offset}, so nothing was \
             written; try again"
        );
        return Err(CommitError::NotWritten(why));
    }
    let (written, error) = match current.journal.append(bytes) {
        Ok(written) if written == bytes.len() => return stands_at(current, offset, written),
        Ok(written) => {
            (written, format!("only {written} of {} bytes could be written", bytes.len()))
        }
        Err(error) => (0, error.to_string()),
    };
    if written > 0 {
        stands_at(current, offset, written)?;
    }
    let cut = || -> std::io::Result<()> {
        // Without the lock, what is cut off may be somebody else's.
        guard.still_excludes().map_err(std::io::Error::other)?;
        current.journal.truncate(offset)
    };
    match cut() {
        Ok(()) => Err(CommitError::NotWritten(format!("`{name}`: {error}"))),
        // What is there may be taken for a line, or be dropped as a torn end, by whoever comes next.
        Err(again) => Err(CommitError::Unknown(format!("`{name}`: {error}, and then: {again}"))),
    }
}

/// Makes sure that nobody appended beside us, so that what was written stands where it must. Otherwise what counts is
/// decided by whoever reads the journal next.
fn stands_at(current: &Current, offset: u64, written: usize) -> Result<(), CommitError> {
    let name = current.journal_name();
    let expected = offset + written as u64;
    match current.journal.len() {
        Ok(length) if length == expected => Ok(()),
        Ok(length) => Err(CommitError::Unknown(format!(
            "`{name}` was written to by somebody else at the same moment, although the board was locked: it has \
             {length} bytes and not {expected}; look at the board to see whether the change counts, before you try \
             again"
        ))),
        Err(error) => Err(CommitError::Unknown(format!("`{name}`: {error}"))),
    }
}

impl Inner {
    /// The board at one instant, all of it durable, without taking the lock unless something needs mending.
    pub(crate) fn snapshot(
        &self,
        deadline: Deadline,
    ) -> Result<(Arc<Current>, Reading, Meta), BeginError> {
        let current = self.current(deadline)?;
        // Before the index is read: what is counted here was committed to the index, or that failed.
        let appended = current.words.appended_through();
        let reading = index::read(&*current.index)?;
        match index::meta(&reading)? {
            Some(meta) if meta.applied >= appended && has_all(&current, &meta)? => {
                self.durable(current, reading, meta)
            }
            _ => {
                drop(reading);
                self.snapshot_mended(deadline)
            }
        }
    }

    /// The same, when the index lacks something, or when somebody harmed it: under the lock it is mended.
    fn snapshot_mended(
        &self,
        deadline: Deadline,
    ) -> Result<(Arc<Current>, Reading, Meta), BeginError> {
        let guard = self.lock(deadline)?;
        let current = self.mended(&guard)?;
        let (current, reading, meta) = self.catch_up(&guard, current)?;
        drop(guard);
        self.durable(current, reading, meta)
    }

    fn durable(
        &self,
        current: Arc<Current>,
        reading: Reading,
        meta: Meta,
    ) -> Result<(Arc<Current>, Reading, Meta), BeginError> {
        let unknown =
            |why| ReadError::Failed(format!("what was read could not be made durable: {why}"));
        self.make_durable(&current, meta.applied).map_err(unknown)?;
        Ok((current, reading, meta))
    }

    /// The last sequence that anybody appended.
    pub(crate) fn newest(&self) -> Result<Sequence, BeginError> {
        Ok(self.current(self.wait_max())?.words.appended_through())
    }
}

/// A map that can't be read, in place of one.
struct Unreadable(ReadError);

impl image::Read for Unreadable {
    fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Err(self.0.clone())
    }

    fn scan(
        &self,
        _prefix: &[u8],
        _start: image::Start<'_>,
        _direction: image::Direction,
        _limit: usize,
    ) -> Result<Vec<image::Pair>, ReadError> {
        Err(self.0.clone())
    }
}
