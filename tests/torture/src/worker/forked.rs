//! A child that goes on with all that its parent had open and never becomes another program, as the workers of many
//! servers do. Beside `signals`, the only unsafe code here.

#![expect(unsafe_code, reason = "the standard library can't fork without becoming another program")]

use std::io;

/// Leaves a child of this process that does nothing until nobody talks to it any more.
pub(super) fn leave_a_child() -> io::Result<()> {
    // SAFETY: the child calls nothing but `read` and `_exit`, which may be called after a fork in a program that has
    // several threads.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let mut byte = 0_u8;
            // SAFETY: `byte` is one byte that may be written; nothing returns from here into the parent's code.
            unsafe {
                while libc::read(0, (&raw mut byte).cast(), 1) > 0 {}
                libc::_exit(0)
            }
        }
        _ => Ok(()),
    }
}
