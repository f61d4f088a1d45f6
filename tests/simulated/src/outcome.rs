//! What a part of the torture is given, and what it gives back.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// One way of looking for trouble.
pub struct Part {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it does, as a sentence without its full stop.
    pub does: &'static str,
    /// Its share of the time, in parts of all shares.
    pub share: u32,
    /// Does it, behaving by the bug if there is one.
    pub run: fn(&Effort, Option<Bug>) -> Outcome,
}

/// How much a part is to try.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Where all its random choices come from: the same seed gives the same ones.
    pub seed: u64,
    /// When it should stop looking further. What a part promises to try completely is tried all the same.
    pub until: Instant,
    /// Stop at the first thing that is wrong.
    pub first_only: bool,
    /// Do all that the full programme has, such as a million claims, however long it takes.
    pub is_full: bool,
}

impl Effort {
    /// One that begins now.
    pub fn new(seed: u64, time: Duration) -> Self {
        Self { seed, until: Instant::now() + time, first_only: false, is_full: false }
    }

    /// Whether its time is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Whether to stop: its time is over, or something was found and one thing is enough.
    pub fn is_done(&self, outcome: &Outcome) -> bool {
        self.is_over() || (self.first_only && !outcome.wrong.is_empty())
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Count {
    /// Operations before which a process was stopped.
    CrashPoints,
    /// States of a disk that a power failure may leave, or somebody who was killed: each opened and examined.
    DiskStates,
    /// Operations that failed, syncs that lied, bytes that were changed: those that happened, each once.
    Faults,
    /// Faults that were refused with the place or repaired; the others did no harm.
    FaultsReported,
    /// Orders of events that were gone through.
    Schedules,
    /// Histories of real processes that were checked.
    Histories,
    /// Operations in them.
    Operations,
    /// Claims that were acknowledged.
    Claims,
    /// Real processes ended by `kill -9`.
    Kills,
    /// Real processes stopped and resumed.
    Stops,
}

impl Count {
    /// What it is called in a table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CrashPoints => "crash points enumerated",
            Self::DiskStates => "states of the disk examined",
            Self::Faults => "faults injected",
            Self::FaultsReported => "of these, refused or repaired",
            Self::Schedules => "schedules explored",
            Self::Histories => "histories checked",
            Self::Operations => "operations in them",
            Self::Claims => "claims made",
            Self::Kills => "processes killed",
            Self::Stops => "processes stopped and resumed",
        }
    }
}

/// What harm was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Harm {
    /// Something acknowledged is gone.
    Lost,
    /// A task was given to two, or a change was made twice.
    Doubled,
    /// The board says something that was never written, and doesn't know it.
    Silent,
    /// Any other promise that was broken.
    Broken,
}

/// Something that went wrong.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// What harm it is.
    pub harm: Harm,
    /// What happened, where and when.
    pub what: String,
}

/// What a part did and found.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What it tried, and how often.
    pub counts: BTreeMap<Count, u64>,
    /// What it measured: a name, and the figure with its unit.
    pub figures: Vec<(String, String)>,
    /// What went wrong; empty unless there is a bug.
    pub wrong: Vec<Wrong>,
}

impl Outcome {
    /// Counts.
    pub fn count(&mut self, what: Count, by: u64) {
        *self.counts.entry(what).or_default() += by;
    }

    /// How often something was counted.
    pub fn counted(&self, what: Count) -> u64 {
        self.counts.get(&what).copied().unwrap_or_default()
    }

    /// Notes a figure.
    pub fn figure(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.figures.push((name.into(), value.into()));
    }

    /// Notes something wrong.
    pub fn wrong(&mut self, harm: Harm, what: impl Into<String>) {
        self.wrong.push(Wrong { harm, what: what.into() });
    }

    /// Takes in what another one did and found.
    pub fn merge(&mut self, other: Self) {
        for (what, by) in other.counts {
            self.count(what, by);
        }
        self.figures.extend(other.figures);
        self.wrong.extend(other.wrong);
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Silent => "silent corruption",
            Self::Broken => "broken promise",
        })
    }
}

/// A bug that can be planted, wherever it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// In the board's commands.
    Board(taskhost_board::PlantedBug),
    /// In the store.
    Store(taskhost_store_file::PlantedBug),
}

impl Bug {
    /// The bug, if it is one of the board's commands.
    pub fn in_board(bug: Option<Self>) -> Option<taskhost_board::PlantedBug> {
        match bug {
            Some(Self::Board(bug)) => Some(bug),
            _ => None,
        }
    }

    /// The bug, if it is one of the store.
    pub fn in_store(bug: Option<Self>) -> Option<taskhost_store_file::PlantedBug> {
        match bug {
            Some(Self::Store(bug)) => Some(bug),
            _ => None,
        }
    }
}
