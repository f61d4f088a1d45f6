//! Waiting for a board to change: for an entry, or for a sign that a holder has died or a lock was let go.
//!
//! - [`Inner::wait`]: what a waiter does. [`Waiting`]: what the waiters of a handle share.
//! - `watcher`: the one thread of a handle that listens to the kernel, for as long as somebody waits. `notify`: inotify.
//!   `ends`: the ends of processes.
//!
//! A [`Mark`] is taken before one looks at the board; the wait ends when there is a newer one. No wake-up is lost:
//!
//! - *Entries.* A waiter compares marks after each call to look, and reads the count of these calls before it does, so
//!   none falls between. Each append makes the kernel speak to a watch that exists; the watcher then looks until the
//!   line counts, and calls. A watch that begins takes the journal for unsettled, so that a line that was written before
//!   it and counts after it is seen as well. A switch of generations replaces `board.json`, and is heard in the same way;
//!   until the handle has opened the new generation, everything that is heard is a call to look.
//! - *Deaths.* The kernel closes a dead process's life lock, which is heard; the watcher calls once the lock is free. A
//!   watch that begins is followed by asking about all holders. Before a sign is given, it is forgotten that the holder
//!   was found alive a moment ago, so that whoever looks then asks again.
//! - *Locks of tasks.* Whoever was refused one remembers it (`busy`), and asks about it before it waits and then once a
//!   second, since not every program's letting go is heard.
//! - *Processes* that claims name: the kernel tells when one ends, of the first [`LISTENED_MAX`] of them. A process that a
//!   waiter hears of for the first time is asked about at once. Since not every process can be listened to, they are asked
//!   about once a second as well, while there are such claims.
//!
//! Where nothing is heard (the system's limit of inotify instances, a file system of another machine, the simulated
//! world) a waiter polls. An idle board otherwise wakes nobody.

mod ends;
mod notify;
mod watcher;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant as Deadline};

use parking_lot::{Condvar, Mutex};
use taskhost_board::image::ImageView;
use taskhost_board::{BeginError, Mark, TaskId, View as _, Vital};

pub(crate) use notify::{Inotify, Notifier};

use crate::disk::Hold;
use crate::format::names;
use crate::index;
use crate::lock::{Tried, after, try_lock_existing};
use crate::state::{Inner, failed};

/// How often the shared words are looked at where nothing is heard: at first, and at last.
const POLL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// How often those are asked about whose end isn't heard.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long after a sign of a holder's death there isn't another one: a transaction asks about some holders only, and a
/// policy may let a dead one keep its task.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How many holders of each kind are asked about.
const ASKED_MAX: usize = 4_096;
/// How many processes are listened to: each costs a descriptor.
const LISTENED_MAX: usize = 64;
/// How many tasks whose locks were refused are remembered.
const BUSY_MAX: usize = 4_096;

/// What the waiters of a handle share.
#[derive(Default)]
pub(crate) struct Waiting {
    state: Mutex<State>,
    called: Condvar,
    /// How often the watcher woke up.
    wakes: AtomicU64,
}

#[derive(Default)]
struct State {
    /// How many calls to look there were.
    looks: u64,
    /// How many signs there were.
    signs: u64,
    waiters: usize,
    /// Since when nobody waits.
    idle_since: Option<Deadline>,
    /// While the watcher runs.
    notifier: Option<Arc<dyn Notifier>>,
    /// Tasks whose locks this handle was refused.
    busy: BTreeSet<TaskId>,
    /// Holders that were found dead by asking, and when.
    dead: HashMap<Vital, Deadline>,
    /// When those whose end isn't heard were last asked about.
    asked: Option<Deadline>,
}

impl Waiting {
    pub(crate) fn signs(&self) -> u64 {
        self.state.lock().signs
    }

    /// Takes note that a task's lock was refused.
    pub(crate) fn refused(&self, task: &TaskId) {
        let mut state = self.state.lock();
        if state.busy.len() < BUSY_MAX {
            state.busy.insert(task.clone());
        }
    }

    /// How often the watcher woke up.
    #[cfg(test)]
    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether somebody waits, and is woken by what is heard.
    #[cfg(test)]
    pub(crate) fn is_watched(&self) -> bool {
        let state = self.state.lock();
        state.waiters > 0 && state.notifier.is_some()
    }

    /// From now on, nobody is asked about because it is time to.
    #[cfg(test)]
    pub(crate) fn stop_asking(&self) {
        self.state.lock().asked = Some(Deadline::now() + Duration::from_secs(60 * 60));
    }

    /// Lets all waiters look.
    fn look(&self) {
        self.state.lock().looks += 1;
        self.called.notify_all();
    }

    /// Gives a sign, and lets all waiters look.
    fn sign(&self) {
        let mut state = self.state.lock();
        state.signs += 1;
        state.looks += 1;
        drop(state);
        self.called.notify_all();
    }

    fn is_busy(&self, task: &TaskId) -> bool {
        self.state.lock().busy.contains(task)
    }

    fn is_listening(&self) -> bool {
        self.state.lock().notifier.is_some()
    }

    fn is_idle(&self) -> bool {
        self.state.lock().waiters == 0
    }

    /// The watcher ends.
    fn stop(&self) {
        let mut state = self.state.lock();
        state.notifier = None;
        state.looks += 1;
        drop(state);
        self.called.notify_all();
    }

    /// The watcher ends if nobody has waited for a while.
    fn stop_if_idle(&self) -> bool {
        let mut state = self.state.lock();
        let is_idle = state.waiters == 0
            && state.idle_since.is_none_or(|since| since.elapsed() >= watcher::LINGER);
        if is_idle {
            state.notifier = None;
        }
        is_idle
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // The watcher finds the handle gone.
        if let Some(notifier) = &self.state.get_mut().notifier {
            notifier.interrupt();
        }
    }
}

/// One who waits.
struct Waiter<'a> {
    waiting: &'a Waiting,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut state = self.waiting.state.lock();
        state.waiters -= 1;
        if state.waiters == 0 {
            state.idle_since = Some(Deadline::now());
        }
    }
}

impl Inner {
    /// What to wait past.
    pub(crate) fn mark(&self) -> Result<Mark, BeginError> {
        // In this order, so that a sign that is given in between ends the wait.
        let deaths = self.waiting.signs();
        Ok(Mark { newest: self.newest()?, deaths })
    }

    /// Waits until there is a mark other than `past`, or `timeout` has passed.
    pub(crate) fn wait(
        self: &Arc<Self>,
        past: Mark,
        timeout: Duration,
    ) -> Result<Mark, BeginError> {
        let deadline = after(timeout);
        self.expect_here()?;
        let mark = self.mark()?;
        if mark != past || timeout.is_zero() {
            return Ok(mark);
        }
        self.waiting.state.lock().waiters += 1;
        let _waiter = Waiter { waiting: &self.waiting };
        let mut is_heard = self.listen();
        let mut pause = POLL.0;
        loop {
            if is_heard && !self.waiting.is_listening() {
                is_heard = self.listen();
            }
            self.listen_to_processes();
            let looks = self.waiting.state.lock().looks;
            let mark = self.mark()?;
            // Nothing happens any more on a board that was moved meanwhile.
            self.expect_here()?;
            let now = Deadline::now();
            if mark != past || now >= deadline {
                return Ok(mark);
            }
            let until = match (is_heard, self.next_asking(is_heard)) {
                (true, asking) => asking.map_or(deadline, |asking| asking.min(deadline)),
                (false, asking) => {
                    let until = deadline.min(now + pause);
                    pause = (pause * 2).min(POLL.1);
                    asking.map_or(until, |asking| asking.min(until))
                }
            };
            if !is_heard && self.platform.let_others_go().map_err(failed("."))? {
                continue;
            }
            let mut state = self.waiting.state.lock();
            while state.looks == looks {
                if self.waiting.called.wait_until(&mut state, until).timed_out() {
                    break;
                }
            }
            drop(state);
            if self.next_asking(is_heard).is_some_and(|at| Deadline::now() >= at) {
                self.ask(!is_heard);
            }
        }
    }

    /// Sees to it that a watcher runs. `false` if there can be none.
    fn listen(self: &Arc<Self>) -> bool {
        let mut state = self.waiting.state.lock();
        let is_new = state.notifier.is_none();
        if is_new {
            let Ok(Some(notifier)) = self.platform.notifier() else {
                drop(state);
                // Whoever begins to poll asks about everybody first, too.
                self.ask(true);
                return false;
            };
            let (handle, heard) = (Arc::downgrade(self), notifier.clone());
            let thread = std::thread::Builder::new().name("taskhost-watch".into());
            if thread.spawn(move || watcher::run(&handle, &heard)).is_err() {
                return false;
            }
            state.notifier = Some(notifier);
        }
        let has_refused = !state.busy.is_empty();
        let watched = state.notifier.clone().filter(|_| has_refused);
        drop(state);
        if let Some(notifier) = watched {
            // If it can't be heard, it is still asked about.
            let _ = notifier.watch_tasks();
        }
        if is_new || has_refused {
            self.ask(is_new);
        }
        true
    }

    /// When to ask next about those whose end isn't heard, if there are such.
    fn next_asking(&self, is_heard: bool) -> Option<Deadline> {
        let (asked, has_refused) = {
            let state = self.waiting.state.lock();
            (state.asked, !state.busy.is_empty())
        };
        let needed = has_refused
            || self.holders(1).iter().any(|h| !is_heard || matches!(h, Vital::Process(_)));
        needed.then(|| asked.map_or_else(Deadline::now, |asked| asked + ASK_EVERY))
    }

    /// Asks about processes and refused locks, and about sessions where `sessions` says so.
    fn ask(&self, sessions: bool) {
        let now = Deadline::now();
        let busy: Vec<TaskId> = {
            let mut state = self.waiting.state.lock();
            state.asked = Some(now);
            state.dead.retain(|_, found| now.duration_since(*found) < AGAIN_AFTER);
            state.busy.iter().cloned().collect()
        };
        let mut is_sign = false;
        for task in &busy {
            is_sign |= self.found_free(task);
        }
        for vital in self.holders(ASKED_MAX) {
            if sessions || matches!(vital, Vital::Process(_)) {
                is_sign |= self.is_news(&vital);
            }
        }
        if is_sign {
            self.waiting.sign();
        }
    }

    /// Has the kernel tell when a process ends that a claim names.
    fn listen_to_processes(&self) {
        let Some(notifier) = self.waiting.state.lock().notifier.clone() else { return };
        let process = |vital| match vital {
            Vital::Process(process) => Some(process),
            Vital::Session(_) => None,
        };
        // Nearly everywhere there is none, and it needn't be known who else there is.
        let has_some = self.holders(1).into_iter().any(|vital| process(vital).is_some());
        let limit = if has_some { LISTENED_MAX } else { 1 };
        let processes = self.holders(limit).into_iter().filter_map(process).collect();
        if notifier.watch_processes(&processes, &self.platform.now().boot) {
            self.ask(false);
        }
    }

    /// Whether this holder is dead, and nobody said so a moment ago.
    fn is_news(&self, vital: &Vital) -> bool {
        let is_known = self.waiting.state.lock().dead.contains_key(vital);
        !is_known && self.found_dead(vital) && {
            let mut state = self.waiting.state.lock();
            state.dead.insert(vital.clone(), Deadline::now()).is_none()
        }
    }

    /// Who holds claims, as far as they can be asked about. What is read here leaves only as a reason to look.
    fn holders(&self, limit: usize) -> Vec<Vital> {
        let Some(current) = self.open_generation() else { return Vec::new() };
        let Ok(reading) = index::read(&*current.index) else { return Vec::new() };
        ImageView::new(reading).vitals(limit).unwrap_or_default()
    }

    /// Whether this holder is dead. Whoever asks next asks anew.
    fn found_dead(&self, vital: &Vital) -> bool {
        if !self.is_dead(vital) {
            return false;
        }
        self.probes.lock().remove(vital);
        true
    }

    /// Whether this task's lock, which was refused, is free now.
    fn found_free(&self, task: &TaskId) -> bool {
        match try_lock_existing(&self.disk, &names::task_lock(task), Hold::Shared) {
            Ok(Tried::Busy) => false,
            Ok(Tried::Held(_) | Tried::Missing) => self.waiting.state.lock().busy.remove(task),
            // What can't be asked about isn't asked about again.
            Err(_) => {
                self.waiting.state.lock().busy.remove(task);
                false
            }
        }
    }
}
