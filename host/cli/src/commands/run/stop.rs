//! Ctrl-C and its kin: the first signal asks to stop, the second to hurry.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::screen::Screen;
use crate::exit::Code;

/// Whether the workers are to stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The signal, or 0.
    signal: AtomicUsize,
    hurry: AtomicBool,
    drain: AtomicBool,
}

/// A signal that stops a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    HangUp,
    Interrupt,
    Terminate,
}

impl StopSignal {
    fn of(number: usize) -> Option<Self> {
        match i32::try_from(number) {
            Ok(SIGHUP) => Some(Self::HangUp),
            Ok(SIGINT) => Some(Self::Interrupt),
            Ok(SIGTERM) => Some(Self::Terminate),
            _ => None,
        }
    }

    /// What the run exits with.
    pub fn code(self) -> Code {
        match self {
            Self::HangUp => Code::HungUp,
            Self::Interrupt => Code::Interrupted,
            Self::Terminate => Code::Terminated,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HangUp => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// Listens for signals until it is dropped.
pub struct Listener {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Stop {
    /// Begins to listen for signals; says on `screen` what the first one does.
    pub fn listen(&self, screen: &Screen) -> io::Result<Listener> {
        // What is ignored already stays so: `nohup`, and a script's shell for its background jobs, mean it.
        let ignored = ignored_signals();
        let wanted = [SIGHUP, SIGINT, SIGTERM].into_iter();
        let mut signals = Signals::new(wanted.filter(|&signal| !contains(ignored, signal)))?;
        let handle = signals.handle();
        let (stop, screen) = (self.clone(), screen.clone());
        let thread = thread::Builder::new().spawn(move || {
            for signal in signals.forever() {
                if stop.hear(usize::try_from(signal).unwrap_or_default()) {
                    screen.say(
                        "stopping: the commands are asked to terminate, and their tasks are handed back",
                    );
                }
            }
        })?;
        Ok(Listener { handle, thread: Some(thread) })
    }

    /// The signal that stopped the run, if one did.
    pub fn signal(&self) -> Option<StopSignal> {
        StopSignal::of(self.shared.signal.load(Ordering::SeqCst))
    }

    /// Whether nobody is to claim anything any more.
    pub fn is_wanted(&self) -> bool {
        self.signal().is_some() || self.shared.drain.load(Ordering::SeqCst)
    }

    /// Whether there is no time to be gentle.
    pub fn hurries(&self) -> bool {
        self.shared.hurry.load(Ordering::SeqCst)
    }

    /// Lets everybody finish what they do, and claim nothing more.
    pub fn drain(&self) {
        self.shared.drain.store(true, Ordering::SeqCst);
    }

    /// Takes note of a signal; says whether it is the first.
    fn hear(&self, signal: usize) -> bool {
        let is_first = self
            .shared
            .signal
            .compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok();
        if !is_first {
            self.shared.hurry.store(true, Ordering::SeqCst);
        }
        is_first
    }
}

/// The signals that this process ignores, one bit for each; none where there is no `/proc`.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status).unwrap_or_default()
}

fn ignored_in(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn contains(mask: u64, signal: i32) -> bool {
    // The lowest bit is signal 1.
    mask >> (signal - 1) & 1 == 1
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It only listened: a panic there would have been reported already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_signal_stops_and_second_hurries() {
        let stop = Stop::default();
        assert!(!stop.is_wanted());
        assert!(stop.hear(SIGTERM as usize));
        assert!(stop.is_wanted() && !stop.hurries());
        assert!(!stop.hear(SIGINT as usize));
        assert!(stop.hurries());
        assert_eq!(stop.signal().map(StopSignal::code), Some(Code::Terminated));
    }

    #[test]
    fn ignored_signals_are_read_from_the_process_status() {
        // `nohup taskhost run` was stopped by the hang-up that it was to survive.
        let mask = ignored_in("Name:\tx\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\n");
        assert!(mask.is_some_and(|mask| contains(mask, SIGHUP) && !contains(mask, SIGINT)));
        assert_eq!(ignored_in(""), None);
    }

    #[test]
    fn draining_is_no_signal() {
        let stop = Stop::default();
        stop.drain();
        assert!(stop.is_wanted());
        assert_eq!(stop.signal(), None);
    }
}
