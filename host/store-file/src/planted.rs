//! A bug that is planted beneath the store: a board's lock file that is removed when the lock is let go.
//!
//! - [`unlinking`]: a disk on which that happens.
//!
//! Whoever waits then gets the lock of a file without a name, while a newcomer makes and locks another one. What the
//! store does against it, comparing the two files, is deceived: whatever has the name seems to be the same file.

use std::io;
use std::sync::Arc;
use std::time::Instant as Deadline;

use crate::disk::{Disk, DiskFile, Hold, How, Identity, delegate_file};
use crate::format::names;

/// `disk`, but the board's lock file is removed when its lock is let go.
pub(crate) fn unlinking(disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
    Arc::new(Unlinking(disk))
}

/// What the lock's file seems to be, whichever it is.
const ALWAYS: Identity = Identity { device: 0, inode: 0 };

struct Unlinking(Arc<dyn Disk>);

struct UnlinkedLock {
    file: Arc<dyn DiskFile>,
    disk: Arc<dyn Disk>,
}

impl Disk for Unlinking {
    fn open(&self, path: &str, how: How) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.0.open(path, how)?;
        if path != names::LOCK || how != How::Lock {
            return Ok(file);
        }
        Ok(Arc::new(UnlinkedLock { file, disk: self.0.clone() }))
    }
    fn identity(&self, path: &str) -> io::Result<Identity> {
        if path == names::LOCK { Ok(ALWAYS) } else { self.0.identity(path) }
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }
    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.0.list(directory)
    }
    fn directories(&self, directory: &str) -> io::Result<Vec<String>> {
        self.0.directories(directory)
    }
    fn allocated(&self, path: &str) -> io::Result<u64> {
        self.0.allocated(path)
    }
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.0.sync_dir(path)
    }
    fn random(&self) -> u64 {
        self.0.random()
    }
}

impl DiskFile for UnlinkedLock {
    delegate_file!(file: len changed_at read_at append truncate sync try_lock wait_lock);

    fn identity(&self) -> io::Result<Identity> {
        Ok(ALWAYS)
    }
    fn wait_lock_until(&self, hold: Hold, deadline: Deadline) -> Option<io::Result<bool>> {
        self.file.wait_lock_until(hold, deadline)
    }
    fn unlock(&self) -> io::Result<()> {
        // Somebody else may have removed it already.
        let _ = self.disk.remove(names::LOCK);
        self.file.unlock()
    }
}
