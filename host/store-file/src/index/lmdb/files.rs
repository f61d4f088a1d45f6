//! The files of an LMDB environment: what LMDB itself leaves undone about them.

use std::io::ErrorKind::NotFound;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt as _;

use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use taskhost_board::ReadError;

use super::{DATA, LOCK, READERS_MAX, Unopened};
use crate::disk::{Reserved, fill, open_regular, reserve};

/// How long a new lock file is made: the table of readers, and what stands before it. LMDB takes as many readers as
/// there is room for.
const LOCK_BYTES: u64 = (READERS_MAX as u64 + 64) * 64;

/// Gives LMDB's lock file blocks on the disk before it is mapped. LMDB leaves it a hole, and on a full disk the first
/// reader in a new part of it would be killed. Only while this process doesn't have the environment open: closing the
/// file drops this process's `fcntl` locks on it.
pub(super) fn reserve_locks(directory: &Dir) -> Result<(), Unopened> {
    let reserved = || -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        // As LMDB makes its own.
        options.read(true).write(true).create(true).mode(0o600);
        let file = open_regular(directory, LOCK, &mut options)?;
        let metadata = file.metadata()?;
        match metadata.len() {
            0 => fill(&file, 0, LOCK_BYTES),
            // A full disk refuses even what is there already.
            length if metadata.blocks() * BLOCK_BYTES >= length => Ok(()),
            // Never made longer: others may have it mapped as it is.
            length => reserve(&file, 0, length).map(|_| ()),
        }
    };
    reserved().map_err(|error| match error.kind() {
        NotFound => Unopened::None(heed::Error::Io(error)),
        _ => Unopened::Failed(ReadError::Failed(format!("the index's `{LOCK}`: {error}"))),
    })
}

/// What the kernel counts a file's space in.
const BLOCK_BYTES: u64 = 512;

/// Whether there is less room left than a commit takes.
pub(super) fn is_full(directory: &Dir) -> bool {
    const LITTLE_BYTES: u64 = 1 << 18;
    let stat = rustix::fs::fstatvfs(directory);
    stat.is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) < LITTLE_BYTES)
}

/// LMDB leaves its data file's descriptor open over `exec`, so every program that an agent starts would have the
/// board's index in its hands, and keep its space after the index was removed.
pub(super) fn close_on_exec(directory: &Dir) -> std::io::Result<()> {
    let data = directory.symlink_metadata(DATA)?;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let is_data = std::fs::metadata(entry.path())
            .is_ok_and(|open| open.ino() == data.ino() && open.dev() == data.dev());
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|_| is_data) {
            // SAFETY: the descriptor is LMDB's, which keeps it open as long as the environment, and is only
            // borrowed for this call.
            let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
            rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
        }
    }
    Ok(())
}

/// Makes the data file at least so long, and never shorter.
pub(super) fn lengthen(directory: &Dir, bytes: u64) -> std::io::Result<()> {
    let length = directory.symlink_metadata(DATA)?.len();
    if length >= bytes {
        return Ok(());
    }
    let file = open_regular(directory, DATA, OpenOptions::new().read(true).write(true))?;
    match reserve(&file, length, bytes - length)? {
        Reserved::Yes => Ok(()),
        Reserved::Unsupported => file.set_len(bytes),
    }
}
