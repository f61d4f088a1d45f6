//! Copies of a world, so that the same moment can go on in many ways.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Condvar, Mutex};

use super::{State, World};

impl World {
    /// The same machine at the same moment, without its processes: nobody holds a lock there, and what happens in one
    /// isn't seen in the other.
    pub fn copy(&self) -> Arc<Self> {
        let state = self.state.lock();
        let (words, indexes) = state.leftover().whole();
        let copied = State {
            names: state.names.clone(),
            directories: state.directories.clone(),
            durable_names: state.durable_names.clone(),
            durable_directories: state.durable_directories.clone(),
            pending: state.pending.clone(),
            inodes: state.inodes.iter().map(|(number, inode)| (*number, inode.copy())).collect(),
            next_number: state.next_number,
            record: state.record.clone(),
            clock: state.clock.clone(),
            words,
            indexes,
        };
        Arc::new(Self {
            state: Mutex::new(copied),
            released: Condvar::new(),
            scheduler: OnceLock::new(),
            randoms: AtomicU64::new(self.randoms.load(Ordering::SeqCst)),
        })
    }
}
