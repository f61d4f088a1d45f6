//! Descriptors that this process was started with, by their numbers.

#![expect(unsafe_code, reason = "a number from the environment has to be taken for a descriptor")]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

/// A descriptor of our own for the open file that has this number here, closed on `exec`; an error if there is none.
pub(super) fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(rustix::io::Errno::BADF.into());
    }
    // SAFETY: the number isn't -1, and is used only for this one system call, which leaves the descriptor as it is
    // and fails if there is none. Should the number stand for something that this process has opened itself, there
    // is a second descriptor of that for a moment, until it is seen not to be the file that was named.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    // Above the standard streams, which might be closed.
    Ok(rustix::io::fcntl_dupfd_cloexec(borrowed, 3)?)
}
