//! Signals that a worker is to be ended by, whatever its parents did about them: `nohup` has some ignored, and so has a
//! shell that starts something in the background, and what is ignored stays so over `exec`.

#![expect(unsafe_code, reason = "the standard library can't say what a signal does")]

/// Lets the signals that ask a process to end do so.
pub(super) fn let_end() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: no code of ours runs at the signal: it does what it does by default. It can't fail for these.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
