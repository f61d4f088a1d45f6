//! The seam between the store and the disk. Every file of a board is reached through it, except the index and
//! the shared words, which are derived and mapped into memory.
//!
//! - [`Disk`]: one directory, and everything below it by relative path. [`DiskFile`]: an open file in it.
//! - [`RealDisk`]: the operating system's. The simulation has one that knows what was synced.
//! - [`replace_file`]: the one way in which a file is replaced.
//!
//! Invariants: a path never leaves the directory; what is opened is a regular file, and opening never waits; no file is reached through a symbolic link in its last
//! component; descriptors are closed on `exec`, and those of locks in forked children; locks have `flock` semantics, so that they belong to the open
//! file and closing another descriptor of the same file doesn't drop them.

#[cfg(any(test, feature = "simulation"))]
mod delegate;
mod open;
mod real;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant as Deadline;

#[cfg(any(test, feature = "simulation"))]
pub(crate) use delegate::delegate_file;
pub(crate) use open::{Reserved, fill, open_regular, reserve};
pub(crate) use real::RealDisk;
use taskhost_board::Millis;

use crate::platform::random_u64;
use taskhost_forks::Entered;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// To read; it must exist.
    Read,
    /// To read, append and truncate; it must exist.
    Append,
    /// To read, append and truncate; it must not exist yet.
    New,
    /// To lock; made, empty, if it doesn't exist.
    Lock,
    /// To lock, opened to be read only, so that closing it is no sign of anybody's death; it must exist.
    LockThere,
    /// The same, to be tried in a moment, by one who may have others wait.
    Probe,
}

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hold {
    /// By nobody else.
    Exclusive,
    /// Together with others that hold it shared.
    Shared,
}

/// Which file a name or a descriptor stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The device.
    pub device: u64,
    /// The inode on it.
    pub inode: u64,
}

/// A directory as it was at some time: whoever finds the same again finds the same names in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Which directory it is.
    pub(crate) directory: Identity,
    /// When it was last changed: seconds and nanoseconds since the epoch, by the file system's clock.
    pub(crate) changed: (i64, u64),
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Which file it is.
    fn identity(&self) -> io::Result<Identity>;
    /// When its content was last changed.
    fn changed_at(&self) -> io::Result<Millis>;
    /// Reads up to `buffer.len()` bytes at `offset`; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Appends in one write; says how many bytes were written, which may be fewer.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts it to `length` bytes.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Makes its content durable (`fdatasync`), not its name.
    fn sync(&self) -> io::Result<()>;
    /// Takes the lock if it is free.
    fn try_lock(&self, hold: Hold) -> io::Result<bool>;
    /// Waits for the lock as long as it takes.
    fn wait_lock(&self, hold: Hold) -> io::Result<()>;
    /// Waits for the lock until `deadline`, and says whether it got it; `None` where waiting can't be ended.
    fn wait_lock_until(&self, _hold: Hold, _deadline: Deadline) -> Option<io::Result<bool>> {
        None
    }
    /// Lets the lock go.
    fn unlock(&self) -> io::Result<()>;
    /// A second descriptor of the open file, if it has any: closed on `exec`, and, as long as the entry is kept, in
    /// forked children.
    fn copy(&self) -> io::Result<(Entered, OwnedFd)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A directory and what is below it. Paths are relative and use `/`.
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &str, how: How) -> io::Result<Arc<dyn DiskFile>>;
    /// Which file is at `path` now.
    fn identity(&self, path: &str) -> io::Result<Identity>;
    /// Whether a file of the regular kind is at `path`, and no directory, link or device.
    fn is_regular(&self, path: &str) -> io::Result<bool> {
        self.identity(path).map(|_| true)
    }
    /// Renames within this disk, replacing what is there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file's name.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// The names of the files in a directory (`.` is the top), in order.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;
    /// What stands for the names in a directory; `None` where it can't be told, or where they were changed so shortly
    /// before that another change might not show.
    fn stamp(&self, _directory: &str) -> io::Result<Option<Stamp>> {
        Ok(None)
    }
    /// The names of the directories in a directory, in order.
    fn directories(&self, directory: &str) -> io::Result<Vec<String>>;
    /// How many bytes of the disk a file takes up.
    fn allocated(&self, path: &str) -> io::Result<u64>;
    /// Whether every user of the machine may write to what is at `path`. A disk without users has nobody to name.
    fn is_writable_by_all(&self, _path: &str) -> io::Result<bool> {
        Ok(false)
    }
    /// Makes a directory; fine if it is there.
    fn create_dir(&self, path: &str) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &str) -> io::Result<()>;
    /// A number that nobody else is given, for names that nobody else uses.
    fn random(&self) -> u64 {
        random_u64()
    }
}

/// The whole content of a file.
pub(crate) fn read_file(disk: &dyn Disk, path: &str) -> io::Result<Vec<u8>> {
    read_open(&*disk.open(path, How::Read)?)
}

/// The whole content of an open file.
pub(crate) fn read_open(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    read_from(file, 0)
}

/// The content of an open file from `offset` on.
pub(crate) fn read_from(file: &dyn DiskFile, offset: u64) -> io::Result<Vec<u8>> {
    let length = file.len()?.saturating_sub(offset);
    let mut content = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < content.len() {
        match file.read_at(&mut content[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    content.truncate(filled);
    Ok(content)
}

/// Appends all of `bytes`, in as many writes as it takes: for files that nobody else sees yet.
pub(crate) fn append_all(file: &dyn DiskFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.append(bytes)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}

/// Whether something is at `path`.
pub(crate) fn exists(disk: &dyn Disk, path: &str) -> io::Result<bool> {
    match disk.identity(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a regular file is at `path`.
pub(crate) fn has_file(disk: &dyn Disk, path: &str) -> io::Result<bool> {
    match disk.is_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result,
    }
}

/// Removes a file that may be gone already.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &str) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The directory that `path` is in.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(directory, _)| directory)
}

/// Where in [`replace_file`] it failed, which decides what is known afterwards.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplaceError {
    /// Before the rename: the old content stands, now and after a crash.
    #[error("{0}")]
    Unchanged(io::Error),
    /// At the sync of the directory: the new content stands now; which one a crash leaves is unknown.
    #[error("{0}")]
    Unknown(io::Error),
}

impl From<ReplaceError> for io::Error {
    fn from(error: ReplaceError) -> Self {
        match error {
            ReplaceError::Unchanged(error) | ReplaceError::Unknown(error) => error,
        }
    }
}

/// Replaces a file so that a crash leaves the old content or the new one, whole, and, once this has returned,
/// the new one.
pub(crate) fn replace_file(
    disk: &dyn Disk,
    path: &str,
    content: &[u8],
) -> Result<(), ReplaceError> {
    let temporary = temporary_name(disk, path);
    let before = || -> io::Result<()> {
        // 1. Write all of it under a name of its own. A crash leaves the old content, and perhaps litter.
        let file = disk.open(&temporary, How::New)?;
        append_all(&*file, content)?;
        // 2. Make the content durable before its name is. A crash still leaves the old content.
        file.sync()?;
        // 3. Put it in the old one's place, at one instant. A crash leaves the one or the other, whole.
        disk.rename(&temporary, path)
    };
    before().map_err(|error| {
        // Litter is harmless and is swept up by the next switch, so this may fail too.
        let _ = disk.remove(&temporary);
        ReplaceError::Unchanged(error)
    })?;
    // 4. Make the name durable. From here on a crash leaves the new content.
    disk.sync_dir(parent(path)).map_err(ReplaceError::Unknown)
}

/// What the names of files begin with that are not in their place yet.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// A name beside `path` that nobody else uses.
pub(crate) fn temporary_name(disk: &dyn Disk, path: &str) -> String {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let random = disk.random();
    match parent(path) {
        "." => format!("{TEMPORARY}{random:016x}-{name}"),
        directory => format!("{directory}/{TEMPORARY}{random:016x}-{name}"),
    }
}
