//! What policies may do beyond their transaction: named locks, and small files.
//!
//! Names are a letter or digit and then up to 127 letters, digits, `.`, `_` or `-`, so that none is a path, and
//! none is the lock or a temporary file of this module, whose names begin with a dot. Files are reached through a
//! directory handle, so that no link leads out. The shared directory is only used with its consent (`shared`).
//!
//! Invariant: each directory has a lock of its own, `.lock`, held exclusively from the comparison with the
//! expected content to the sync of the directory, and shared while reading: so compare-and-replace is one step
//! between processes (and boards, for the shared directory). Whoever has read a file, or found none, syncs the directory
//! before anybody is told, so that no crash can take that back: a writer that is killed before its own sync lets go of the
//! lock all the same.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::image::ImageView;
use taskhost_board::{
    FILE_BYTES_MAX, FileFailure, LifeGuard, LockFailure, Place, Powers, View as _,
};

use crate::disk::{Disk, Hold, How, TEMPORARY, read_from, replace_file};
use crate::index;
use crate::life::named;
use crate::lock::{FileLock, LockError, after};
use crate::state::Inner;

const OWN_FILES: &str = "policy-files";

/// The powers of a board's policies.
pub(crate) struct FilePowers {
    pub(crate) inner: Arc<Inner>,
}

/// A directory of policies' files.
struct Directory<'a> {
    inner: &'a Inner,
    disk: Arc<dyn Disk>,
    path: &'static str,
    /// Which directory `disk` is, where it isn't the board's.
    place: String,
}

impl Directory<'_> {
    fn file(&self, name: &str) -> String {
        match self.path {
            "." => name.to_owned(),
            path => format!("{path}/{name}"),
        }
    }

    fn lock(&self, hold: Hold, deadline: Deadline) -> Result<FileLock, FileFailure> {
        self.inner
            .helpers
            .lock(&self.disk, &self.place, &self.file(".lock"), hold, deadline)
            .map_err(|e| FileFailure::Failed(e.to_string()))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, FileFailure> {
        let file = match self.disk.open(&self.file(name), How::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(FileFailure::NotFound);
            }
            result => result.map_err(|error| unread(name, &error))?,
        };
        if file.len().map_err(broken)? > FILE_BYTES_MAX as u64 {
            return Err(FileFailure::TooLarge);
        }
        read_from(&*file, 0).map_err(broken)
    }

    /// Makes durable what was just read, or found to be missing.
    fn make_durable(&self) -> Result<(), FileFailure> {
        self.disk.sync_dir(self.path).map_err(broken)
    }

    /// Why the file may not be replaced; `None` if it is what was expected. Only under the lock.
    fn differs(&self, name: &str, expected: &[u8]) -> Option<FileFailure> {
        match self.read(name) {
            Ok(found) => (found != expected).then_some(FileFailure::Changed),
            // A file that isn't there is as good as an empty one.
            Err(FileFailure::NotFound) => (!expected.is_empty()).then_some(FileFailure::Changed),
            Err(other) => Some(other),
        }
    }

    /// Removes what replacements that died have left. Only under the lock.
    fn sweep(&self) {
        for name in self.disk.list(self.path).unwrap_or_default() {
            if name.starts_with(TEMPORARY) {
                let _ = self.disk.remove(&self.file(&name));
            }
        }
    }
}

fn unread(name: &str, error: &io::Error) -> FileFailure {
    FileFailure::Failed(format!("`{name}`: {error}"))
}

fn broken(error: io::Error) -> FileFailure {
    FileFailure::Failed(error.to_string())
}

impl FilePowers {
    fn directory(&self, at: Place, deadline: Deadline) -> Result<Directory<'_>, FileFailure> {
        self.inner.lock.same_process().map_err(|e| FileFailure::Failed(e.to_string()))?;
        let inner = &*self.inner;
        match at {
            Place::Board => Ok(Directory {
                inner,
                disk: inner.disk.clone(),
                path: OWN_FILES,
                place: String::new(),
            }),
            Place::Shared => {
                let (path, board) = self.shared_path(deadline)?;
                let disk = inner.shared_place(&path, &board)?;
                // The path may lead to another directory one day.
                let which = disk.identity(".").ok();
                Ok(Directory { inner, disk, path: ".", place: format!("{path} {which:?}") })
            }
        }
    }

    /// The shared directory, as it is set, and the board's id. Read without waiting for its durability: policies
    /// call this inside a transaction, whose own end sees to that.
    fn shared_path(&self, deadline: Deadline) -> Result<(String, String), FileFailure> {
        let unreadable = |e: &dyn std::fmt::Display| FileFailure::Failed(e.to_string());
        let current = match self.inner.open_generation() {
            Some(current) => current,
            None => self.inner.current(deadline).map_err(|e| unreadable(&e))?,
        };
        let reading = index::read(&*current.index).map_err(|e| unreadable(&e))?;
        let settings = ImageView::new(reading).settings().map_err(|e| unreadable(&e))?;
        let path = settings.shared_files.ok_or_else(|| {
            FileFailure::Forbidden(
                "this board shares no files with others: `config set shared_files DIR` names a \
                 directory"
                    .into(),
            )
        })?;
        Ok((path, current.board.clone()))
    }
}

impl Powers for FilePowers {
    fn lock(&self, name: &str, timeout: Duration) -> Result<Box<dyn LifeGuard>, LockFailure> {
        check_name(name).map_err(LockFailure::Limit)?;
        named(&self.inner, &format!("locks/policy_{name}.lock"), timeout).map_err(|error| {
            match error {
                LockError::Timeout(_) => LockFailure::Timeout,
                other => LockFailure::Failed(other.to_string()),
            }
        })
    }

    fn read(&self, at: Place, name: &str, timeout: Duration) -> Result<Vec<u8>, FileFailure> {
        check_name(name).map_err(FileFailure::Forbidden)?;
        let deadline = after(timeout);
        let directory = self.directory(at, deadline)?;
        let lock = directory.lock(Hold::Shared, deadline)?;
        let found = directory.read(name);
        // What was read is what it is: nobody has to wait for the rest.
        drop(lock);
        directory.make_durable()?;
        found
    }

    fn replace(
        &self,
        at: Place,
        name: &str,
        content: &[u8],
        expected: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<(), FileFailure> {
        check_name(name).map_err(FileFailure::Forbidden)?;
        if content.len() > FILE_BYTES_MAX {
            return Err(FileFailure::TooLarge);
        }
        let deadline = after(timeout);
        let directory = self.directory(at, deadline)?;
        let _lock = directory.lock(Hold::Exclusive, deadline)?;
        if at == Place::Board {
            self.inner.expect_here().map_err(|e| FileFailure::Failed(e.to_string()))?;
        }
        if let Some(expected) = expected
            && let Some(refusal) = directory.differs(name, expected)
        {
            directory.make_durable()?;
            return Err(refusal);
        }
        directory.sweep();
        replace_file(&*directory.disk, &directory.file(name), content).map_err(|e| broken(e.into()))
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let good = (1..=128).contains(&name.len())
        && name.bytes().enumerate().all(|(i, byte)| {
            byte.is_ascii_alphanumeric() || (i > 0 && matches!(byte, b'.' | b'_' | b'-'))
        });
    if good {
        return Ok(());
    }
    Err(format!(
        "`{name}` is not a valid name: it must be a letter or digit, then up to 127 letters, digits, `.`, `_` or `-`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_paths_are_refused() {
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "/etc",
            ".lock",
            "-x",
            "a b",
            "a\0",
            "ä",
            &"a".repeat(129),
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "0", "quota.json", "A-b_c.d", &"a".repeat(128)] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
    }
}
