//! Cutting clients off.
//!
//! - [`Cutter`]: what stands between; [`line`]: one connection through it.
//! - [`Fault`], [`Trigger`], [`Ending`]: what is planned to go wrong; [`messages`]: what is understood of the protocol for it.

mod line;
mod messages;
mod plan;

pub use plan::{Ending, Fault, Trigger};

use crate::access::Access;
use crate::processes::wait_until;
use crate::server::free_listener;
use anyhow::{Context, Result};
use line::{Line, Lines};
use plan::{Plan, Plans};
use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const LISTENER_TRIES_MAX: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// Stands between clients and a server, by TCP, and loses what it is told to.
///
/// Until then it passes on everything. It understands what clients say, prepared statements too, unless they encrypt it: then
/// only bytes can be counted. Answers pass a message at a time.
#[derive(Debug)]
pub struct Cutter {
    access: Access,
    shared: Arc<Shared>,
    /// Who takes connections; nobody while they are refused.
    doorman: Mutex<Option<JoinHandle<()>>>,
}

/// What all threads of a cutter share.
#[derive(Debug)]
pub(crate) struct Shared {
    host: String,
    port: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    paused: bool,
    refusing: bool,
    plans: Plans,
    happened: usize,
    bytes_max: u64,
    lines_made: u64,
    lines: HashMap<u64, Line>,
    threads: Vec<JoinHandle<()>>,
}

impl Cutter {
    /// Stands before a server.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn before(access: &Access) -> Result<Self> {
        let listener = (0..LISTENER_TRIES_MAX).find_map(|_| free_listener().ok());
        let listener = listener.context("no port is free for a `Cutter`")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            host: access.host.clone(),
            port: access.port,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let doorman = Mutex::new(Some(open(&shared, listener)));
        Ok(Self { access: access.through(port), shared, doorman })
    }

    /// How the server is reached through it.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Plans that something goes wrong, once, the next time that it can.
    pub fn plan(&self, fault: Fault, ending: Ending) {
        self.plan_after(0, fault, ending);
    }

    /// Plans that something goes wrong, once, when its moment has come and passed so many times. (Bytes pass once.)
    pub fn plan_after(&self, skip: usize, fault: Fault, ending: Ending) {
        self.shared.state().plans.add(Plan { fault, ending, skip });
    }

    /// Forgets what was planned and hasn't happened.
    pub fn forget_plans(&self) {
        self.shared.state().plans.clear();
    }

    /// How many of the planned faults have happened. The loss of an answer has happened when the server has given it.
    pub fn happened(&self) -> usize {
        self.shared.state().happened
    }

    /// Waits until so many planned faults have happened.
    ///
    /// # Errors
    ///
    /// If they don't within a minute.
    pub fn wait_until_happened(&self, times: usize) -> Result<()> {
        wait_until("what was planned doesn't happen", PATIENCE, || Ok(self.happened() >= times))
    }

    /// How many connections there are through it.
    pub fn connections(&self) -> usize {
        self.shared.state().lines.len()
    }

    /// How many bytes a client has said at most on one connection: how far [`Fault::AfterBytes`] can reach.
    pub fn bytes_max(&self) -> u64 {
        self.shared.state().bytes_max
    }

    /// Ends all connections; new ones are taken.
    pub fn cut(&self) {
        self.shared.state().lines.values_mut().for_each(|line| line.end(Ending::Closed));
        self.shared.notify();
    }

    /// From now on nothing passes and nobody is told: as where a network is cut. New connections are taken by the machine, as
    /// always, and hear nothing.
    pub fn pause(&self) {
        self.shared.state().paused = true;
    }

    /// What was held up since [`pause`](Self::pause) passes, and everything after it.
    pub fn resume(&self) {
        self.shared.state().paused = false;
        self.shared.notify();
    }

    /// New connections are refused from now on, as where no server runs; those that there are go on.
    pub fn refuse(&self) {
        let Some(doorman) = self.doorman().take() else { return };
        self.shared.state().refusing = true;
        // He looks up at the next connection only.
        let _ = TcpStream::connect(("127.0.0.1", self.access.port));
        let _ = doorman.join();
    }

    /// New connections are taken again, at the same port.
    ///
    /// # Errors
    ///
    /// If somebody else has taken the port.
    pub fn accept(&self) -> Result<()> {
        let mut doorman = self.doorman();
        if doorman.is_none() {
            let listener = TcpListener::bind(("127.0.0.1", self.access.port))
                .with_context(|| format!("can't listen at port {} again", self.access.port))?;
            self.shared.state().refusing = false;
            *doorman = Some(open(&self.shared, listener));
        }
        Ok(())
    }

    fn doorman(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.doorman.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.refuse();
        let threads = {
            let mut state = self.shared.state();
            state.lines.values_mut().for_each(Line::drop_now);
            std::mem::take(&mut state.threads)
        };
        self.shared.notify();
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self) {
        self.changed.notify_all();
    }

    /// A client has said so many bytes. After how many of them its connection ends, and how.
    fn count(&self, said: u64) -> Option<(u64, Ending)> {
        let mut state = self.state();
        state.bytes_max = state.bytes_max.max(said);
        let due = state.plans.at_bytes(said)?;
        state.happened += 1;
        Some(due)
    }
}

/// Takes connections until they are to be refused. The port is closed then.
fn open(shared: &Arc<Shared>, listener: TcpListener) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let _ = client.set_nodelay(true);
            let Ok(ours) = client.try_clone() else { continue };
            let mut state = shared.state();
            if state.refusing {
                return;
            }
            let number = state.lines_made;
            state.lines_made += 1;
            state.lines.insert(number, Line::new(ours));
            let lines = Lines { shared: Arc::clone(&shared), number };
            state.threads.retain(|thread| !thread.is_finished());
            state.threads.push(thread::spawn(move || lines.run(client)));
        }
    })
}
