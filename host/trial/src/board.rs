//! What all boards in memory have in common that policies are tried on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use taskhost_board::memory::MemoryStore;
use taskhost_board::{Engine, Policies};

/// The commands of a board whose random numbers are the same in every run.
pub(crate) fn engine(store: &MemoryStore, policies: Arc<dyn Policies>) -> Engine {
    let numbers = AtomicU64::new(1);
    let entropy = move || numbers.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    Engine::new(Arc::new(store.clone()), policies, Arc::new(entropy))
}

/// Until when a lock is waited for: nobody else is there who could hold one.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}
