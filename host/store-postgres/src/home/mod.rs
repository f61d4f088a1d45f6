//! A handle's home connection: it holds what lives as long as its process does, and hears what others have done.
//!
//! - [`Home`]: the handle's part. [`LifeHold`]: what is held, until it is dropped. `keeper`: the one thread that has the
//!   connection; it is started when it is first needed.
//!
//! What is held are session-level advisory locks, which the server lets go when the connection ends, however it ends.
//! That proves less than a file's lock does: a server that was restarted has let go of the locks of sessions that live.
//! So the keeper connects anew for as long as something is held, and takes everything again first of all; whoever asks
//! whether a session lives must find its lock free twice, some time apart.
//!
//! A sign is anything after which it is worth looking at the board: a notification, a new connection (which may have
//! missed some), or, since a notification is only a hint, another answer to a cheap question that is asked while somebody
//! waits: a second after the last sign, and more and more seldom where nothing happens. No sign is lost: they are counted, and whoever waits names the count that they had before they
//! looked.
//!
//! A forked child has a home of its own, which holds nothing of its parent's.

mod keeper;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::address::Address;
use crate::fault::LinkError;
use crate::per_process::PerProcess;

/// For how long a lock that somebody else has is asked for: they may only be asking whether its owner lives.
const BUSY_WAIT: Duration = Duration::from_secs(1);
/// How long the server is waited for, to hold something.
const HOLD_WAIT: Duration = Duration::from_secs(30);
/// How long the letting go is waited for. It happens anyway.
const RELEASE_WAIT: Duration = Duration::from_millis(500);

/// What can't be held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// Somebody else holds it.
    #[error("somebody else holds it already")]
    Busy,
    /// The server isn't there.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// The home connection of a handle.
pub struct Home {
    shared: Arc<PerProcess<Arc<Shared>>>,
}

/// What the handle, what it holds, and the keeper share.
struct Shared {
    address: Address,
    /// Asks for a number that is another one when something has happened.
    question: Option<String>,
    /// Notes that those of these names were found alive.
    found: Option<String>,
    state: Mutex<State>,
    changed: Condvar,
    bell: Bell,
}

#[derive(Default)]
struct State {
    holds: BTreeMap<i64, Hold>,
    /// What is to be let go.
    leaving: Vec<i64>,
    signs: u64,
    waiters: usize,
    is_running: bool,
    is_dropped: bool,
    /// Why there is no connection.
    trouble: Option<LinkError>,
}

/// Something that is to be held.
#[derive(Debug, Clone, Default)]
struct Hold {
    /// Whom others know by it, if anybody.
    name: String,
    is_held: bool,
    /// Since when somebody else was found to hold it.
    refused_since: Option<Instant>,
}

impl Home {
    /// Nothing is connected yet. While somebody waits, `question` is asked every now and then: a statement that answers
    /// with one `bigint`, another one if something has happened.
    pub fn new(address: Address, question: Option<String>) -> Self {
        Self::noting(address, question, None)
    }

    /// The same; whenever something is held, at first or again, `found` is said to the server, a statement that is given the
    /// names as a `text[]`: what others noted while it wasn't held is over then.
    pub(crate) fn noting(
        address: Address,
        question: Option<String>,
        found: Option<String>,
    ) -> Self {
        let shared = Arc::new(PerProcess::new(Shared::new(address, question, found)));
        Self { shared }
    }

    fn shared(&self) -> &Arc<Shared> {
        let anew = |first: &Arc<Shared>| {
            Shared::new(first.address.clone(), first.question.clone(), first.found.clone())
        };
        self.shared.get(anew)
    }

    /// Holds the lock of this number. Returns once it is held, or held by somebody else.
    pub fn live(&self, key: i64) -> Result<LifeHold, HoldError> {
        self.live_as(key, "")
    }

    /// The same for one whom others know by a name.
    pub(crate) fn live_as(&self, key: i64, name: &str) -> Result<LifeHold, HoldError> {
        let shared = self.shared();
        let deadline = Instant::now() + HOLD_WAIT;
        let mut state = shared.state.lock();
        if state.holds.contains_key(&key) {
            return Err(HoldError::Busy);
        }
        state.holds.insert(key, Hold { name: name.to_owned(), ..Hold::default() });
        let hold = LifeHold { shared: shared.clone(), key, pid: std::process::id() };
        shared.run(&mut state);
        let refusal = loop {
            let Some(&Hold { is_held, refused_since, .. }) = state.holds.get(&key) else {
                break HoldError::Busy;
            };
            if is_held {
                drop(state);
                return Ok(hold);
            }
            let now = Instant::now();
            if refused_since.is_some_and(|since| now >= since + BUSY_WAIT) {
                break HoldError::Busy;
            }
            // A server that refuses this user will do so again.
            let trouble = state.trouble.clone();
            match trouble {
                Some(error) if now >= deadline || !(error.is_unreachable() || error.is_lost()) => {
                    break error.into();
                }
                None if now >= deadline => {
                    break LinkError::Unreachable("it didn't answer in time".into()).into();
                }
                _ => {}
            }
            let until = refused_since.map_or(deadline, |since| since + BUSY_WAIT);
            shared.changed.wait_until(&mut state, until);
        };
        drop(state);
        drop(hold);
        Err(refusal)
    }

    /// How many signs there were until now.
    pub fn signs(&self) -> u64 {
        self.shared().state.lock().signs
    }

    /// Waits until there is a sign after the first `past`, or until the deadline. Says how many there were.
    pub fn wait(&self, past: u64, deadline: Instant) -> u64 {
        let shared = self.shared();
        let mut state = shared.state.lock();
        state.waiters += 1;
        shared.run(&mut state);
        while state.signs == past && Instant::now() < deadline {
            shared.changed.wait_until(&mut state, deadline);
        }
        state.waiters -= 1;
        state.signs
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A child's copy of its parent's state may be locked for ever, and isn't its own.
        if let Some(shared) = self.shared.existing() {
            shared.state.lock().is_dropped = true;
            shared.bell.ring();
        }
    }
}

/// A lock that is held until this is dropped.
pub struct LifeHold {
    shared: Arc<Shared>,
    key: i64,
    pid: u32,
}

impl Drop for LifeHold {
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            return;
        }
        let until = Instant::now() + RELEASE_WAIT;
        let mut state = self.shared.state.lock();
        if state.holds.remove(&self.key).is_none_or(|hold| !hold.is_held) {
            return;
        }
        state.leaving.push(self.key);
        self.shared.bell.ring();
        while state.leaving.contains(&self.key)
            && !self.shared.changed.wait_until(&mut state, until).timed_out()
        {}
    }
}

impl Shared {
    fn new(address: Address, question: Option<String>, found: Option<String>) -> Arc<Self> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Arc::new(Self { address, question, found, state, changed, bell: Bell::new() })
    }

    /// Sees to it that the keeper runs and looks.
    fn run(self: &Arc<Self>, state: &mut State) {
        if !state.is_running {
            state.is_running = true;
            let shared = self.clone();
            let keeper = std::thread::Builder::new().name("taskhost-home".into());
            if let Err(error) = keeper.spawn(move || keeper::keep(&shared)) {
                state.is_running = false;
                state.trouble =
                    Some(LinkError::Other(format!("no thread can be started: {error}")));
            }
        }
        self.bell.ring();
    }
}

/// What wakes the keeper, which waits for its connection at the same time.
struct Bell {
    ends: Option<(UnixStream, UnixStream)>,
}

impl Bell {
    /// Without descriptors to spare there is none, and the keeper looks every now and then.
    fn new() -> Self {
        let ends = UnixStream::pair().ok().filter(|(one, two)| {
            one.set_nonblocking(true).is_ok() && two.set_nonblocking(true).is_ok()
        });
        Self { ends }
    }

    fn ring(&self) {
        if let Some((end, _)) = &self.ends {
            // If it is full, it rings.
            let _ = (&mut &*end).write(&[1]);
        }
    }

    fn calm(&self) {
        if let Some((_, end)) = &self.ends {
            let mut heard = [0; 64];
            while matches!((&mut &*end).read(&mut heard), Ok(count) if count == heard.len()) {}
        }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.ends.as_ref().map(|(_, end)| end.as_fd())
    }
}
