//! How a board in PostgreSQL is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use taskhost_board::{InheritedLocks, Meter};

use crate::figures::ThisProcess;
use crate::lives::GRACE;
use crate::shared::IsProcessDead;

/// How to open a board.
#[derive(Clone)]
pub struct OpenOptions {
    /// How long one who only reads waits for a connection.
    pub lock_wait: Duration,
    /// Whether a process that a claim names is proved dead, as far as this machine can tell: nobody's is, unless said
    /// otherwise.
    pub is_process_dead: IsProcessDead,
    /// How long after its life lock was found free first a session is taken for dead; 5 s unless said otherwise. Within it
    /// an agent whose connection was cut has to be back.
    pub grace: Duration,
    /// A directory of this machine's where policies are kept that were fetched; none, unless said otherwise.
    pub component_cache: Option<PathBuf>,
    /// The locks that are held around this process by `taskhost lock`.
    pub inherited: InheritedLocks,
    /// Names the process that this runs in, so that others can tell its figures from those of others: it has no name, unless
    /// said otherwise.
    pub this_process: ThisProcess,
    /// Whoever is told what is measured, beside the board's own figures.
    pub measured: Option<Arc<dyn Meter>>,
    /// Added to the server's clock, in milliseconds, for tests that can't wait.
    pub clock_offset: Arc<AtomicI64>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            lock_wait: Duration::from_secs(5),
            is_process_dead: Arc::new(|_| false),
            grace: GRACE,
            component_cache: None,
            inherited: InheritedLocks::default(),
            this_process: Arc::new(|| None),
            measured: None,
            clock_offset: Arc::default(),
        }
    }
}

impl std::fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenOptions")
            .field("lock_wait", &self.lock_wait)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}
