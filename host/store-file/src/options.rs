//! How a board is opened, and what the store has to say while it works.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use taskhost_board::{InheritedLocks, Instant, Meter, OnProgress, Progress};

/// Makes of the time on the machine's clocks the one that counts.
pub type Clock = Arc<dyn Fn(Instant) -> Instant + Send + Sync>;

/// How to open or make a board.
#[derive(Clone)]
pub struct OpenOptions {
    /// Use a file system whose locks or renames aren't to be trusted (NFS, SMB, FUSE, 9p).
    pub allow_unsafe_fs: bool,
    /// How long the lock is waited for where the caller gives no deadline: opening, reading, policies' files.
    pub lock_wait: Duration,
    /// The locks that are held around this process, as its environment names them.
    pub inherited: InheritedLocks,
    /// Told about rebuilding an index and the like.
    pub progress: Option<OnProgress>,
    /// Told about everything that is measured and counted, besides the board's own figures: in the thread that it
    /// happens in, also while the board's lock is held.
    pub measured: Option<Arc<dyn Meter>>,
    /// The clocks to go by in place of the machine's, so that tests can let time pass.
    #[cfg(any(test, feature = "simulation"))]
    pub clock: Option<Clock>,
    /// A bug to behave by, so that tests can show that they would find it.
    #[cfg(any(test, feature = "simulation"))]
    pub planted: Option<PlantedBug>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            allow_unsafe_fs: false,
            lock_wait: Duration::from_secs(30),
            inherited: InheritedLocks::default(),
            progress: None,
            measured: None,
            #[cfg(any(test, feature = "simulation"))]
            clock: None,
            #[cfg(any(test, feature = "simulation"))]
            planted: None,
        }
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions")
            .field("allow_unsafe_fs", &self.allow_unsafe_fs)
            .field("lock_wait", &self.lock_wait)
            .field("inherited", &self.inherited)
            .finish_non_exhaustive()
    }
}

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedBug {
    /// An entry is acknowledged without a sync.
    SyncLeftOut,
    /// An entry counts as durable when its sync begins, so that others answer before it has ended.
    AnsweredBeforeSync,
    /// What was appended while a sync went on counts as durable after it.
    SyncCoversLater,
    /// Directories aren't synced after a rename.
    DirectorySyncLeftOut,
    /// `durable_through` of later lines isn't looked at when a bad line is found.
    DurableThroughIgnored,
    /// A generation whose sync failed is used on.
    PoisonIgnored,
    /// Words and an index of an earlier boot are taken for this one's.
    BootIgnored,
    /// A handle goes on with the generation that it once opened.
    GenerationNotRechecked,
    /// The board's lock file is removed when the lock is let go, and nobody looks whether the file that they have
    /// locked still has its name. A disk behaves so, beneath the store, and where nothing is planted there is none.
    #[cfg(any(test, feature = "simulation"))]
    LockFileUnlinked,
}

impl OpenOptions {
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn has(&self, bug: PlantedBug) -> bool {
        self.planted == Some(bug)
    }

    #[cfg(not(any(test, feature = "simulation")))]
    #[expect(clippy::unused_self, reason = "its twin for tests needs it")]
    pub(crate) fn has(&self, _bug: PlantedBug) -> bool {
        false
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn clock(&self) -> Option<Clock> {
        self.clock.clone()
    }

    #[cfg(not(any(test, feature = "simulation")))]
    #[expect(clippy::unused_self, reason = "its twin for tests needs it")]
    pub(crate) fn clock(&self) -> Option<Clock> {
        None
    }

    pub(crate) fn report(&self, doing: &'static str, done: u64) {
        if let Some(progress) = &self.progress {
            progress(Progress { doing, done });
        }
    }
}

/// Something the store did by itself that somebody should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The end of the journal was torn by a crash. Nothing that is known to have been acknowledged was in it.
    TornEnd {
        /// Where the bytes were set aside.
        kept_in: String,
        /// How many there were.
        bytes: u64,
        /// What was wrong with them.
        why: String,
        /// Whether it was known how far the journal was durable: not after a restart of the machine.
        is_certain: bool,
    },
    /// The index was made anew.
    IndexRebuilt {
        /// Why.
        why: String,
    },
    /// A sync had failed, and the board went on in a new generation.
    Recovered {
        /// The generation whose sync failed.
        poisoned: u64,
        /// How many entries could be read back.
        through: u64,
    },
    /// The board was of an older format, and was changed for the first time by this version.
    Upgraded {
        /// The format that it had.
        from: u32,
        /// The format that it has.
        to: u32,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornEnd { kept_in, bytes, why, is_certain } => {
                let told = if *is_certain { "" } else { ", as far as can be told" };
                write!(
                    f,
                    "the journal ended in {bytes} bytes that a crash had torn ({why}); no acknowledged change was \
                     among them{told}, and they are kept in `{kept_in}`"
                )
            }
            Self::IndexRebuilt { why } => write!(f, "the index was made anew: {why}"),
            Self::Recovered { poisoned, through } => write!(
                f,
                "a sync of generation {poisoned} had failed; what could be read back, up to entry {through}, was \
                 written again into a new generation"
            ),
            Self::Upgraded { from, to } => write!(
                f,
                "the board was upgraded from format {from} to {to}: older versions of taskhost can still read it, \
                 as long as it holds nothing that they don't know, and can't change it any more"
            ),
        }
    }
}
