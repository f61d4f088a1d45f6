//! Locks on files that aren't a board's, by the same rules: for programs that keep files of their own.
//!
//! [`LockFile`]: a file to lock, made if it isn't there and never removed. [`PathLock`]: the lock, while it is held.
//!
//! Invariants: as those of `lock`. A handle belongs to the process that made it: the thread that waits for it isn't in a
//! forked child.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use crate::OpenError;
use crate::disk::{Disk, Hold};
use crate::init::platform;
use crate::lock::{FileLock, Helpers, LockError, after};
use crate::options::OpenOptions;
use taskhost_forks::Origin;

/// A file was not locked.
#[derive(Debug, thiserror::Error)]
pub enum PathLockError {
    /// Somebody else held the lock all the while.
    #[error("`{}` was locked by somebody else for {waited:.1?}: try again, or wait longer", path.display())]
    Timeout {
        /// The file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// This process is a fork of the one that made the handle.
    #[error("this lock was made by process {0}: make another one after a fork")]
    Forked(u32),
    /// The file can't be locked.
    #[error("`{}` can't be locked: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The directory can't be used.
    #[error(transparent)]
    Directory(#[from] OpenError),
}

/// A file that can be locked, by any number of threads.
pub struct LockFile {
    path: PathBuf,
    name: String,
    disk: Arc<dyn Disk>,
    helpers: Helpers,
    origin: Origin,
}

impl LockFile {
    /// The file at `path`, whose directory must exist. File systems whose locks can't be relied on are refused, unless
    /// `allow_unsafe_file_system`.
    pub fn at(path: &Path, allow_unsafe_file_system: bool) -> Result<Self, PathLockError> {
        let io = |error| PathLockError::Io { path: path.to_owned(), error };
        let (directory, name) = parts(path).map_err(io)?;
        let options =
            OpenOptions { allow_unsafe_fs: allow_unsafe_file_system, ..Default::default() };
        let disk = platform(directory, &options)?.disk().clone();
        let helpers = Helpers::default();
        Ok(Self { path: path.to_owned(), name, disk, helpers, origin: Origin::here() })
    }

    /// Waits for the lock, no longer than `timeout`.
    pub fn lock(&self, timeout: Duration) -> Result<PathLock, PathLockError> {
        self.expect_here()?;
        let deadline = after(timeout);
        let began = Deadline::now();
        let lock = self.helpers.lock(&self.disk, "", &self.name, Hold::Exclusive, deadline);
        match lock {
            Ok(lock) => Ok(PathLock { _lock: lock }),
            Err(LockError::Timeout(_)) => {
                Err(PathLockError::Timeout { path: self.path.clone(), waited: began.elapsed() })
            }
            Err(LockError::Io { error, .. }) => {
                Err(PathLockError::Io { path: self.path.clone(), error })
            }
            Err(error @ (LockError::Forked(_) | LockError::Replaced(_))) => {
                Err(PathLockError::Io { path: self.path.clone(), error: io::Error::other(error) })
            }
        }
    }

    fn expect_here(&self) -> Result<(), PathLockError> {
        if self.origin.is_here() { Ok(()) } else { Err(PathLockError::Forked(self.origin.pid())) }
    }
}

/// The directory that a file is in, and its name there.
fn parts(path: &Path) -> io::Result<(&Path, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| io::Error::other("it isn't the path of a file"))?;
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    Ok((directory.unwrap_or(Path::new(".")), name.to_owned()))
}

/// A lock that is held. Dropping it lets it go, if this is the process that took it.
pub struct PathLock {
    _lock: FileLock,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_waits_for_the_other_and_is_told_who_was_too_long() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("board.json.lock");
        let (a, b) = (LockFile::at(&path, false).unwrap(), LockFile::at(&path, false).unwrap());
        let held = a.lock(Duration::ZERO).unwrap();
        let refused = b.lock(Duration::from_millis(20)).err().unwrap();
        assert!(
            matches!(&refused, PathLockError::Timeout { waited, .. } if waited.as_millis() >= 20)
        );
        assert!(refused.to_string().contains("board.json.lock"));
        drop(held);
        drop(b.lock(Duration::from_secs(10)).unwrap());
        assert!(path.exists(), "a lock file is never removed");
    }

    // A lock file was deleted by the one who had it, as tidy programs do: who waited got the lock of a file that nobody
    // would find any more, and whoever came next had it as well.
    #[test]
    fn who_waited_for_a_file_that_was_deleted_locks_the_one_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lock");
        let (a, b) = (LockFile::at(&path, false).unwrap(), LockFile::at(&path, false).unwrap());
        let held = a.lock(Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| b.lock(Duration::from_secs(10)).unwrap());
            std::thread::sleep(Duration::from_millis(50));
            std::fs::remove_file(&path).unwrap();
            drop(held);
            let _held = waiter.join().unwrap();
            let third = LockFile::at(&path, false).unwrap();
            assert!(third.lock(Duration::ZERO).is_err(), "two hold it");
        });
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = LockFile::at(&directory.path().join("no/x.lock"), false).err().unwrap();
        assert!(error.to_string().contains("no"), "{error}");
        assert!(LockFile::at(Path::new("/"), false).is_err());
    }
}
