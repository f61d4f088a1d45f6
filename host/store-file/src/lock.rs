//! Locks on files: taken within a deadline, checked to be on the file of that name, released on drop, and only
//! by the process that took them.
//!
//! - [`FileLock`]: a held lock. [`Helpers::lock`] takes one; [`Helpers::lock_existing`] and [`try_lock_existing`] take
//!   those whose file need not be there.
//! - The board's own lock stands in `board_lock`.
//!
//! `flock` can try or wait, but not wait until a deadline. So it is tried first; then, unless the file can do it by
//! itself as that of a simulation can, a helper thread waits on an
//! open file of its own, which lets go at once if it gets the lock too late. A thread that waits can't be called off,
//! so a handle has one for each file, which all of its waits for that file share: however often a wait ends at its
//! deadline, no more threads and descriptors are left than there are files.
//!
//! Invariants: after a lock was taken, its file is compared with the one that has the name now, since a lock on a
//! deleted file excludes nobody; after a `fork` the child's copy doesn't unlock, which would release the parent's.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use parking_lot::{Condvar, Mutex};

use crate::disk::{Disk, DiskFile, Hold, How};
use crate::state::unwritable;
use taskhost_forks::Origin;

/// A lock was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Somebody else held it until the deadline.
    #[error("somebody else held it for {0:?}")]
    Timeout(Duration),
    /// This process is a fork of the one that opened the handle.
    #[error("this handle was opened by process {0}; open the board again after a fork")]
    Forked(u32),
    /// Its file was removed or replaced while it was held.
    #[error(
        "`{0}` was removed or replaced while it was locked, so nothing was changed; try again, and let that file be: \
         it is permanent"
    )]
    Replaced(String),
    /// The file could not be locked.
    #[error("{}", unwritable(path, error).unwrap_or_else(|| format!("`{path}` could not be locked: {error}")))]
    Io { path: String, error: io::Error },
}

/// A lock that is held.
pub(crate) struct FileLock {
    file: Arc<dyn DiskFile>,
    origin: Origin,
    /// Whether it outlives this guard, as its file does.
    kept: bool,
}

impl FileLock {
    fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file, origin: Origin::here(), kept: false }
    }

    /// Whether this process took the lock; a fork of it only has a copy of the guard.
    pub(crate) fn is_ours(&self) -> bool {
        self.origin.is_here()
    }

    /// Whether others that lock the file at `path` still find this one.
    pub(crate) fn is_at(&self, disk: &dyn Disk, path: &str) -> io::Result<bool> {
        match disk.identity(path) {
            Ok(named) => Ok(named == self.file.identity()?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The locked file. The lock isn't let go any more before every copy of the descriptor is closed, in all
    /// processes that were given one.
    pub(crate) fn into_file(mut self) -> Arc<dyn DiskFile> {
        self.kept = true;
        self.file.clone()
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if self.is_ours() && !self.kept {
            // If this fails, closing the file lets go as well.
            let _ = self.file.unlock();
        }
    }
}

/// How often a lock is taken on a file that has lost its name before this is called hopeless.
const REPLACED_MAX: u32 = 64;

/// The deadline of one who waits no longer than `timeout`, which may be as good as for ever.
pub(crate) fn after(timeout: Duration) -> Deadline {
    const EVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
    Deadline::now() + timeout.min(EVER)
}

/// A file that is waited for: its directory, its path there, how it is to be held, and whether it may be made.
type Waited = (String, String, Hold, bool);

/// The helpers of a handle, one for each file.
#[derive(Default)]
pub(crate) struct Helpers {
    known: Mutex<HashMap<Waited, Arc<Helper>>>,
}

impl Helpers {
    /// Takes the lock on the file at `path`, waiting for it no longer than until `deadline`. `place` tells `disk`
    /// from other directories.
    pub(crate) fn lock(
        &self,
        disk: &Arc<dyn Disk>,
        place: &str,
        path: &str,
        hold: Hold,
        deadline: Deadline,
    ) -> Result<FileLock, LockError> {
        let helper = self.helper(disk, place, path, hold, How::Lock);
        Ok(take(disk, path, hold, deadline, &mut None, &helper)?.lock)
    }

    /// The same for a file that need not be there; `None` if it isn't, or not any more. It is opened to be read
    /// only, so that closing it is no sign of anybody's death.
    pub(crate) fn lock_existing(
        &self,
        disk: &Arc<dyn Disk>,
        path: &str,
        hold: Hold,
        deadline: Deadline,
    ) -> Result<Option<FileLock>, LockError> {
        let helper = self.helper(disk, "", path, hold, How::LockThere);
        match take(disk, path, hold, deadline, &mut None, &helper) {
            Ok(taken) => Ok(Some(taken.lock)),
            Err(LockError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn helper(
        &self,
        disk: &Arc<dyn Disk>,
        place: &str,
        path: &str,
        hold: Hold,
        how: How,
    ) -> Arc<Helper> {
        let mut known = self.known.lock();
        // Those without a thread or a user are as good as new ones.
        known.retain(|_, helper| Arc::strong_count(helper) > 1);
        let waited = (place.to_owned(), path.to_owned(), hold, how == How::Lock);
        let new = || Arc::new(Helper::new(disk.clone(), path.to_owned(), hold, how));
        known.entry(waited).or_insert_with(new).clone()
    }
}

/// How trying to lock a file ended that need not exist.
pub(crate) enum Tried {
    /// It is held now.
    Held(FileLock),
    /// Somebody else holds it.
    Busy,
    /// There is no such file.
    Missing,
}

/// Takes the lock on the file at `path` if it is there and free. The file is opened to be read only, so that closing
/// it is no sign of anybody's death.
pub(crate) fn try_lock_existing(disk: &Arc<dyn Disk>, path: &str, hold: Hold) -> io::Result<Tried> {
    for _ in 0..REPLACED_MAX {
        let file = match disk.open(path, How::Probe) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tried::Missing),
            result => result?,
        };
        if !file.try_lock(hold)? {
            return Ok(Tried::Busy);
        }
        let lock = FileLock::new(file);
        match disk.identity(path) {
            Ok(named) if named == lock.file.identity()? => return Ok(Tried::Held(lock)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tried::Missing),
            // Somebody removed it and made it anew since it was opened: this one excludes nobody.
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("the file is replaced again and again"))
}

/// A lock that was taken.
pub(crate) struct Taken {
    pub(crate) lock: FileLock,
    /// Whether somebody else held it at first.
    pub(crate) waited: bool,
}

/// Tries, then waits through the helper; `kept` is the open file that is tried first.
pub(crate) fn take(
    disk: &Arc<dyn Disk>,
    path: &str,
    hold: Hold,
    deadline: Deadline,
    kept: &mut Option<Arc<dyn DiskFile>>,
    helper: &Arc<Helper>,
) -> Result<Taken, LockError> {
    let started = Deadline::now();
    let mut waited = false;
    let failed = |error: io::Error| LockError::Io { path: path.to_owned(), error };
    for _ in 0..REPLACED_MAX {
        let file = match kept {
            Some(file) => file.clone(),
            None => kept.insert(disk.open(path, helper.how).map_err(failed)?).clone(),
        };
        let file = if file.try_lock(hold).map_err(failed)? {
            file
        } else if Deadline::now() >= deadline {
            return Err(LockError::Timeout(started.elapsed()));
        } else {
            waited = true;
            let got = match file.wait_lock_until(hold, deadline) {
                Some(got) => got.map(|is_held| is_held.then_some(file)),
                None => helper.wait(deadline),
            };
            match got.map_err(failed)? {
                Some(file) => file,
                None => return Err(LockError::Timeout(started.elapsed())),
            }
        };
        let lock = FileLock::new(file);
        let held = lock.file.identity().map_err(failed)?;
        match disk.identity(path) {
            Ok(named) if named == held => return Ok(Taken { lock, waited }),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            // Somebody deleted or replaced the file while it was waited for.
            _ => *kept = None,
        }
    }
    Err(failed(io::Error::other("the file is replaced again and again")))
}

/// A thread that waits for a lock, for one who can wait only so long.
pub(crate) struct Helper {
    disk: Arc<dyn Disk>,
    path: String,
    hold: Hold,
    /// [`How::Lock`], or [`How::LockThere`] for a file that need not be there.
    how: How,
    state: Mutex<HelperState>,
    changed: Condvar,
}

#[derive(Default)]
struct HelperState {
    /// How many wait for what the thread gets.
    wanted: usize,
    /// Whether a thread is there, idle or waiting.
    running: bool,
    got: Option<io::Result<Arc<dyn DiskFile>>>,
}

/// How long an idle thread stays, so that a busy board doesn't start one for every wait.
const IDLE: Duration = Duration::from_millis(500);

impl Helper {
    pub(crate) fn new(disk: Arc<dyn Disk>, path: String, hold: Hold, how: How) -> Self {
        Self { disk, path, hold, how, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The file, locked; `None` if that took too long.
    fn wait(self: &Arc<Self>, deadline: Deadline) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let mut state = self.state.lock();
        if !state.running {
            let helper = self.clone();
            std::thread::Builder::new().name("taskhost-lock".into()).spawn(move || helper.run())?;
            state.running = true;
        }
        state.wanted += 1;
        self.changed.notify_all();
        while state.got.is_none() {
            if self.changed.wait_until(&mut state, deadline).timed_out() && state.got.is_none() {
                state.wanted -= 1;
                return Ok(None);
            }
        }
        state.wanted -= 1;
        let got = state.got.take();
        self.changed.notify_all();
        got.transpose()
    }

    fn run(&self) {
        loop {
            let result = self.disk.open(&self.path, self.how).and_then(|file| {
                file.wait_lock(self.hold)?;
                Ok(file)
            });
            let mut state = self.state.lock();
            if state.wanted > 0 {
                state.got = Some(result);
                self.changed.notify_all();
                // Whoever gives up looks here first, so somebody takes it.
                while state.got.is_some() {
                    self.changed.wait(&mut state);
                }
            } else if let Ok(file) = result {
                // Too late: nobody waits any more.
                let _ = file.unlock();
            }
            if state.wanted == 0 {
                self.changed.wait_for(&mut state, IDLE);
            }
            if state.wanted == 0 {
                state.running = false;
                return;
            }
        }
    }
}
