//! What a board's processes measure about themselves, together: how long they wait for the lock and hold it, how long
//! syncs and hooks take, and how often things happen.
//!
//! - [`Recorder`]: where one handle records. A few relaxed atomic additions each, and no system call.
//! - [`Measured`]: what was recorded since the machine started, by all processes and by each of the last 64.
//! - `page`: the mapped file.
//!
//! The file, `index/stats`, is derived and never synced; it belongs to one board, place and boot. If it is missing,
//! damaged or another board's, it is made anew. Nothing is decided by it, so whatever fails here is let be, and then
//! nothing is measured.

mod page;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use taskhost_board::{
    Figures, Measure, Measured, Meter, Process, ProcessFigures, ReadError, Tally,
};

use self::page::{Owner, Page, SLOTS, WORDS, Whose};
use crate::platform::Platform;
use crate::process::{has_ended, is_unknown_to_the_kernel, process};
use crate::state::Inner;

impl Inner {
    /// What the board's processes measured. Empty where nothing can be.
    pub(crate) fn figures(&self) -> Result<Measured, ReadError> {
        self.lock.same_process().map_err(|e| ReadError::Failed(e.to_string()))?;
        Ok(self.recorder.read(&*self.platform))
    }
}

/// Where a handle records.
#[derive(Default)]
pub(crate) struct Recorder {
    entry: RwLock<Option<Entry>>,
    /// Whoever else is told.
    told: Option<Arc<dyn Meter>>,
}

#[derive(Clone)]
struct Entry {
    page: Arc<Page>,
    /// This process's own figures, if there was room.
    slot: Option<usize>,
    home: u64,
}

impl Meter for Recorder {
    fn record(&self, what: Measure, took: Duration) {
        if let Some(told) = &self.told {
            told.record(what, took);
        }
        self.with(|page, whose| page.record(whose, what, took));
    }

    fn memory(&self, what: Measure, bytes: u64) {
        if let Some(told) = &self.told {
            told.memory(what, bytes);
        }
        self.with(|page, whose| page.memory(whose, what, bytes));
    }

    fn count(&self, what: Tally) {
        if let Some(told) = &self.told {
            told.count(what);
        }
        self.with(|page, whose| page.count(whose, what));
    }
}

impl Recorder {
    /// Records, and tells somebody else of the same.
    pub(crate) fn telling(told: Option<Arc<dyn Meter>>) -> Self {
        Self { told, ..Self::default() }
    }

    fn with(&self, act: impl Fn(&Page, Whose)) {
        // Whoever is changing the entry does so for an instant.
        let entry = self.entry.read();
        let Some(entry) = entry.as_ref() else { return };
        act(&entry.page, Whose::All);
        if let Some(slot) = entry.slot {
            act(&entry.page, Whose::Slot(slot));
        }
    }

    /// Records in the figures of the board whose words' home this is.
    pub(crate) fn attach(&self, platform: &dyn Platform, home: u64) {
        if self.entry.read().as_ref().is_some_and(|e| e.home == home && e.page.is_linked()) {
            return;
        }
        let page = open(platform, home).map(Arc::new);
        *self.entry.write() = page.map(|page| Entry { slot: slot(&page, platform), page, home });
    }

    /// Makes the figures anew if somebody has removed them.
    pub(crate) fn attach_again(&self, platform: &dyn Platform) {
        let home = self.entry.read().as_ref().map(|entry| entry.home);
        if let Some(home) = home {
            self.attach(platform, home);
        }
    }

    fn read(&self, platform: &dyn Platform) -> Measured {
        self.attach_again(platform);
        let Some(Entry { page, .. }) = self.entry.read().clone() else {
            return Measured::default();
        };
        let me = process(std::process::id()).ok();
        let processes = (0..SLOTS).filter_map(|slot| {
            let owner = page.owner(slot)?;
            Some(ProcessFigures {
                pid: owner.pid(),
                since: owner.since,
                alive: !is_dead(owner, me.as_ref()),
                figures: figures(&page, Whose::Slot(slot)),
            })
        });
        let mut processes: Vec<ProcessFigures> = processes.collect();
        processes.sort_by_key(|process| (process.since, process.pid));
        Measured { since: page.since(), all: figures(&page, Whose::All), processes }
    }
}

/// The page that is there, or a new one.
fn open(platform: &dyn Platform, home: u64) -> Option<Page> {
    let words = platform.statistics(WORDS).ok()?;
    if let Some(page) = words.and_then(|words| Page::of(words, home)) {
        return Some(page);
    }
    // Of two who make one at once, one records where nobody looks, until it looks again itself.
    let header = page::header(home, platform.now().wall);
    Page::of(platform.make_statistics(WORDS, page::SHARED_WORDS, &header).ok()??, home)
}

/// How many of the oldest owners are asked whether they are still who they were.
const EXAMINED_MAX: usize = 4;

/// A slot for this process: its own, a free one, or one whose owner is dead, the oldest first.
fn slot(page: &Page, platform: &dyn Platform) -> Option<usize> {
    let me = process(std::process::id()).ok()?;
    let owners: Vec<Option<Owner>> = (0..SLOTS).map(|slot| page.owner(slot)).collect();
    if let Some(own) = owners.iter().position(|owner| owner.is_some_and(|owner| owner.is(&me))) {
        return Some(own);
    }
    let mut candidates: Vec<usize> = (0..SLOTS).collect();
    candidates.sort_by_key(|slot| owners[*slot].map(|owner| owner.since));
    let now = platform.now().wall;
    // On a full disk there are no figures of this process's own.
    let take = |slot: usize| {
        let is_taken = page.reserve(slot).is_ok() && page.take(slot, owners[slot], &me, now);
        is_taken.then_some(slot)
    };
    // Every command comes by here, so most owners are only asked about as cheaply as can be.
    let is_gone = |owner: Owner| owner.is_beside(&me) && is_unknown_to_the_kernel(owner.pid());
    let free = candidates.iter().filter(|slot| owners[**slot].is_none_or(is_gone));
    let reused = candidates.iter().take(EXAMINED_MAX);
    let reused = reused.filter(|slot| owners[**slot].is_some_and(|o| is_dead(o, Some(&me))));
    free.chain(reused).find_map(|slot| take(*slot))
}

/// Whether a slot's owner is proved dead. One who died while taking it counts as dead as well.
fn is_dead(owner: Owner, me: Option<&Process>) -> bool {
    me.is_some_and(|me| {
        if owner.started == 0 {
            return owner.is_beside(me) && process(owner.pid()).is_err();
        }
        let named = Process { pid: owner.pid(), started: owner.started, ..me.clone() };
        owner.is_beside(me) && has_ended(&named, &me.boot)
    })
}

fn figures(page: &Page, whose: Whose) -> Figures {
    Figures {
        times: Measure::ALL
            .into_iter()
            .map(|what| (what, page.times(whose, what).distribution()))
            .collect(),
        counts: Tally::ALL.into_iter().map(|what| (what, page.counted(whose, what))).collect(),
        memory: Measure::HOOKS
            .into_iter()
            .map(|what| (what, page.memory_bytes_max(whose, what)))
            .filter(|(_, bytes)| *bytes > 0)
            .collect(),
    }
}

impl Inner {
    /// Syncs, and takes note of how long that took.
    pub(crate) fn timed_sync(
        &self,
        sync: impl FnOnce() -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let started = std::time::Instant::now();
        let result = sync();
        self.recorder.record(Measure::Sync, started.elapsed());
        result
    }
}
