//! A simulated world under the store: a disk that knows what was synced, processes that can be stopped at every
//! operation, and the states that a power failure may leave.
//!
//! - [`World`]: one machine, from boot to power failure: its disk, clock, shared words and indexes.
//! - [`Process`]: one process in it, with the operation at which something is to happen to it ([`Fault`]), and what did
//!   ([`Effect`]).
//! - [`Survivor`]: what a power failure may leave of the disk; [`World::booted`] starts a machine on it.
//! - [`Witnessed`]: a store that remembers what it answered, to be compared with what a crash left.
//! - [`Scheduler`]: decides which of several processes, each a thread, goes on at each operation.
//! - [`World::order_violations`]: checks, from a record of all writes, syncs and answers, that each answered entry
//!   was appended, then synced, then answered.
//!
//! What the disk promises is the least that POSIX does: content, and with it the length, is kept if the file was
//! synced (`fdatasync`) after it was written, and its name isn't kept by that; a name is kept if its directory was
//! synced after it was made, moved or removed. Before that, each block may be there, or not, or half, with zeros in
//! place of blocks that were never written, and each change of a name, whatever was changed earlier. So a file whose
//! name survived may be empty. A failed sync leaves pages that look written and never will be, and the next sync
//! succeeds; what they hold is seen until they are dropped ([`World::evict`]), and then what the disk has.
//!
//! The directory `index` is on the disk too, and never synced: another boot finds the words of the one before it as they
//! were, and its indexes with some of their records lost or altered, as torn pages that still open would have it.
//!
//! What is assumed beyond POSIX, as the file systems that boards are kept on keep it (`options` refuses others): a
//! rename happens whole or not at all, also between directories, and is durable only once both were synced; changes
//! of one name survive in their order, and so does a change in a directory after the directory itself; what was synced
//! doesn't rot, and a crash harms no block that nobody wrote to. Damage of that kind isn't a crash: it is done with
//! [`World::tamper`]. What is left out: a power failure doesn't bring back what was overwritten before the last sync,
//! and of a sync that failed nothing at all was written.
//!
//! What isn't simulated: an instant between a failed sync and its process's first change of the shared words, in which
//! others go on. A kernel tells everybody who has the file open of the failure, so it takes one who opens the file in
//! that very instant, and a power failure before anybody recovers, to lose what was answered. Nothing in a store that
//! shares no more than a few words can close that gap.
//!
//! Nor are words of an earlier boot that aren't as they were, or indexes of it that don't open: those are the ones that
//! nobody could trust.
//! Nor are pages that a failed sync lost and that are dropped one by one while somebody reads them: they are dropped all at
//! once, between one process and the next.

mod content;
mod copy;
mod dice;
mod disk;
mod kept;
mod leftover;
mod names;
mod platform;
mod record;
mod schedule;
mod survive;
mod witness;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use taskhost_board::{BeginError, BootId, Coming, InitPlan, Instant, Millis};

pub use dice::Dice;
pub use kept::{Kept, Values};
pub use schedule::{Deed, Scheduler};
pub use survive::{Breadth, Survivor};
pub use witness::{Testimony, Witnessed};

use crate::{FileStore, ImportError, InitError, OpenError, OpenOptions, RepairOptions, Repaired};
use content::Inode;
use leftover::{Indexes, Shared};
use record::Event;

/// What happens to a process at one of its operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is stopped before the operation, and does nothing ever after.
    Stop,
    /// The operation fails with this error and does nothing.
    Fail(io::ErrorKind),
    /// A write writes half of what it should; any other operation fails.
    ShortWrite,
    /// A sync fails, and the pages that it should have written count as clean from then on; any other operation
    /// fails.
    LostSync,
}

/// What a planned fault did, which depends on the operation that it came at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The process was stopped.
    Stopped,
    /// The operation failed with this error and did nothing.
    Failed(io::ErrorKind),
    /// Half was written.
    WrittenByHalf,
    /// A sync failed, and its pages will never be written.
    PagesLost,
}

/// Which operations are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Those that change the disk, the shared words or an index: a stop between others makes no difference.
    Changes,
    /// All of the disk's.
    All,
}

/// One machine from boot to power failure.
pub struct World {
    state: Mutex<State>,
    /// Signalled when a lock is released.
    released: Condvar,
    scheduler: OnceLock<Arc<dyn Scheduler>>,
    /// How many random numbers were given.
    randoms: AtomicU64,
}

struct State {
    /// Paths to inodes, as processes see them.
    names: BTreeMap<String, u64>,
    directories: BTreeSet<String>,
    /// The same as far as they are durable.
    durable_names: BTreeMap<String, u64>,
    durable_directories: BTreeSet<String>,
    /// Changes of names that aren't durable yet, in the order in which they were made.
    pending: Vec<PendingName>,
    inodes: BTreeMap<u64, Inode>,
    next_number: u64,
    record: Vec<Event>,
    clock: Instant,
    words: Option<Shared>,
    indexes: Indexes,
}

#[derive(Debug, Clone)]
struct PendingName {
    change: NameChange,
    /// The directories that must be synced before it is durable.
    unsynced: BTreeSet<String>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Made { name: String, inode: u64 },
    MadeDirectory { name: String },
    Moved { from: String, to: String, inode: u64 },
    Removed { name: String },
}

impl World {
    /// A machine with an empty disk.
    pub fn new() -> Arc<Self> {
        Self::holding(BTreeMap::new())
    }

    /// A machine whose disk holds these files.
    pub fn holding(files: BTreeMap<String, Vec<u8>>) -> Arc<Self> {
        let above = |name: &String| {
            let parents =
                std::iter::successors(Some(&**name), |name| Some(crate::disk::parent(name)));
            parents.skip(1).take_while(|name| *name != ".").map(str::to_owned).collect::<Vec<_>>()
        };
        let directories = files.keys().flat_map(above).collect();
        let numbers = files.keys().cloned().zip(1..).collect();
        Self::with(files, &numbers, directories, "boot-1", Millis(1_000_000_000_000))
    }

    fn with(
        files: BTreeMap<String, Vec<u8>>,
        numbers: &BTreeMap<String, u64>,
        directories: BTreeSet<String>,
        boot: &str,
        wall: Millis,
    ) -> Arc<Self> {
        let mut names = BTreeMap::new();
        let mut inodes = BTreeMap::new();
        for (name, content) in files {
            let number = numbers.get(&name).copied().unwrap_or_default();
            names.insert(name, number);
            inodes.insert(number, Inode::settled(content));
        }
        let randoms = AtomicU64::new(schedule::first_random(boot, &names));
        let state = State {
            durable_names: names.clone(),
            names,
            durable_directories: directories.clone(),
            directories,
            pending: Vec::new(),
            next_number: inodes.keys().last().copied().unwrap_or_default() + 1,
            inodes,
            record: Vec::new(),
            clock: Instant { wall, boot: BootId(boot.to_owned()), boot_ms: 1_000 },
            words: None,
            indexes: BTreeMap::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            released: Condvar::new(),
            scheduler: OnceLock::new(),
            randoms,
        })
    }

    /// A new process.
    pub fn process(self: &Arc<Self>) -> Arc<Process> {
        Arc::new(Process {
            world: self.clone(),
            number: self.state.lock().number(),
            stopped: AtomicBool::new(false),
            changes: AtomicU64::new(0),
            all: AtomicU64::new(0),
            plan: Mutex::default(),
            struck: Mutex::default(),
            index_fails: AtomicBool::new(false),
            number_taken: AtomicBool::new(false),
            must_tell: AtomicBool::new(false),
        })
    }

    /// Lets both clocks go on.
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let mut state = self.state.lock();
        state.clock.wall = state.clock.wall.plus(ms);
        state.clock.boot_ms = state.clock.boot_ms.saturating_add(ms);
    }

    /// Sets the wall clock by so many milliseconds, forwards or back; the boot clock goes on as it did.
    pub fn jump_wall(&self, by_ms: i64) {
        let mut state = self.state.lock();
        state.clock.wall = Millis(state.clock.wall.0.saturating_add_signed(by_ms));
    }

    /// Suspends the machine for so long: both clocks go on, and nobody does anything.
    pub fn suspend(&self, by: Duration) {
        self.advance(by);
    }

    /// Every file as processes see it.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state.lock();
        let content =
            |inode: &u64| state.inodes.get(inode).map(|i| i.now.clone()).unwrap_or_default();
        state.names.iter().map(|(name, inode)| (name.clone(), content(inode))).collect()
    }

    /// Whether a failed sync has lost something that processes still see.
    pub fn has_lost(&self) -> bool {
        self.state.lock().inodes.values().any(Inode::has_lost)
    }

    /// Memory is wanted for something else, and the kernel drops the pages that count as clean: whoever reads what a failed
    /// sync has lost finds from now on what the disk has, in the same boot.
    pub fn evict(&self) {
        self.state.lock().inodes.values_mut().for_each(Inode::evict);
    }

    /// Writes a file as an operator or an accident would, durably.
    pub fn tamper(&self, path: &str, content: Option<Vec<u8>>) {
        let mut state = self.state.lock();
        match content {
            Some(content) => {
                let number = state.number();
                let inode = state.names.get(path).copied().unwrap_or(number);
                state.names.insert(path.to_owned(), inode);
                state.durable_names.insert(path.to_owned(), inode);
                state.inodes.insert(inode, Inode::settled(content));
            }
            None => {
                state.names.remove(path);
                state.durable_names.remove(path);
            }
        }
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

/// One process of a world. Its handles of a board are opened through it.
pub struct Process {
    world: Arc<World>,
    /// Tells it from others.
    number: u64,
    stopped: AtomicBool,
    changes: AtomicU64,
    all: AtomicU64,
    plan: Mutex<Option<(Counted, u64, Fault)>>,
    /// What the plan did, and what a failing index did.
    struck: Mutex<Option<Effect>>,
    index_fails: AtomicBool,
    number_taken: AtomicBool,
    /// Whether a sync of it has just failed, and nobody knows yet.
    must_tell: AtomicBool,
}

impl Process {
    /// Plans a fault at the operation of this number (from 0), counted from now on.
    pub fn plan(&self, counted: Counted, at: u64, fault: Fault) {
        self.changes.store(0, Ordering::SeqCst);
        self.all.store(0, Ordering::SeqCst);
        *self.plan.lock() = Some((counted, at, fault));
        *self.struck.lock() = None;
    }

    /// What came of the plan, or of a failing index: nothing if its operation never came.
    pub fn struck(&self) -> Option<Effect> {
        *self.struck.lock()
    }

    fn strike(&self, effect: Effect) {
        *self.struck.lock() = Some(effect);
    }

    /// Lets every commit of an index fail from now on, or none any more, as a full disk does.
    pub fn fail_index(&self, fails: bool) {
        self.index_fails.store(fails, Ordering::SeqCst);
    }

    /// Gives its number to another process as well, in another container, which has every index open from now on; or to
    /// none any more. The indexes that it makes itself are its own all the same.
    pub fn take_number(&self, taken: bool) {
        self.number_taken.store(taken, Ordering::SeqCst);
    }

    /// How many operations there were since the plan was made.
    pub fn operations(&self, counted: Counted) -> u64 {
        match counted {
            Counted::Changes => self.changes.load(Ordering::SeqCst),
            Counted::All => self.all.load(Ordering::SeqCst),
        }
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Ends it, as `kill -9` does.
    pub fn kill(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // So that nobody is between looking and waiting.
        drop(self.world.state.lock());
        self.world.lock_released();
    }

    /// Makes a board.
    pub fn init(
        self: &Arc<Self>,
        plan: &InitPlan,
        options: OpenOptions,
    ) -> Result<FileStore, InitError> {
        FileStore::init_on(platform::platform(self), plan, options)
    }

    /// Makes a board of what another one exported.
    pub fn import(
        self: &Arc<Self>,
        lines: impl io::BufRead,
        options: OpenOptions,
    ) -> Result<FileStore, ImportError> {
        FileStore::import_on(platform::platform(self), lines, None, options)
    }

    /// The same of a board that is about to come here.
    pub fn import_coming(
        self: &Arc<Self>,
        lines: impl io::BufRead,
        coming: &Coming,
        options: OpenOptions,
    ) -> Result<FileStore, ImportError> {
        FileStore::import_on(platform::platform(self), lines, Some(coming), options)
    }

    /// Repairs the board.
    pub fn repair(self: &Arc<Self>, options: RepairOptions) -> Result<Repaired, BeginError> {
        crate::repair::repair_on(platform::platform(self), options)
    }

    /// Opens the board.
    pub fn open(self: &Arc<Self>, options: OpenOptions) -> Result<FileStore, OpenError> {
        FileStore::open_on(platform::platform(self), options)
    }

    /// Comes before each operation: what is to happen at it.
    fn step(&self, is_change: bool) -> io::Result<Option<Fault>> {
        self.wait_for_turn();
        let change = is_change.then(|| self.changes.fetch_add(1, Ordering::SeqCst));
        let any = self.all.fetch_add(1, Ordering::SeqCst);
        if self.is_stopped() {
            return Err(stopped());
        }
        let fault = match *self.plan.lock() {
            Some((Counted::Changes, at, fault)) if change == Some(at) => Some(fault),
            Some((Counted::All, at, fault)) if any == at => Some(fault),
            _ => None,
        };
        match fault {
            Some(Fault::Stop) => {
                self.strike(Effect::Stopped);
                self.kill();
                Err(stopped())
            }
            Some(Fault::Fail(kind)) => {
                self.strike(Effect::Failed(kind));
                Err(io::Error::new(kind, "this was planned"))
            }
            Some(other) => {
                // An append, or a sync, knows better.
                self.strike(Effect::Failed(io::ErrorKind::Other));
                Ok(Some(other))
            }
            None => Ok(None),
        }
    }

    /// Comes before each commit of an index: whether it happens.
    fn may_commit_index(&self) -> io::Result<bool> {
        if self.index_fails.load(Ordering::SeqCst) {
            self.strike(Effect::Failed(io::ErrorKind::StorageFull));
            return Err(io::Error::new(io::ErrorKind::StorageFull, "this was planned"));
        }
        Ok(self.may_change_memory())
    }

    /// Comes before each change of shared memory: whether the process still lives. Only a stop can happen there.
    fn may_change_memory(&self) -> bool {
        if !self.must_tell.swap(false, Ordering::SeqCst) {
            self.wait_for_turn();
        }
        if self.is_stopped() {
            return false;
        }
        let change = self.changes.fetch_add(1, Ordering::SeqCst);
        if matches!(*self.plan.lock(), Some((Counted::Changes, at, Fault::Stop)) if at == change) {
            self.strike(Effect::Stopped);
            self.kill();
            return false;
        }
        true
    }
}

fn stopped() -> io::Error {
    io::Error::other("the process was stopped")
}

/// The names in a set of paths that are directly in `directory`.
fn in_directory<'a>(paths: impl Iterator<Item = &'a String>, directory: &str) -> HashSet<&'a str> {
    paths
        .filter(|path| crate::disk::parent(path) == directory)
        .map(|path| path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name))
        .collect()
}
