//! What proves that a holder lives. Life locks: each living session holds an exclusive lock on `agents/<session>.lock`, which the kernel releases
//! when its process dies, however it dies.
//!
//! Whoever wants to know tries to share the lock: two who ask at once don't disturb each other, and the session
//! itself, should it begin just then, waits an instant. A missing file means dead. A file is removed only by one who
//! holds the session's lock exclusively: the session itself at its end, or whoever finds it dead; whoever opens one compares it
//! with the file of that name afterwards (as all locks do). It is opened for writing by the session alone, so that
//! the kernel's closing it is a sign of its death, and others' asking isn't.
//!
//! A claim may name a process instead, whose end proves the same (`process`).

use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{LifeGuard, ReadError, SessionId, Vital};

use crate::board_lock::BoardGuard;
use crate::disk::{Disk, Hold};
use crate::format::names;
use crate::lock::{FileLock, LockError, Tried, after, try_lock_existing};
use crate::process::has_ended;
use crate::state::Inner;

/// How long a session that begins waits for those who are just asking whether it lives.
const BEGIN_WAIT: Duration = Duration::from_secs(1);
/// How long a session that was found alive isn't asked about again.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// How many sessions are remembered; beyond it they are forgotten, and asked about anew.
const PROBES_MAX: usize = 10_000;

/// A session lives as long as this.
struct Life {
    lock: FileLock,
    disk: Arc<dyn Disk>,
    path: String,
}

impl LifeGuard for Life {}

impl Drop for Life {
    fn drop(&mut self) {
        // The file goes with the session, while the lock on it is held: whoever opened it before and locks it
        // after finds that it is no longer the file of its name. A missing file means dead, which is right.
        if self.lock.is_ours() {
            let _ = self.disk.remove(&self.path);
        }
    }
}

/// A policy's lock, whose file is permanent.
struct Named {
    _lock: FileLock,
}

impl LifeGuard for Named {}

impl Inner {
    /// Takes a session's life lock.
    pub(crate) fn live(&self, session: &SessionId) -> Result<Box<dyn LifeGuard>, ReadError> {
        self.lock.same_process().map_err(|e| ReadError::Failed(e.to_string()))?;
        let deadline = Deadline::now() + BEGIN_WAIT;
        let path = names::life(session);
        match self.helpers.lock(&self.disk, "", &path, Hold::Exclusive, deadline) {
            Ok(lock) => Ok(Box::new(Life { lock, disk: self.disk.clone(), path })),
            Err(LockError::Timeout(_)) => {
                Err(ReadError::Failed(format!("session `{session}` is living already")))
            }
            Err(error) => Err(ReadError::Failed(error.to_string())),
        }
    }

    /// Which of these are proved dead, among those that weren't asked about just now.
    pub(crate) fn dead(&self, guard: &BoardGuard, holders: &[Vital]) -> Vec<Vital> {
        let now = Deadline::now();
        let mut probes = self.probes.lock();
        if probes.len() > PROBES_MAX {
            probes.clear();
        }
        let mut dead = Vec::new();
        for vital in holders {
            if probes.get(vital).is_some_and(|last| now.duration_since(*last) < PROBE_EVERY) {
                continue;
            }
            if self.is_dead(vital) {
                if let Vital::Session(session) = vital {
                    self.remove_life(guard, session);
                }
                probes.remove(vital);
                dead.push(vital.clone());
            } else {
                probes.insert(vital.clone(), now);
            }
        }
        dead
    }

    /// Whether this holder is proved dead. Leaves everything as it is.
    pub(crate) fn is_dead(&self, vital: &Vital) -> bool {
        match vital {
            // What can't be known proves nothing: the lease is the last word.
            Vital::Session(session) => matches!(
                try_lock_existing(&self.disk, &names::life(session), Hold::Shared),
                Ok(Tried::Held(_) | Tried::Missing)
            ),
            Vital::Process(process) => has_ended(process, &self.platform.now().boot),
        }
    }

    /// Nobody needs a dead session's file any more. If somebody else is asking about it just now, they are let be,
    /// and the file goes another time.
    pub(crate) fn remove_life(&self, _guard: &BoardGuard, session: &SessionId) {
        let path = names::life(session);
        if let Ok(Tried::Held(_alone)) = try_lock_existing(&self.disk, &path, Hold::Exclusive) {
            let _ = self.disk.remove(&path);
        }
    }
}

/// Takes a named lock for a policy.
pub(crate) fn named(
    inner: &Arc<Inner>,
    path: &str,
    timeout: Duration,
) -> Result<Box<dyn LifeGuard>, LockError> {
    inner.lock.same_process()?;
    let deadline = after(timeout);
    let lock = inner.helpers.lock(&inner.disk, "", path, Hold::Exclusive, deadline)?;
    Ok(Box::new(Named { _lock: lock }))
}
