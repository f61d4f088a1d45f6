//! The board's lock.
//!
//! - [`BoardLock`]: the lock as one handle uses it. [`BoardGuard`] is the only proof of holding it, and whatever
//!   changes a board asks for one.
//! - [`Outer`]: the lock is held by hand, and this process runs inside (`hand`).
//!
//! Inside `taskhost lock board`, the board's lock is held already, by a descriptor that this process has inherited.
//! Then a handle takes `locks/board-inside.lock` in its place: nobody waits for himself, and those inside exclude
//! each other, while those outside are excluded by the outer lock.
//!
//! Invariants: the threads of one handle take turns, since they share its open file; whoever holds the lock makes sure
//! that its file still has its name before it appends to the journal, cuts it, or replaces the pointer to it
//! ([`BoardGuard::still_excludes`]); one who is inside checks each time that the outer lock is still on the file of its name; a forked child may not use its copy.

use std::io;
use std::sync::Arc;
use std::time::Instant as Deadline;

use parking_lot::{Condvar, Mutex};
use taskhost_board::{Measure, Meter, Tally};

use crate::disk::{Disk, DiskFile, Hold, How, Identity};
use crate::format::names;
use crate::lock::{FileLock, Helper, LockError, take};
use crate::words::{Held, Slots, Turn, Wake};
use taskhost_forks::Origin;

/// The board's lock, held by hand around this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outer {
    /// The file that the inherited descriptor stands for.
    pub(crate) file: Identity,
}

/// The board's lock, as one handle uses it.
pub(crate) struct BoardLock {
    disk: Arc<dyn Disk>,
    path: String,
    outer: Option<Outer>,
    meter: Arc<dyn Meter>,
    /// Whether a thread of this handle has its turn.
    turn: Mutex<bool>,
    turned: Condvar,
    kept: Mutex<Option<Arc<dyn DiskFile>>>,
    helper: Arc<Helper>,
    origin: Origin,
}

/// The board's lock is held.
pub(crate) struct BoardGuard {
    /// Released before the turn is passed on.
    file: Option<FileLock>,
    /// The turn among all processes, if turns are taken.
    queued: Option<Held>,
    /// Where others may have posted what they wait for the lock for: one is called when it is free.
    slots: Option<Arc<Slots>>,
    since: Deadline,
    board: Arc<BoardLock>,
}

impl BoardLock {
    pub(crate) fn new(disk: Arc<dyn Disk>, outer: Option<Outer>, meter: Arc<dyn Meter>) -> Self {
        let path = if outer.is_some() { names::INSIDE_LOCK } else { names::LOCK }.to_owned();
        let helper = Helper::new(disk.clone(), path.clone(), Hold::Exclusive, How::Lock);
        Self {
            helper: Arc::new(helper),
            disk,
            path,
            outer,
            meter,
            turn: Mutex::new(false),
            turned: Condvar::new(),
            kept: Mutex::default(),
            origin: Origin::here(),
        }
    }

    /// The file that is locked.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Refuses to be used in a fork of the process that made it.
    pub(crate) fn same_process(&self) -> Result<(), LockError> {
        if self.origin.is_here() { Ok(()) } else { Err(LockError::Forked(self.origin.pid())) }
    }

    /// Takes the lock, waiting for it no longer than until `deadline`. Those who take turns at it sleep until it is theirs,
    /// and don't have to wait for the lock itself, which takes another thread.
    pub(crate) fn lock(
        self: &Arc<Self>,
        deadline: Deadline,
        turn: Option<&Turn>,
    ) -> Result<BoardGuard, LockError> {
        self.same_process()?;
        let started = Deadline::now();
        let result = self.lock_since(started, deadline, turn);
        match &result {
            Ok(guard) => {
                self.meter.record(Measure::LockWait, guard.since.duration_since(started));
            }
            Err(LockError::Timeout(waited)) => {
                self.meter.record(Measure::LockWait, *waited);
                self.meter.count(Tally::Contended);
                self.meter.count(Tally::TimedOut);
            }
            Err(_) => {}
        }
        result
    }

    fn lock_since(
        self: &Arc<Self>,
        started: Deadline,
        deadline: Deadline,
        queue: Option<&Turn>,
    ) -> Result<BoardGuard, LockError> {
        let mut turn = self.turn.lock();
        let mut waited = *turn;
        while *turn {
            if self.turned.wait_until(&mut turn, deadline).timed_out() && *turn {
                return Err(LockError::Timeout(started.elapsed()));
            }
        }
        *turn = true;
        drop(turn);
        let mut guard = self.guard(started);
        guard.queued = queue.and_then(|queue| {
            queue.try_take(Wake::One).or_else(|| {
                waited = true;
                queue.take(deadline, Wake::One)
            })
        });
        waited |= guard.take_file(deadline).map_err(|error| match error {
            // The turns were waited for as well.
            LockError::Timeout(_) => LockError::Timeout(started.elapsed()),
            other => other,
        })?;
        if guard.queued.is_none() {
            // Whoever has the turn doesn't have the lock: it may be dead, and others wait for it.
            guard.queued = queue.map(|queue| queue.seize(Wake::One));
        }
        if waited {
            self.meter.count(Tally::Contended);
        }
        Ok(guard)
    }

    /// Takes the lock if neither a thread of this handle nor whoever has the turn is in the way; `None` if somebody is.
    pub(crate) fn try_lock(
        self: &Arc<Self>,
        queue: &Turn,
    ) -> Result<Option<BoardGuard>, LockError> {
        self.same_process()?;
        let started = Deadline::now();
        if std::mem::replace(&mut *self.turn.lock(), true) {
            return Ok(None);
        }
        let mut guard = self.guard(started);
        guard.queued = queue.try_take(Wake::One);
        if guard.queued.is_none() {
            return Ok(None);
        }
        match guard.take_file(started) {
            Ok(_) => {
                self.meter.record(Measure::LockWait, guard.since.duration_since(started));
                Ok(Some(guard))
            }
            // One who takes no turns has it.
            Err(LockError::Timeout(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// For one who has the turn among threads: passes it on, should anything fail from here on.
    fn guard(self: &Arc<Self>, started: Deadline) -> BoardGuard {
        BoardGuard { file: None, queued: None, slots: None, since: started, board: self.clone() }
    }

    /// The lock that was taken by hand must be on the file that others lock.
    fn check_outer(&self) -> Result<(), LockError> {
        let Some(outer) = self.outer else { return Ok(()) };
        let failed = |error| LockError::Io { path: names::LOCK.to_owned(), error };
        if self.disk.identity(names::LOCK).map_err(failed)? == outer.file {
            return Ok(());
        }
        Err(failed(io::Error::other(
            "it was replaced while it was locked by hand; end the `taskhost lock` that this runs inside, and start over",
        )))
    }
}

impl BoardGuard {
    /// The same; when it lets go of the lock, it calls one who has posted something that nobody has served.
    pub(crate) fn calling(self, slots: Option<Arc<Slots>>) -> Self {
        let mut guard = self;
        guard.slots = slots;
        guard
    }

    /// Locks the file; says whether somebody else held it at first.
    fn take_file(&mut self, deadline: Deadline) -> Result<bool, LockError> {
        let BoardLock { disk, path, kept, helper, .. } = &*self.board;
        let taken = take(disk, path, Hold::Exclusive, deadline, &mut kept.lock(), helper)?;
        self.file = Some(taken.lock);
        self.board.check_outer()?;
        self.since = Deadline::now();
        Ok(taken.waited)
    }

    /// Refuses to go on where the lock excludes nobody any more, because somebody has removed or replaced its file.
    /// Asked right before whatever can't be taken back.
    pub(crate) fn still_excludes(&self) -> Result<(), LockError> {
        let BoardLock { disk, path, .. } = &*self.board;
        let failed = |error| LockError::Io { path: path.clone(), error };
        let is_at = |file: &FileLock| file.is_at(&**disk, path).map_err(failed);
        if self.file.as_ref().map(is_at).transpose()? == Some(true) {
            return self.board.check_outer();
        }
        Err(LockError::Replaced(path.clone()))
    }
}

impl Drop for BoardGuard {
    fn drop(&mut self) {
        let held = self.since.elapsed();
        let was_held = self.file.take().is_some();
        drop(self.queued.take());
        if self.board.origin.is_here() {
            *self.board.turn.lock() = false;
            self.board.turned.notify_one();
            if was_held {
                if let Some(slots) = &self.slots {
                    slots.call_one();
                }
                self.board.meter.record(Measure::LockHold, held);
            }
        }
    }
}
