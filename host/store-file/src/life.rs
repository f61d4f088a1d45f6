//! What proves that a holder lives. Life locks: each living session holds an exclusive lock on `agents/<session>.lock`, which the kernel releases
//! when its process dies, however it dies.
//!
//! Whoever wants to know tries to share the lock: two who ask at once don't disturb each other, and the session
//! itself, should it begin just then, waits an instant. It is opened for writing by the session alone, so that the
//! kernel's closing it is a sign of its death, and others' asking isn't.
//!
//! Invariant: only a lock that the kernel has let go proves a death. A missing file proves nothing, since anybody may
//! have removed it while its session lives; then the lease decides. So a session leaves its file at its end, unlocked,
//! and it stays as long as claims name the session (`sweep`).
//!
//! A claim may name a process instead, whose end proves the same (`process`).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{Instant, LifeGuard, ReadError, SessionId, Vital};

use crate::disk::Hold;
use crate::format::names;
use crate::lock::{FileLock, LockError, Tried, after, try_lock_existing};
use crate::process::has_ended;
use crate::state::Inner;

/// How long a session that begins waits for those who are just asking whether it lives.
const BEGIN_WAIT: Duration = Duration::from_secs(1);
/// How long a session that was found alive isn't asked about again.
const PROBE_EVERY_MS: u64 = 100;
/// For how long a handle that has looked for dead holders doesn't, unless it would have to say that there is nothing.
const LOOK_EVERY_MS: u64 = 10;
/// And how many times as long as that look took: it takes longer where very many hold something.
const LOOK_PAUSE_TIMES: u32 = 50;
/// How many sessions are remembered; beyond it they are forgotten, and asked about anew.
const PROBES_MAX: usize = 10_000;

/// What lives, or is held, as long as this: a session, or a policy's lock. The file stays.
struct Held {
    _lock: FileLock,
}

impl LifeGuard for Held {}

impl Inner {
    /// Takes a session's life lock.
    pub(crate) fn live(&self, session: &SessionId) -> Result<Box<dyn LifeGuard>, ReadError> {
        self.lock.same_process().map_err(|e| ReadError::Failed(e.to_string()))?;
        self.expect_here()?;
        let deadline = Deadline::now() + BEGIN_WAIT;
        let path = names::life(session);
        match self.helpers.lock(&self.disk, "", &path, Hold::Exclusive, deadline) {
            Ok(lock) => {
                self.sweep_lives_if_many();
                Ok(Box::new(Held { _lock: lock }))
            }
            Err(LockError::Timeout(_)) => {
                Err(ReadError::Failed(format!("session `{session}` is living already")))
            }
            Err(error) => Err(ReadError::Failed(error.to_string())),
        }
    }

    /// Whether this handle hasn't looked for dead holders an instant ago. One that was just opened has not.
    pub(crate) fn is_time_to_look_for_dead(&self, now: &Instant) -> bool {
        now.boot_ms >= self.next_look_for_dead.load(Relaxed)
    }

    /// A look for dead holders that began at `now` has taken so long.
    pub(crate) fn have_looked_for_dead(&self, now: &Instant, took: Duration) {
        let pause = took.saturating_mul(LOOK_PAUSE_TIMES).as_millis();
        let pause_ms = u64::try_from(pause).unwrap_or(u64::MAX).max(LOOK_EVERY_MS);
        self.next_look_for_dead.store(now.boot_ms.saturating_add(pause_ms), Relaxed);
    }

    /// Which of these are proved dead, among those that weren't asked about just now.
    pub(crate) fn dead(&self, holders: &[Vital]) -> Vec<Vital> {
        let now = self.platform.now().boot_ms;
        let mut probes = self.probes.lock();
        if probes.len() > PROBES_MAX {
            probes.clear();
        }
        let mut dead = Vec::new();
        for vital in holders {
            if probes.get(vital).is_some_and(|last| now < *last + PROBE_EVERY_MS) {
                continue;
            }
            if self.is_dead(vital) {
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
                Ok(Tried::Held(_))
            ),
            Vital::Process(process) => {
                let own = self.platform.now().boot;
                has_ended(process, &own)
                    && (process.boot == own || !self.may_be_another_machines(&process.boot))
            }
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
    Ok(Box::new(Held { _lock: lock }))
}
