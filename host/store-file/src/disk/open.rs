//! Opening a regular file and nothing else, without ever waiting.
//!
//! Whoever opens a named pipe waits until somebody opens its other end, and opening a device can do anything. Anybody
//! may put one in the place of a board's file, by mistake or not, so each file is opened without waiting and looked at
//! before it is used. Space that is going to be mapped is taken up first ([`reserve`]): a page of a file that has no
//! block of its own, written to when the disk is full, would kill the process by a signal.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt as _;

use cap_std::fs::{Dir, FileTypeExt as _, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

/// Opens the regular file at `path`, through no symbolic link in its last component. The error says what else is there.
pub(crate) fn open_regular(
    directory: &Dir,
    path: &str,
    options: &mut OpenOptions,
) -> io::Result<File> {
    // cap-std sets O_CLOEXEC. A lock must be on the file of this name and no other, and a planted link
    // must not make us write into a file that was meant for something else, hence O_NOFOLLOW.
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    let file = match directory.open_with(path, options) {
        // A link, a socket, a directory, or a pipe that nobody reads.
        Err(error) if is_of_kind(&error) => return Err(what_is_there(directory, path, error)),
        opened => opened?.into_std(),
    };
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    let what = if kind.is_dir() {
        DIRECTORY
    } else if kind.is_fifo() {
        PIPE
    } else {
        DEVICE
    };
    Err(other_kind(what))
}

const DIRECTORY: &str = "a directory";
const PIPE: &str = "a named pipe";
const DEVICE: &str = "a device";

fn other_kind(what: &str) -> io::Error {
    io::Error::other(format!("it is {what} and not a regular file"))
}

fn is_of_kind(error: &io::Error) -> bool {
    let kinds = [Errno::LOOP, Errno::NXIO, Errno::ISDIR, Errno::NODEV];
    kinds.iter().any(|kind| error.raw_os_error() == Some(kind.raw_os_error()))
}

fn what_is_there(directory: &Dir, path: &str, error: io::Error) -> io::Error {
    let Ok(metadata) = directory.symlink_metadata(path) else { return error };
    let kind = metadata.file_type();
    if kind.is_symlink() {
        other_kind("a symbolic link")
    } else if kind.is_socket() {
        other_kind("a socket")
    } else if kind.is_dir() {
        other_kind(DIRECTORY)
    } else if kind.is_fifo() {
        other_kind(PIPE)
    } else if kind.is_file() {
        error
    } else {
        other_kind(DEVICE)
    }
}

/// Whether a file system can take up space ahead of its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// All of it has blocks now.
    Yes,
    /// It can't be told to; only writing helps.
    Unsupported,
}

/// Takes up blocks for `length` bytes from `offset` on, without changing what is read there. An error means that there
/// is no room. Where the file system copies blocks when they are written to (snapshots of Btrfs), a full disk can still
/// strike later.
pub(crate) fn reserve(file: &File, offset: u64, length: u64) -> io::Result<Reserved> {
    loop {
        match fallocate(file, FallocateFlags::empty(), offset, length) {
            Ok(()) => return Ok(Reserved::Yes),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Reserved::Unsupported),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The same for all of a file that nobody else uses yet and that is empty from `offset` on: written where it can't be
/// reserved.
pub(crate) fn fill(file: &File, offset: u64, length: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    const ZEROS: [u8; 4096] = [0; 4096];
    if reserve(file, offset, length)? == Reserved::Yes {
        return Ok(());
    }
    let mut at = offset;
    while at < offset + length {
        let bytes = usize::try_from(offset + length - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
        file.write_all_at(&ZEROS[..bytes], at)?;
        at += bytes as u64;
    }
    Ok(())
}
