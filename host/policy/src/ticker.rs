//! The clock that ends endless loops.
//!
//! [`Ticker`] owns a thread that moves the engine's epoch on while a hook call is running; compiled code
//! checks the epoch at every loop and call, and asks for its deadline when it has moved.
//!
//! Invariants:
//!
//! - while a [`Running`] exists, the epoch moves every [`TICK`]: `Ticker::enter` fails rather than let a
//!   call begin without it;
//! - the thread sleeps for good soon after the last call ended, so an idle process costs no CPU, and it
//!   keeps no process from exiting;
//! - a forked child, which has no copy of the thread, gets one of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::{Engine, EngineWeak};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(10);
/// How many ticks without a call until the thread parks itself. Waking it is a system call, which calls in
/// quick succession are spared.
const IDLE_TICKS: u32 = 10;

pub(crate) struct Ticker {
    engine: EngineWeak,
    shared: Arc<Shared>,
    /// The thread, which is woken and replaced under this lock.
    thread: Mutex<Option<Thread>>,
}

struct Shared {
    /// How many calls are running.
    running: AtomicUsize,
    /// Whether the thread waits to be woken, or there is none.
    parked: AtomicBool,
    /// The process that the thread lives in.
    process: AtomicU32,
    closed: AtomicBool,
}

/// A hook call is running.
pub(crate) struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Ticker {
    pub(crate) fn new(engine: &Engine) -> Self {
        let shared = Shared {
            running: AtomicUsize::new(0),
            parked: AtomicBool::new(true),
            process: AtomicU32::new(0),
            closed: AtomicBool::new(false),
        };
        Self { engine: engine.weak(), shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    /// Moves the epoch for as long as the answer lives.
    ///
    /// # Errors
    ///
    /// If there is no thread yet and none can be started.
    pub(crate) fn enter(&self) -> io::Result<Running<'_>> {
        // The thread says that it parks and then looks for calls; a call is counted first and then looks
        // whether the thread is parked. Whichever comes second sees the other.
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(&self.shared);
        if self.shared.parked.load(Ordering::SeqCst)
            || self.shared.process.load(Ordering::SeqCst) != std::process::id()
        {
            self.wake()?;
        }
        Ok(running)
    }

    fn wake(&self) -> io::Result<()> {
        let mut thread = self.thread.lock();
        let here = std::process::id();
        match &*thread {
            Some(thread) if self.shared.process.load(Ordering::SeqCst) == here => thread.unpark(),
            _ => {
                let (engine, shared) = (self.engine.clone(), self.shared.clone());
                shared.parked.store(false, Ordering::SeqCst);
                let spawned = thread::Builder::new()
                    .name("taskhost-ticker".into())
                    .stack_size(64 << 10)
                    .spawn(move || tick(&engine, &shared));
                match spawned {
                    Ok(handle) => *thread = Some(handle.thread().clone()),
                    Err(error) => {
                        self.shared.parked.store(true, Ordering::SeqCst);
                        return Err(error);
                    }
                }
                self.shared.process.store(here, Ordering::SeqCst);
            }
        }
        Ok(())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        if let Some(thread) = &*self.thread.lock() {
            thread.unpark();
        }
    }
}

fn tick(engine: &EngineWeak, shared: &Shared) {
    let mut idle_ticks = 0;
    while !shared.closed.load(Ordering::SeqCst) {
        idle_ticks = if shared.running.load(Ordering::SeqCst) == 0 { idle_ticks + 1 } else { 0 };
        if idle_ticks > IDLE_TICKS {
            shared.parked.store(true, Ordering::SeqCst);
            while shared.running.load(Ordering::SeqCst) == 0
                && !shared.closed.load(Ordering::SeqCst)
            {
                thread::park();
            }
            shared.parked.store(false, Ordering::SeqCst);
            idle_ticks = 0;
        }
        thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn eventually(what: &str, done: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !done() {
            assert!(Instant::now() < end, "never {what}");
            thread::yield_now();
        }
    }

    // A process that only keeps a board open must not wake a hundred times a second; and a ticker that slept
    // through a call would let it run for ever.
    #[test]
    fn thread_parks_when_idle_and_wakes_for_the_next_call() {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config).expect("an engine");
        let ticker = Ticker::new(&engine);
        let parked = || ticker.shared.parked.load(Ordering::SeqCst);
        assert!(parked(), "no thread before the first call");
        for _ in 0..2 {
            let running = ticker.enter().expect("a thread");
            eventually("awake", || !parked());
            drop(running);
            eventually("parked", parked);
        }
    }
}
