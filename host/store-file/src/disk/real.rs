//! The operating system's disk, below one directory handle.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use fs4::TryLockError;
use rustix::fs::{AtFlags, statat};
use taskhost_board::Millis;

use super::open::open_regular;
use super::{Disk, DiskFile, Hold, How, Identity, Stamp};
use taskhost_forks::{self as forks, Entered, PROBE_QUIET_MAX, QUIET_MAX};

/// Two changes this far apart have different times, on every file system in use.
const TICK_MAX: Duration = Duration::from_secs(2);

/// A directory of the operating system. Nothing outside it can be reached by a path or a symbolic link.
pub(crate) struct RealDisk {
    directory: Dir,
}

impl RealDisk {
    pub(crate) fn new(directory: Dir) -> Self {
        Self { directory }
    }

    pub(crate) fn directory(&self) -> &Dir {
        &self.directory
    }

    /// Which file is at `path` now, by one system call wherever it is. A link in its last component is not followed, one
    /// above it may be, also to the outside: so this is for comparing with a file that is open already, and nothing may
    /// be read, written or believed to be absent by it.
    pub(crate) fn identity_in_one_call(&self, path: &str) -> io::Result<Identity> {
        let stat = statat(&self.directory, path, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Identity { device: stat.st_dev, inode: stat.st_ino })
    }

    fn names(
        &self,
        directory: &str,
        wanted: impl Fn(cap_std::fs::FileType) -> bool,
    ) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.directory.read_dir(directory)? {
            let entry = entry?;
            if wanted(entry.file_type()?) {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

struct RealFile {
    /// Whether this may hold a lock.
    locked: AtomicBool,
    /// Which file it is, once that was asked: an open file stays the same one.
    identity: OnceLock<Identity>,
    /// Left before the file is closed.
    entered: Option<Entered>,
    file: std::fs::File,
}

impl Drop for RealFile {
    fn drop(&mut self) {
        if self.entered.is_some() && *self.locked.get_mut() {
            forks::let_go(self.file.as_fd());
        }
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &str, how: How) -> io::Result<Arc<dyn DiskFile>> {
        if how == How::Probe {
            // Most files that are probed aren't there, and this says so for a fraction of what opening costs. Whoever
            // could lead it astray, by a link in place of the directory, could as well remove the file.
            self.identity_in_one_call(path)?;
        }
        let mut options = OpenOptions::new();
        options.read(true);
        match how {
            How::Read | How::LockThere | How::Probe => {}
            How::Append => {
                options.append(true);
            }
            How::New => {
                options.append(true).create_new(true);
            }
            How::Lock => {
                options.append(true).create(true);
            }
        }
        let open = || open_regular(&self.directory, path, &mut options.clone());
        let (entered, file) = match how {
            How::Lock | How::LockThere | How::Probe => {
                let patience = if how == How::Probe { PROBE_QUIET_MAX } else { QUIET_MAX };
                forks::opened(open, patience).map(|(entered, file)| (Some(entered), file))?
            }
            How::Read | How::Append | How::New => (None, open()?),
        };
        let (locked, identity) = (AtomicBool::new(false), OnceLock::new());
        Ok(Arc::new(RealFile { locked, identity, entered, file }))
    }

    fn identity(&self, path: &str) -> io::Result<Identity> {
        use cap_std::fs::MetadataExt as _;
        if !path.contains('/') {
            // A name in the directory itself, which is what commits ask for: nothing is above it that could be a link.
            return self.identity_in_one_call(path);
        }
        let metadata = self.directory.symlink_metadata(path)?;
        Ok(Identity { device: metadata.dev(), inode: metadata.ino() })
    }

    fn is_regular(&self, path: &str) -> io::Result<bool> {
        Ok(self.directory.symlink_metadata(path)?.is_file())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.directory.rename(from, &self.directory, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.directory.remove_file(path)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.names(directory, |kind| !kind.is_dir())
    }

    fn stamp(&self, directory: &str) -> io::Result<Option<Stamp>> {
        let stat = statat(&self.directory, directory, AtFlags::SYMLINK_NOFOLLOW)?;
        let changed = (stat.st_ctime, stat.st_ctime_nsec);
        let since = Duration::new(u64::try_from(changed.0).unwrap_or_default(), changed.1 as u32);
        // File systems keep time in ticks, coarse ones in seconds.
        let is_settled = SystemTime::now()
            .duration_since(UNIX_EPOCH + since)
            .is_ok_and(|since| since >= TICK_MAX);
        let directory = Identity { device: stat.st_dev, inode: stat.st_ino };
        Ok(is_settled.then_some(Stamp { directory, changed }))
    }

    fn directories(&self, directory: &str) -> io::Result<Vec<String>> {
        self.names(directory, |kind| kind.is_dir())
    }

    fn allocated(&self, path: &str) -> io::Result<u64> {
        use cap_std::fs::MetadataExt as _;
        // In blocks of 512 bytes, whatever the file system's own are.
        Ok(self.directory.symlink_metadata(path)?.blocks() * 512)
    }

    fn is_writable_by_all(&self, path: &str) -> io::Result<bool> {
        use cap_std::fs::MetadataExt as _;
        let found = self.directory.symlink_metadata(path)?;
        // A link's own mode says nothing.
        Ok(!found.is_symlink() && found.mode() & 0o002 != 0)
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        match self.directory.create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if self.directory.symlink_metadata(path)?.is_dir() { Ok(()) } else { Err(error) }
            }
            result => result,
        }
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        // Not `open_dir`, whose descriptors are only good for looking up paths.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(rustix::fs::OFlags::DIRECTORY.bits().cast_signed());
        self.directory.open_with(path, &options)?.sync_all()
    }
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(rustix::fs::fstat(&self.file)?.st_size).unwrap_or_default())
    }

    fn identity(&self) -> io::Result<Identity> {
        if let Some(known) = self.identity.get() {
            return Ok(*known);
        }
        let stat = rustix::fs::fstat(&self.file)?;
        Ok(*self.identity.get_or_init(|| Identity { device: stat.st_dev, inode: stat.st_ino }))
    }

    fn changed_at(&self) -> io::Result<Millis> {
        let since = self.file.metadata()?.modified()?.duration_since(UNIX_EPOCH);
        let ms = since.unwrap_or_default().as_millis();
        Ok(Millis(u64::try_from(ms).unwrap_or(u64::MAX)))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        use std::io::Write as _;
        (&self.file).write(bytes)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn try_lock(&self, hold: Hold) -> io::Result<bool> {
        let result = match hold {
            Hold::Exclusive => fs4::FileExt::try_lock(&self.file),
            Hold::Shared => fs4::FileExt::try_lock_shared(&self.file),
        };
        match result {
            Ok(()) => {
                self.locked.store(true, Relaxed);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn wait_lock(&self, hold: Hold) -> io::Result<()> {
        self.locked.store(true, Relaxed);
        loop {
            let result = match hold {
                Hold::Exclusive => fs4::FileExt::lock(&self.file),
                Hold::Shared => fs4::FileExt::lock_shared(&self.file),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn unlock(&self) -> io::Result<()> {
        fs4::FileExt::unlock(&self.file)?;
        self.locked.store(false, Relaxed);
        Ok(())
    }

    fn copy(&self) -> io::Result<(Entered, OwnedFd)> {
        forks::copied(self.file.as_fd())
    }
}
