//! What a board's processes measure about themselves. Nothing is decided by it.
//!
//! - [`Meter`]: where what is measured and counted goes; [`Measure`] and [`Tally`] are what there is of it.
//! - [`Measured`]: what came together, as people read it.
//! - [`Histogram`]: lengths of time in little room; `buckets` are what they are sorted into.

mod buckets;
mod histogram;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::buckets::{BUCKETS, bucket};
pub use self::histogram::Histogram;
use crate::Millis;

/// A length of time that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// From asking for the board's lock until it was held; where transactions run side by side, from asking for one
    /// until it was open.
    LockWait,
    /// From then until it was let go, or the transaction was over.
    LockHold,
    /// A sync of the journal, or a commit until its server said that it is durable.
    Sync,
    /// The hook `readiness`, asked about one task.
    Readiness,
    /// The hook `assignment`.
    Assignment,
    /// The hook `lifecycle`.
    Lifecycle,
    /// The hook `recovery`.
    Recovery,
}

impl Measure {
    /// Every measure, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::LockWait,
        Self::LockHold,
        Self::Sync,
        Self::Readiness,
        Self::Assignment,
        Self::Lifecycle,
        Self::Recovery,
    ];

    /// Those that are hooks of a policy, in the order in which they are shown.
    pub const HOOKS: [Self; 4] =
        [Self::Readiness, Self::Assignment, Self::Lifecycle, Self::Recovery];

    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LockWait => "lock_wait",
            Self::LockHold => "lock_hold",
            Self::Sync => "sync",
            Self::Readiness => "readiness",
            Self::Assignment => "assignment",
            Self::Lifecycle => "lifecycle",
            Self::Recovery => "recovery",
        }
    }
}

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tally {
    /// Transactions that were begun.
    Transactions,
    /// Those that found the board's lock taken, or something that they wanted.
    Contended,
    /// Those that gave up waiting for it.
    TimedOut,
    /// Those whose work was done by another one that held it.
    Combined,
    /// Tasks that were claimed.
    Claims,
    /// Requests for work for which there was none.
    Nothing,
    /// Requests that came too late: somebody else's task, or a stale token.
    Conflicts,
    /// Tasks that were taken from a holder that was late or dead.
    Recoveries,
    /// Decisions that fell back to the standard policy because the board's own failed.
    Fallbacks,
}

impl Tally {
    /// Every count, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Transactions,
        Self::Contended,
        Self::TimedOut,
        Self::Combined,
        Self::Claims,
        Self::Nothing,
        Self::Conflicts,
        Self::Recoveries,
        Self::Fallbacks,
    ];

    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Contended => "contended",
            Self::TimedOut => "timed_out",
            Self::Combined => "combined",
            Self::Claims => "claims",
            Self::Nothing => "nothing",
            Self::Conflicts => "conflicts",
            Self::Recoveries => "recoveries",
            Self::Fallbacks => "fallbacks",
        }
    }
}

/// Takes note of what is measured and counted. Called while locks are held, so it must be quick and never wait.
pub trait Meter: Send + Sync {
    /// Something took this long.
    fn record(&self, what: Measure, took: Duration);
    /// A policy that was asked for this had so much memory of its own, in bytes.
    fn memory(&self, what: Measure, bytes: u64) {
        let _ = (what, bytes);
    }
    /// Something happened.
    fn count(&self, what: Tally);
}

/// Takes note of nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn record(&self, _what: Measure, _took: Duration) {}
    fn count(&self, _what: Tally) {}
}

/// How measured lengths of time are distributed; all of them in microseconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Distribution {
    /// How many were measured.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half of them took no longer than this.
    pub p50: u64,
    /// 90 % took no longer than this.
    pub p90: u64,
    /// 99 % took no longer than this.
    pub p99: u64,
    /// 99.9 % took no longer than this.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

/// What was measured and counted, by all processes together or by one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// How long things took.
    pub times: BTreeMap<Measure, Distribution>,
    /// How often they happened.
    pub counts: BTreeMap<Tally, u64>,
    /// The most memory that a policy had when it was asked for something, in bytes; only for what policies are asked.
    pub memory: BTreeMap<Measure, u64>,
}

/// What was measured on a board since its machine was started, where it is kept by one, or its figures were last thrown
/// away.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// Since when.
    pub since: Millis,
    /// What all processes measured together.
    pub all: Figures,
    /// What each of them did, as far as they are remembered; the dead are forgotten first.
    pub processes: Vec<ProcessFigures>,
}

/// What one process measured.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessFigures {
    /// Its number in its namespace.
    pub pid: u32,
    /// When it began to use the board.
    pub since: Millis,
    /// Whether it may be living still: known for the processes of one's own namespace.
    pub alive: bool,
    /// What it measured.
    pub figures: Figures,
}
