//! A handle's connections: idle ones are used again, and no more than so many are out at once.
//!
//! Whoever waits for one is served in the order of coming. A thread that has one already and needs another beside it waits for
//! nobody, as where a policy reads a file in the middle of a transaction, or something is asked while a view is looked at: those
//! who have the others may be about to do the same, and all would wait for each other. A connection that the server has closed meanwhile is noticed
//! when it is handed out, by a look at its socket; one that broke takes with it all idle ones that are older.

use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::address::Address;
use crate::fault::LinkError;
use crate::link::{Link, PATIENCE};
use crate::per_process::PerProcess;

/// The pauses between two tries to reach a server that isn't there: at first, and at last.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// How long a server is waited for that was never reached: its address may be wrong.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// There is no connection to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// All were in use until the deadline.
    #[error(
        "all {max} connections of this handle were in use for {waited:.1?}: say `pool={}` in the board's address, if the server allows for more", (max * 2).min(crate::address::POOL_MAX)
    )]
    Exhausted {
        /// How many there are.
        max: usize,
        /// How long one was waited for.
        waited: Duration,
    },
    /// None could be made.
    #[error(transparent)]
    Connect(#[from] LinkError),
}

/// The connections of a handle.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<PerProcess<Shared>>,
    address: Arc<Address>,
    max: usize,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether the server was ever reached.
    reached: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The one that was used last is used next.
    idle: Vec<Idle>,
    out: usize,
    /// Which threads have got those that are out, and how many.
    holders: HashMap<ThreadId, usize>,
    waiting: VecDeque<u64>,
    next_ticket: u64,
    next_number: u64,
}

struct Idle {
    link: Link,
    number: u64,
}

impl State {
    /// A place for this thread, with an idle connection if there is one.
    fn enter(&mut self, thread: ThreadId) -> Option<Idle> {
        self.out += 1;
        *self.holders.entry(thread).or_default() += 1;
        self.take_idle()
    }

    /// The place that this thread got is given back.
    fn leave(&mut self, thread: ThreadId) {
        self.out -= 1;
        if let Some(places) = self.holders.get_mut(&thread) {
            *places -= 1;
            if *places == 0 {
                self.holders.remove(&thread);
            }
        }
    }

    /// One that works, as far as can be seen from here.
    fn take_idle(&mut self) -> Option<Idle> {
        while let Some(mut idle) = self.idle.pop() {
            if idle.link.take_in().is_ok() {
                return Some(idle);
            }
        }
        None
    }
}

impl Shared {
    fn new() -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), reached: AtomicBool::new(false) }
    }

    /// One that comes back until then.
    fn wait_for_idle(&self, until: Instant) -> Option<Idle> {
        let mut state = self.state.lock();
        loop {
            if let Some(idle) = state.take_idle() {
                return Some(idle);
            }
            if self.changed.wait_until(&mut state, until).timed_out() {
                return state.take_idle();
            }
        }
    }
}

impl Pool {
    /// A pool of at most `max` connections, none of which is made yet.
    pub fn new(address: Address, max: usize) -> Self {
        let shared = Arc::new(PerProcess::new(Shared::new()));
        Self { shared, address: Arc::new(address), max: max.max(1) }
    }

    /// Where they lead.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A connection, until `deadline` at the latest.
    pub fn get(&self, deadline: Instant) -> Result<Pooled, PoolError> {
        let shared = self.shared.get(|_| Shared::new());
        let thread = thread::current().id();
        let found = self.take(shared, thread, deadline)?;
        let mut place = Place { pool: self.clone(), thread, kept: true };
        if let Some(Idle { link, number }) = found {
            return Ok(Pooled { link: Some(link), number, fresh: false, place });
        }
        match self.connect(shared, deadline) {
            Ok((Idle { link, number }, fresh)) => {
                Ok(Pooled { link: Some(link), number, fresh, place })
            }
            Err(error) => {
                place.give_back(None);
                Err(error.into())
            }
        }
    }

    /// How many wait for one.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.shared.get(|_| Shared::new()).state.lock().waiting.len()
    }

    /// A place among those that are out, with an idle connection if there is one.
    fn take(
        &self,
        shared: &Shared,
        thread: ThreadId,
        deadline: Instant,
    ) -> Result<Option<Idle>, PoolError> {
        let began = Instant::now();
        let mut state = shared.state.lock();
        if state.holders.contains_key(&thread) {
            return Ok(state.enter(thread));
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push_back(ticket);
        while state.out >= self.max || state.waiting.front() != Some(&ticket) {
            if shared.changed.wait_until(&mut state, deadline).timed_out()
                && (state.out >= self.max || state.waiting.front() != Some(&ticket))
            {
                state.waiting.retain(|other| *other != ticket);
                shared.changed.notify_all();
                return Err(PoolError::Exhausted { max: self.max, waited: began.elapsed() });
            }
        }
        state.waiting.pop_front();
        let found = state.enter(thread);
        // The next one may find a place as well.
        if !state.waiting.is_empty() {
            shared.changed.notify_all();
        }
        Ok(found)
    }

    /// Connects, and waits for a server that is starting, or has no connection left: then one that comes back meanwhile does
    /// as well. Whether it was just made.
    fn connect(&self, shared: &Shared, deadline: Instant) -> Result<(Idle, bool), LinkError> {
        let patience = if shared.reached.load(SeqCst) {
            deadline
        } else {
            deadline.min(Instant::now() + FIRST_WAIT)
        };
        let mut pause = PAUSE.0;
        loop {
            match Link::connect(&self.address, deadline) {
                Ok(link) => {
                    shared.reached.store(true, SeqCst);
                    let mut state = shared.state.lock();
                    state.next_number += 1;
                    return Ok((Idle { link, number: state.next_number }, true));
                }
                Err(error) if !error.is_unreachable() => return Err(error),
                Err(error) => {
                    if Instant::now() + pause >= patience {
                        return Err(error);
                    }
                }
            }
            if let Some(idle) = shared.wait_for_idle(Instant::now() + pause) {
                return Ok((idle, false));
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }
}

/// A place among the connections that are out.
struct Place {
    pool: Pool,
    thread: ThreadId,
    kept: bool,
}

impl Place {
    /// Gives the place back, with a connection for the next one, or without one that broke (then with its number).
    fn give_back(&mut self, link: Option<Result<Idle, u64>>) {
        if !std::mem::take(&mut self.kept) {
            return;
        }
        let shared = self.pool.shared.get(|_| Shared::new());
        let mut dropped: Vec<Idle> = Vec::new();
        let mut state = shared.state.lock();
        state.leave(self.thread);
        match link {
            // A thread needed more than one at once.
            Some(Ok(idle)) if state.out + state.idle.len() >= self.pool.max => dropped.push(idle),
            Some(Ok(idle)) => state.idle.push(idle),
            Some(Err(number)) => {
                let (young, old) =
                    std::mem::take(&mut state.idle).into_iter().partition(|i| i.number > number);
                state.idle = young;
                dropped = old;
            }
            None => {}
        }
        drop(state);
        shared.changed.notify_all();
        drop(dropped);
    }
}

/// A connection that is out; dropped, it goes back.
pub struct Pooled {
    link: Option<Link>,
    number: u64,
    fresh: bool,
    place: Place,
}

impl Pooled {
    /// Whether it was just made. One that wasn't may turn out to be lost at its first use, without anything having
    /// happened there: then another one is worth asking for.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }
}

impl Deref for Pooled {
    type Target = Link;

    fn deref(&self) -> &Link {
        match &self.link {
            Some(link) => link,
            None => unreachable!("taken out only when dropped"),
        }
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Link {
        match &mut self.link {
            Some(link) => link,
            None => unreachable!("taken out only when dropped"),
        }
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        if !link.is_here() {
            // A child has no place to give back, and closing its copy of the socket disturbs nobody.
            return;
        }
        let usable = !thread::panicking()
            && !link.is_broken()
            && (!link.is_in_transaction() || link.roll_back_and_forget().is_ok());
        link.set_patience(PATIENCE);
        let number = self.number;
        self.place.give_back(Some(if usable { Ok(Idle { link, number }) } else { Err(number) }));
    }
}
