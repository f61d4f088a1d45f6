//! Taking turns across processes, by a word that they share: one has the turn, and the others sleep until it is given
//! back.
//!
//! - [`Turn`]: what turns are taken at. [`Held`]: a turn that was taken, until it is dropped.
//!
//! Nothing is safe because of a turn: the board's lock excludes, and a sync covers what it covers, whoever has the turn.
//! Turns only save those who would be in each other's way from waking each other in vain. So whoever has waited for long
//! goes on without one, as where the process that has it was killed, and then puts the word right ([`Turn::seize`]).
//!
//! | value | meaning |
//! | --- | --- |
//! | 0 | nobody has the turn |
//! | 1 | somebody has it |
//! | 2 | somebody has it, and others may sleep |

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant as Deadline};

use rustix::thread::futex::{self, Flags, Timespec};

use super::Cells;
use taskhost_forks::lineage;

const FREE: u32 = 0;
const TAKEN: u32 = 1;
const AWAITED: u32 = 2;

/// For how long somebody else's turn is waited for: longer than any turn takes that isn't a dead process's.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// Something of which one at a time has the turn.
#[derive(Clone)]
pub(crate) struct Turn {
    cells: Arc<dyn Cells>,
    index: usize,
}

/// Who is woken when a turn is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The one who sleeps for the longest time: it takes the turn.
    One,
    /// Everybody: most have nothing to do any more.
    All,
}

/// A turn. Dropping it gives it back.
pub(crate) struct Held {
    turn: Turn,
    wake: Wake,
    /// The process's, when it was taken: by its number a fork need not be told here, for nothing is safe because of a turn.
    lineage: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        // A forked child has a copy of its parent's.
        if self.lineage == lineage() {
            self.turn.give(self.wake);
        }
    }
}

impl Turn {
    /// What has this word, if anybody can sleep for it.
    pub(super) fn at(cells: Arc<dyn Cells>, index: usize) -> Option<Self> {
        cells.turn_word(index)?;
        Some(Self { cells, index })
    }

    fn with<T>(&self, act: impl FnOnce(&AtomicU32) -> T) -> Option<T> {
        self.cells.turn_word(self.index).map(act)
    }

    fn held(&self, wake: Wake) -> Held {
        Held { turn: self.clone(), wake, lineage: lineage() }
    }

    /// Whether somebody has it.
    pub(crate) fn is_taken(&self) -> bool {
        self.with(|word| word.load(SeqCst) != FREE) == Some(true)
    }

    /// Takes the turn if nobody has it.
    pub(crate) fn try_take(&self, wake: Wake) -> Option<Held> {
        let taken = self.with(|word| word.compare_exchange(FREE, TAKEN, SeqCst, SeqCst).is_ok());
        (taken == Some(true)).then(|| self.held(wake))
    }

    /// Takes the turn, waiting for it no longer than until `deadline`, and not for ever; `None` if that was too short.
    pub(crate) fn take(&self, deadline: Deadline, wake: Wake) -> Option<Held> {
        if let Some(held) = self.try_take(wake) {
            return Some(held);
        }
        let deadline = deadline.min(Deadline::now() + PATIENCE);
        let taken = self.with(|word| {
            // Whoever has slept can't know whether others sleep still.
            while word.swap(AWAITED, SeqCst) != FREE {
                if !sleep(word, deadline) {
                    return false;
                }
            }
            true
        });
        (taken == Some(true)).then(|| self.held(wake))
    }

    /// Waits until the turn that somebody has is given back; `false` if that takes too long.
    pub(crate) fn wait(&self) -> bool {
        let deadline = Deadline::now() + PATIENCE;
        let ended = self.with(|word| {
            let awaited = word.compare_exchange(TAKEN, AWAITED, SeqCst, SeqCst);
            matches!(awaited, Err(FREE)) || sleep(word, deadline)
        });
        ended == Some(true)
    }

    /// Takes the turn from whoever has it, since it wasn't given back in time.
    pub(crate) fn seize(&self, wake: Wake) -> Held {
        self.with(|word| word.store(AWAITED, SeqCst));
        self.held(wake)
    }

    fn give(&self, wake: Wake) {
        self.with(|word| {
            if word.swap(FREE, SeqCst) == AWAITED {
                let count = if wake == Wake::One { 1 } else { i32::MAX as u32 };
                // That nobody was woken shows when their patience is over.
                let _ = futex::wake(word, Flags::empty(), count);
            }
        });
    }
}

/// Sleeps while the word is [`AWAITED`]; `false` if that takes until `deadline`.
fn sleep(word: &AtomicU32, deadline: Deadline) -> bool {
    let Some(timeout) = timeout_until(deadline) else { return false };
    // Woken, or interrupted, or the word was another one already: whoever asked looks again.
    futex::wait(word, Flags::empty(), AWAITED, Some(&timeout)) != Err(rustix::io::Errno::TIMEDOUT)
}

/// How long it is until then; `None` if it isn't any more.
pub(super) fn timeout_until(deadline: Deadline) -> Option<Timespec> {
    let left = deadline.saturating_duration_since(Deadline::now());
    (!left.is_zero()).then(|| Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    })
}
