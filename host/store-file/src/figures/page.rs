//! The words in `index/stats`, which every process of this boot maps, and adds to.
//!
//! ```text
//! 0 magic   1 home   2 since (wall clock, ms)          then the figures of all processes together,
//! then for 64 slots: 0 owner  1 started  2 since
//! then for 64 slots                                   the figures of one process each
//! figures: for each measure  sum, max, memory, buckets;        then a word for each count
//! ```
//!
//! `owner` is a process's number, with the low half of its namespace's inode above it; `started` its start time, 0
//! while the slot is being emptied.
//!
//! Invariants: everything is only ever added to, or made larger, by relaxed atomic operations, so that nothing that was recorded is
//! lost, whichever threads and processes record at once; a slot is given to another process only after its owner is
//! dead; a slot has room on the disk before it is given to anybody; and the figures of all together don't depend on slots. What is read while others record is a moment old in
//! one place or another.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use taskhost_board::{BUCKETS, Histogram, Measure, Millis, Process, Tally, bucket};

use crate::words::MappedWords;

const MAGIC: u64 = 0x7461_736b_7374_0004;
const HEADER: usize = 3;
const SLOT_HEADER: usize = 3;
const PER_MEASURE: usize = 3 + BUCKETS;
const PER_FIGURES: usize = Measure::ALL.len() * PER_MEASURE + Tally::ALL.len();
/// How many processes have figures of their own.
pub(super) const SLOTS: usize = 64;
/// How many words are everybody's: all but the figures of slots. Even reading what has no room on the disk may need some.
pub(super) const SHARED_WORDS: usize = HEADER + PER_FIGURES + SLOTS * SLOT_HEADER;
/// How many words there are.
pub(super) const WORDS: usize = SHARED_WORDS + SLOTS * PER_FIGURES;

/// What a page begins with.
pub(super) fn header(home: u64, since: Millis) -> [u64; HEADER] {
    [MAGIC, home, since.0]
}

/// The mapped words.
pub(super) struct Page {
    words: MappedWords,
}

/// Whose figures are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    All,
    Slot(usize),
}

impl Whose {
    fn base(self) -> usize {
        match self {
            Self::All => HEADER,
            Self::Slot(slot) => SHARED_WORDS + slot * PER_FIGURES,
        }
    }
}

fn slot_base(slot: usize) -> usize {
    HEADER + PER_FIGURES + slot * SLOT_HEADER
}

/// Who has a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    word: u64,
    pub(super) started: u64,
    pub(super) since: Millis,
}

impl Owner {
    pub(super) fn pid(self) -> u32 {
        self.word as u32
    }

    /// Whether this is the owner of a slot of `process`.
    pub(super) fn is(self, process: &Process) -> bool {
        self.word == owner(process) && self.started == process.started
    }

    /// Whether it is a process of the namespace of `process`.
    pub(super) fn is_beside(self, process: &Process) -> bool {
        self.word >> 32 == owner(process) >> 32
    }
}

fn owner(process: &Process) -> u64 {
    (process.namespace << 32) | u64::from(process.pid)
}

impl Page {
    /// The page in `words`, if it is one of this board and boot.
    pub(super) fn of(words: MappedWords, home: u64) -> Option<Self> {
        let page = Self { words };
        (page.get(0) == MAGIC && page.get(1) == home).then_some(page)
    }

    pub(super) fn is_linked(&self) -> bool {
        self.words.is_linked()
    }

    pub(super) fn since(&self) -> Millis {
        Millis(self.get(2))
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        self.words.word(index)
    }

    fn get(&self, index: usize) -> u64 {
        self.word(index).load(Ordering::Relaxed)
    }

    pub(super) fn record(&self, whose: Whose, what: Measure, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let base = whose.base() + measure(what) * PER_MEASURE;
        self.word(base + 3 + bucket(micros)).fetch_add(1, Ordering::Relaxed);
        self.word(base).fetch_add(micros, Ordering::Relaxed);
        self.word(base + 1).fetch_max(micros, Ordering::Relaxed);
    }

    pub(super) fn memory(&self, whose: Whose, what: Measure, bytes: u64) {
        self.word(whose.base() + measure(what) * PER_MEASURE + 2)
            .fetch_max(bytes, Ordering::Relaxed);
    }

    pub(super) fn count(&self, whose: Whose, what: Tally) {
        self.word(tally(whose, what)).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn times(&self, whose: Whose, what: Measure) -> Histogram {
        let base = whose.base() + measure(what) * PER_MEASURE;
        let buckets = (0..BUCKETS).map(|bucket| self.get(base + 3 + bucket));
        Histogram::of(buckets, self.get(base), self.get(base + 1))
    }

    pub(super) fn memory_bytes_max(&self, whose: Whose, what: Measure) -> u64 {
        self.get(whose.base() + measure(what) * PER_MEASURE + 2)
    }

    pub(super) fn counted(&self, whose: Whose, what: Tally) -> u64 {
        self.get(tally(whose, what))
    }

    /// Who has a slot; `None` if nobody ever had it.
    pub(super) fn owner(&self, slot: usize) -> Option<Owner> {
        let base = slot_base(slot);
        let word = self.word(base).load(Ordering::Acquire);
        let owner = Owner { word, started: self.get(base + 1), since: Millis(self.get(base + 2)) };
        (word != 0).then_some(owner)
    }

    /// Makes room on the disk for a slot's figures: those that were never used take up none.
    pub(super) fn reserve(&self, slot: usize) -> io::Result<()> {
        self.words.reserve(Whose::Slot(slot).base(), PER_FIGURES)
    }

    /// Gives a slot to `process`, if it still is `from`'s, and empties it.
    pub(super) fn take(
        &self,
        slot: usize,
        from: Option<Owner>,
        process: &Process,
        now: Millis,
    ) -> bool {
        let base = slot_base(slot);
        let was = from.map_or(0, |owner| owner.word);
        let taken = self.word(base).compare_exchange(
            was,
            owner(process),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if taken.is_err() {
            return false;
        }
        self.word(base + 1).store(0, Ordering::Relaxed);
        let figures = Whose::Slot(slot).base();
        for index in figures..figures + PER_FIGURES {
            if self.get(index) != 0 {
                self.word(index).store(0, Ordering::Relaxed);
            }
        }
        self.word(base + 2).store(now.0, Ordering::Relaxed);
        self.word(base + 1).store(process.started, Ordering::Release);
        true
    }
}

fn measure(what: Measure) -> usize {
    Measure::ALL.iter().position(|other| *other == what).unwrap_or_default()
}

fn tally(whose: Whose, what: Tally) -> usize {
    let at = Tally::ALL.iter().position(|other| *other == what).unwrap_or_default();
    whose.base() + Measure::ALL.len() * PER_MEASURE + at
}
