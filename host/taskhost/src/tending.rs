//! Keeping a board small without anybody having to think of it: whoever works on it for long compacts it now and
//! then, in a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use taskhost_board::Keeper;

/// After how many claims of a handle it is looked whether compaction is due.
const LOOK_EVERY: u32 = 64;
/// How long a compaction waits for the board's lock at its end, when it has been prepared.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the clones of a handle share about it.
#[derive(Default)]
pub(crate) struct Tending {
    claims: AtomicU32,
    busy: AtomicBool,
}

impl Tending {
    /// Called after each claim. What goes wrong goes wrong again for whoever compacts by hand, and is told there.
    pub(crate) fn tend(self: &Arc<Self>, store: &Arc<dyn Keeper>) {
        let count = self.claims.fetch_add(1, Ordering::Relaxed);
        if count % LOOK_EVERY != LOOK_EVERY - 1
            || !store.compaction_is_due()
            || self.busy.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let (tending, store) = (self.clone(), store.clone());
        let spawned = thread::Builder::new().name("taskhost-compact".into()).spawn(move || {
            let _ = store.compact_if_due(Instant::now() + PATIENCE);
            tending.busy.store(false, Ordering::Relaxed);
        });
        if spawned.is_err() {
            self.busy.store(false, Ordering::Relaxed);
        }
    }
}
