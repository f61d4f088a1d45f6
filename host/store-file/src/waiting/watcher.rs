//! The thread that watches a board's files for all threads of a handle that wait, and decides what is news.
//!
//! What the kernel says comes too early: a journal is written to before its line counts (steps 4 and 5 of a commit), and
//! a dead process's file is closed before its lock is let go. So what was heard is *unsettled* at first: it is looked at
//! again and again, at growing intervals, until it has come true.
//!
//! - The journal is settled when the index has all of it and the shared words say so. Should that take longer than
//!   [`PATIENCE`], the writer may have died in between, and somebody has to take the lock and mend: that is a sign.
//!   It is looked at until it is settled all the same, however long that takes, since the writer may only have been
//!   stopped.
//! - A session or a task's lock is a *suspect* until the lock is found free, which is a sign; or until [`SUSPECTED`] has
//!   passed, since it may be held by another one.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{Generation, Sequence, SessionId, TaskId, Vital};

use super::notify::{Notifier, Signs};
use crate::index;
use crate::state::Inner;

/// How often what is unsettled is looked at: at first, and at last.
const LOOK: (Duration, Duration) = (Duration::from_micros(20), Duration::from_secs(1));
/// How long a line may be written and not count before that is a sign.
const PATIENCE: Duration = Duration::from_millis(5);
/// How long it is looked whether a lock that was closed is free.
const SUSPECTED: Duration = Duration::from_secs(10);
/// How long the thread stays while nobody waits.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// What was heard and has not come true yet.
struct Unsettled {
    /// Since when the journal has been ahead of what counts.
    journal: Option<Deadline>,
    /// Whether that was made a sign of.
    told: bool,
    sessions: BTreeSet<SessionId>,
    tasks: BTreeSet<TaskId>,
    /// When the last suspect was added.
    suspected: Deadline,
    pause: Duration,
    /// What was current when the waiters last were told to look.
    shown: Option<(Generation, Sequence)>,
}

/// Watches until nobody waits any more, the handle is gone, or nothing more is heard.
pub(super) fn run(handle: &Weak<Inner>, notifier: &Arc<dyn Notifier>) {
    // A line may have been written just before the watch began.
    let mut unsettled = Unsettled {
        journal: Some(Deadline::now()),
        told: false,
        sessions: BTreeSet::new(),
        tasks: BTreeSet::new(),
        suspected: Deadline::now(),
        pause: LOOK.0,
        shown: None,
    };
    let mut timeout = Some(LOOK.0);
    loop {
        let heard = notifier.next(timeout);
        let Some(inner) = handle.upgrade() else { return };
        inner.waiting.wakes.fetch_add(1, Ordering::Relaxed);
        let Ok(signs) = heard else {
            // Whoever waits begins anew, and looks at everything as they do.
            inner.waiting.stop();
            return;
        };
        unsettled.hear(&inner, signs);
        unsettled.settle(&inner);
        if inner.waiting.stop_if_idle() {
            return;
        }
        timeout = unsettled.pause().or_else(|| inner.waiting.is_idle().then_some(LINGER));
    }
}

impl Unsettled {
    fn hear(&mut self, inner: &Inner, signs: Signs) {
        let Signs { journal, mut sessions, mut tasks, processes, missed } = signs;
        let ended = processes.into_iter().map(Vital::Process);
        if ended.filter(|process| inner.is_news(process)).count() > 0 {
            inner.waiting.sign();
        }
        if missed {
            inner.probes.lock().clear();
            inner.waiting.sign();
        }
        if journal || missed {
            self.journal.get_or_insert_with(Deadline::now);
            self.pause = LOOK.0;
        }
        // Nobody here cares about other tasks.
        tasks.retain(|task| inner.waiting.is_busy(task));
        if !sessions.is_empty() || !tasks.is_empty() {
            self.sessions.append(&mut sessions);
            self.tasks.append(&mut tasks);
            self.suspected = Deadline::now();
            self.pause = LOOK.0;
        }
    }

    /// How long to wait before the next look; `None` if there is nothing to look at.
    fn pause(&mut self) -> Option<Duration> {
        if self.journal.is_none() && self.sessions.is_empty() && self.tasks.is_empty() {
            self.pause = LOOK.0;
            return None;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LOOK.1);
        Some(pause)
    }

    fn settle(&mut self, inner: &Inner) {
        if let Some(since) = self.journal {
            self.look_at_journal(inner, since);
        }
        let died = |session: &SessionId| inner.found_dead(&Vital::Session(session.clone()));
        let before = self.sessions.len() + self.tasks.len();
        self.sessions.retain(|session| !died(session));
        self.tasks.retain(|task| !inner.found_free(task));
        if self.sessions.len() + self.tasks.len() < before {
            inner.waiting.sign();
        }
        if self.suspected.elapsed() > SUSPECTED {
            self.sessions.clear();
            self.tasks.clear();
        }
    }

    fn look_at_journal(&mut self, inner: &Inner, since: Deadline) {
        let Some(current) = inner.open_generation() else {
            // Another generation is, or is becoming, current: whoever looks opens it. Then it can be told here
            // whether what was heard of it counts yet.
            self.shown = None;
            inner.waiting.look();
            return;
        };
        let length = current.journal.len();
        let applied = index::read(&*current.index).and_then(|reading| index::meta(&reading));
        let newest = current.words.appended_through();
        let settled = matches!(
            (length, applied),
            (Ok(length), Ok(Some(meta))) if meta.offset >= length && newest >= meta.applied
        );
        if self.shown != Some((current.generation, newest)) {
            self.shown = Some((current.generation, newest));
            inner.waiting.look();
        }
        if settled {
            self.journal = None;
            self.told = false;
        } else if !self.told && since.elapsed() > PATIENCE {
            self.told = true;
            inner.waiting.sign();
        }
    }
}
