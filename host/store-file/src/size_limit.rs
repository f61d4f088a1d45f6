//! What happens where a process may write files of a certain length only (`ulimit -f`).
//!
//! Whoever writes beyond it gets a signal that ends the process, unless the process says otherwise, and only then the
//! error that a full disk gives too. A board's handle must not end the program that it is part of, so where there is
//! such a limit and the program has said nothing about the signal, it is caught and does nothing. Caught, and not
//! ignored: what is ignored stays ignored in the programs that are started.

#![expect(unsafe_code, reason = "what a signal does is told to the C library")]

use std::sync::Once;

use rustix::process::{Resource, getrlimit};

extern "C" fn nothing(_signal: libc::c_int) {}

/// Lets writes beyond the limit fail instead of ending the process.
pub(crate) fn catch() {
    static CAUGHT: Once = Once::new();
    if getrlimit(Resource::Fsize).current.is_none() {
        return;
    }
    CAUGHT.call_once(|| {
        // SAFETY: both are given actions that live through the call. The handler does nothing, which may be done in
        // one, and lives as long as the program. One that the program has set itself is left alone.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            let asked = libc::sigaction(libc::SIGXFSZ, std::ptr::null(), &raw mut before);
            if asked == 0 && before.sa_sigaction == libc::SIG_DFL {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
                action.sa_flags = libc::SA_RESTART;
                libc::sigaction(libc::SIGXFSZ, &raw const action, std::ptr::null_mut());
            }
        }
    });
}
