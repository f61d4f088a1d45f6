//! What another boot finds of this one's shared memory: `index/` lies in the board's directory as every file does, and
//! nothing in it is ever synced.
//!
//! - [`World::booted`], [`World::restart`]: the next boot, after a power failure and without one.
//! - [`Leftover`]: the shared words and the indexes of a moment. [`Leftover::found`] is what the next boot finds of them:
//!   the words as they were, which deceives best, and of each index what would still open, with its records lost or
//!   altered in part.
//!
//! Invariant: whoever trusts an index of an earlier boot shows it.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::dice::Dice;
use super::{State, Survivor, World};
use crate::index::TwinIndex;
use crate::words::WORDS;

/// The words that all processes share.
pub(super) type Shared = Arc<[AtomicU64; WORDS]>;
/// The indexes by their names.
pub(super) type Indexes = BTreeMap<String, TwinIndex>;

/// The words and indexes of a moment, apart from those that processes have open.
#[derive(Clone)]
pub(super) struct Leftover {
    words: Option<[u64; WORDS]>,
    indexes: Indexes,
}

impl World {
    /// A machine that was started after a power failure which left this.
    pub fn booted(survivor: &Survivor) -> Arc<Self> {
        let boot = format!("{}+", survivor.boot.0);
        let (files, directories) = (survivor.files.clone(), survivor.directories.clone());
        let wall = survivor.wall.plus(60_000);
        let world = Self::with(files, &survivor.numbers, directories, &boot, wall);
        let mut dice = survivor.dice("indexes of an earlier boot");
        let mut state = world.state.lock();
        (state.words, state.indexes) = survivor.leftover.found(&mut dice);
        drop(state);
        world
    }

    /// Starts the machine anew without losing anything that counts: another boot, and clocks that begin again. The words
    /// and indexes of the boot before are found as after a power failure.
    pub fn restart(&self) {
        let mut state = self.state.lock();
        state.clock.boot.0.push('+');
        state.clock.boot_ms = 1_000;
        let mut dice = Dice::new(state.fingerprint(), "indexes of an earlier boot");
        (state.words, state.indexes) = state.leftover().found(&mut dice);
    }

    /// Loses the index and the shared words, as `rm -r index` does.
    pub fn lose_index(&self) {
        let mut state = self.state.lock();
        state.words = None;
        state.indexes.clear();
    }
}

impl State {
    /// The same for the same files with the same content, in the same boot: every state has an index of its own to be
    /// deceived by, and always the same.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.clock.boot.0.hash(&mut hasher);
        for (name, inode) in &self.names {
            (name, self.inodes.get(inode).map(|inode| &inode.now)).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// What there is of them now.
    pub(super) fn leftover(&self) -> Leftover {
        let words = self.words.as_ref();
        let words = words.map(|cells| std::array::from_fn(|at| cells[at].load(Ordering::SeqCst)));
        let indexes = self.indexes.iter().map(|(name, index)| (name.clone(), index.copy()));
        Leftover { words, indexes: indexes.collect() }
    }
}

impl Leftover {
    /// All of it as it was.
    pub(super) fn whole(&self) -> (Option<Shared>, Indexes) {
        let indexes = self.indexes.iter().map(|(name, index)| (name.clone(), index.copy()));
        (self.shared(), indexes.collect())
    }

    /// What another boot finds of it.
    pub(super) fn found(&self, dice: &mut Dice) -> (Option<Shared>, Indexes) {
        let indexes = self.indexes.iter().map(|(name, index)| (name.clone(), index.torn(dice)));
        (self.shared(), indexes.collect())
    }

    fn shared(&self) -> Option<Shared> {
        self.words.map(|words| Arc::new(words.map(AtomicU64::new)))
    }
}

impl fmt::Debug for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indexes: Vec<&String> = self.indexes.keys().collect();
        f.debug_struct("Leftover").field("words", &self.words).field("indexes", &indexes).finish()
    }
}
