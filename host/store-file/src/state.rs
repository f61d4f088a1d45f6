//! A handle of a board: which generation it has open, and whether that is still the current one.
//!
//! - [`Inner`]: the handle, shared by everything that came out of it.
//! - [`Current`]: one generation as the handle has it open.
//!
//! [`Inner::attach`] opens what is current without a lock, if nothing needs mending; what does is mended under
//! the lock (`mend`). What was read or appended is made durable in `durable`.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Instant as Deadline;

use parking_lot::{Mutex, RwLock};
use sha2::{Digest as _, Sha256};
use taskhost_board::image::ImageView;
use taskhost_board::{BeginError, Elsewhere, Generation, ReadError, Sequence, View as _, Vital};

use crate::board_lock::{BoardGuard, BoardLock, Outer};
use crate::disk::{Disk, DiskFile, How, Identity, read_file};
use crate::figures::Recorder;
use crate::format::{BoardFile, Checksum, FORMAT, names, snapshot};
use crate::hand::{Inherited, KnownLocks, Lockable, OwnTasks};
use crate::index::{self, Index, Meta, NotOpened};
use crate::lock::{Helpers, LockError};
use crate::options::{Notice, OpenOptions, PlantedBug};
use crate::platform::Platform;
use crate::remains::no_board_file;
use crate::waiting::Waiting;
use crate::words::{Slots, Turn, Words};

/// A handle of a board.
pub(crate) struct Inner {
    pub(crate) platform: Arc<dyn Platform>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: OpenOptions,
    pub(crate) lock: Arc<BoardLock>,
    /// The locks that are held around this process.
    pub(crate) inherited: Inherited,
    /// The locks of tasks that threads of this handle hold.
    pub(crate) own_tasks: OwnTasks,
    /// Which tasks' locks are there.
    pub(crate) known_locks: KnownLocks,
    /// Where is measured how long things take.
    pub(crate) recorder: Arc<Recorder>,
    /// Wait for all locks but the board's.
    pub(crate) helpers: Helpers,
    pub(crate) current: RwLock<Option<Arc<Current>>>,
    pub(crate) notices: Mutex<Vec<Notice>>,
    /// When sessions and processes were last found alive, by the clock of the boot.
    pub(crate) probes: Mutex<HashMap<Vital, u64>>,
    /// What those who wait for a change share.
    pub(crate) waiting: Waiting,
    /// How many index pages were read.
    pub(crate) pages: Arc<AtomicU64>,
    /// From when on holders are asked again if they live, in milliseconds by the clock of the boot.
    pub(crate) next_look_for_dead: AtomicU64,
    /// How many bytes an index is given room for at least: more than the largest change that found none.
    pub(crate) index_room: AtomicU64,
    /// How many transactions were begun.
    pub(crate) begun: AtomicU64,
    /// How many claims aren't posted yet, because the last one was in vain.
    pub(crate) posts_skipped: AtomicU32,
}

/// One generation as a handle has it open.
pub(crate) struct Current {
    pub(crate) board: String,
    /// The format that it is kept in.
    pub(crate) format: u32,
    pub(crate) generation: Generation,
    pub(crate) epoch: u64,
    pub(crate) journal: Arc<dyn DiskFile>,
    /// Which file the journal is; as long as it is open, no other is given its inode.
    pub(crate) journal_file: Identity,
    pub(crate) index: Box<dyn Index>,
    pub(crate) words: Words,
    /// Held while the journal is synced and its outcome made known: the kernel reports a failed write-back once for each
    /// open file, so of two threads that wait for it with this one, the second would hear of a success.
    pub(crate) syncing: Mutex<()>,
    /// The short digest of the policy that decides in this generation: policies change by switches only.
    pub(crate) policy: String,
    /// Where the board is, if it isn't to be worked on here: that changes by switches only.
    pub(crate) elsewhere: Option<Elsewhere>,
    /// What its journal is called.
    names: JournalNames,
}

/// What a generation's journal is called: asked for by every commit.
struct JournalNames {
    journal: String,
    retired: String,
}

/// Those who wait for the board's lock.
pub(crate) struct Queue {
    /// Who is next.
    pub(crate) turn: Turn,
    /// What the others wait for it for.
    pub(crate) slots: Option<Arc<Slots>>,
}

impl Current {
    /// Refuses a board that is elsewhere.
    pub(crate) fn expect_here(&self) -> Result<(), ReadError> {
        self.elsewhere.as_ref().map_or(Ok(()), |elsewhere| Err(elsewhere.refusal()))
    }

    /// Whether this generation and index are still the current ones.
    pub(crate) fn is_current(&self) -> bool {
        self.words.generation() == self.generation
            && self.words.epoch() == self.epoch
            && self.words.are_linked()
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.words.is_poisoned(self.generation)
    }

    /// Whether `sequence`, which stands in this generation's journal, is known to be durable.
    pub(crate) fn is_durable(&self, sequence: Sequence) -> bool {
        // In this order: only as long as the words speak of this generation do they mean its entries. One whose sync
        // failed may have been replaced meanwhile by another that has other entries of the same numbers.
        self.words.durable_through() >= sequence && self.words.generation() == self.generation
    }

    /// Calls one of those who have posted something.
    pub(crate) fn call_one(&self) {
        if let Some(slots) = self.words.slots() {
            slots.call_one();
        }
    }

    /// The journal's name.
    pub(crate) fn journal_name(&self) -> &str {
        &self.names.journal
    }

    /// Its name in the history, once it is retired.
    pub(crate) fn retired_name(&self) -> &str {
        &self.names.retired
    }
}

/// An index that fits its board, and what it says of itself.
pub(crate) struct Found {
    pub(crate) index: Box<dyn Index>,
    pub(crate) epoch: u64,
    pub(crate) meta: Meta,
}

/// Reading or locking a file failed.
pub(crate) fn failed(path: &str) -> impl FnOnce(io::Error) -> ReadError {
    move |error| ReadError::Failed(format!("`{path}`: {error}"))
}

/// The same where a file is opened to be written as well.
pub(crate) fn failed_to_write(path: &str) -> impl FnOnce(io::Error) -> ReadError {
    move |error| match unwritable(path, &error) {
        Some(why) => ReadError::Failed(why),
        None => failed(path)(error),
    }
}

/// What a refusal by the operating system means to this user.
pub(crate) fn unwritable(path: &str, error: &io::Error) -> Option<String> {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
        .then(|| format!("`{path}` can't be written by this user: {error}"))
}

impl Inner {
    pub(crate) fn new(platform: Arc<dyn Platform>, options: OpenOptions) -> Self {
        let disk = platform.disk().clone();
        #[cfg(any(test, feature = "simulation"))]
        let disk = match options.has(PlantedBug::LockFileUnlinked) {
            true => crate::planted::unlinking(disk),
            false => disk,
        };
        let inherited = Inherited::verify(&options.inherited, &*disk);
        let outer = inherited.file(&Lockable::Board).map(|file| Outer { file });
        let recorder = Arc::new(Recorder::telling(options.measured.clone()));
        Self {
            lock: Arc::new(BoardLock::new(disk.clone(), outer, recorder.clone())),
            recorder,
            inherited,
            own_tasks: OwnTasks::default(),
            known_locks: KnownLocks::default(),
            helpers: Helpers::default(),
            platform,
            disk,
            options,
            current: RwLock::default(),
            notices: Mutex::default(),
            probes: Mutex::default(),
            waiting: Waiting::default(),
            pages: Arc::default(),
            next_look_for_dead: AtomicU64::new(0),
            index_room: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            posts_skipped: AtomicU32::new(0),
        }
    }

    pub(crate) fn notice(&self, notice: Notice) {
        self.notices.lock().push(notice);
    }

    pub(crate) fn wait_max(&self) -> Deadline {
        Deadline::now() + self.options.lock_wait
    }

    /// Takes the board's lock.
    pub(crate) fn lock(&self, deadline: Deadline) -> Result<BoardGuard, BeginError> {
        self.inherited.check(&Lockable::Board).map_err(failed(names::LOCK))?;
        let queue = self.queue();
        let turn = queue.as_ref().map(|queue| &queue.turn);
        let guard = self.lock.lock(deadline, turn).map_err(|error| match error {
            LockError::Timeout(waited) => BeginError::Timeout { waited, holder: self.holder() },
            other => BeginError::Read(ReadError::Failed(other.to_string())),
        })?;
        Ok(guard.calling(queue.and_then(|queue| queue.slots)))
    }

    /// Who else waits for the lock: one who has the board open knows where that stands.
    pub(crate) fn queue(&self) -> Option<Queue> {
        // In a forked child another thread of the parent's may be changing what is open for ever. And those inside a lock
        // that was taken by hand take another one, for which those outside don't wait.
        if self.lock.same_process().is_err() || self.lock.path() != names::LOCK {
            return None;
        }
        let current = self.current.read();
        let words = &current.as_ref()?.words;
        Some(Queue { turn: words.lock_turn()?, slots: words.slots().cloned() })
    }

    fn holder(&self) -> Option<String> {
        if self.lock.path() == names::LOCK {
            return self.blocked_by(&Lockable::Board);
        }
        self.platform.lock_holder(self.disk.identity(self.lock.path()).ok()?)
    }

    /// `board.json`; refused if it is of a newer format.
    pub(crate) fn board_file(&self) -> Result<BoardFile, BeginError> {
        let file = self.any_board_file()?;
        if file.is_newer() {
            return Err(BeginError::Newer { found: file.format, known: FORMAT });
        }
        Ok(file)
    }

    /// `board.json`, whatever its format.
    pub(crate) fn any_board_file(&self) -> Result<BoardFile, ReadError> {
        let bytes = match read_file(&*self.disk, names::BOARD) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(no_board_file(&*self.disk));
            }
            result => result.map_err(failed(names::BOARD))?,
        };
        BoardFile::decode(&bytes).map_err(|e| {
            let why = "it can't be read; nothing was changed, and `taskhost doctor` says more";
            ReadError::Damaged(format!("`{}`, line 1, byte 0: {why}: {e}", names::BOARD))
        })
    }

    /// What the shared words must say to be about this board in this place and boot.
    pub(crate) fn home(&self, board: &str) -> Result<u64, ReadError> {
        let Identity { device, inode } =
            self.disk.identity(names::LOCK).map_err(failed(names::LOCK))?;
        let mut hash = Sha256::new();
        if !self.options.has(PlantedBug::BootIgnored) {
            hash.update(self.platform.now().boot.0.as_bytes());
        }
        hash.update([0]);
        hash.update(board.as_bytes());
        hash.update([0]);
        hash.update(device.to_be_bytes());
        hash.update(inode.to_be_bytes());
        Ok(u64::from_be_bytes(Checksum::finish(hash).0))
    }

    /// The words of this board and boot, if they are there.
    pub(crate) fn words(&self, board: &str) -> Result<Option<Words>, ReadError> {
        let home = self.home(board)?;
        let words = self.platform.words().map_err(failed_to_write("index/shared"))?;
        Ok(words.filter(|words| words.are_of(home)))
    }

    /// Refuses a board that is elsewhere, for one who changes what isn't part of any transaction.
    pub(crate) fn expect_here(&self) -> Result<(), ReadError> {
        match self.open_generation() {
            Some(current) => current.expect_here(),
            None => match self.any_board_file()?.elsewhere {
                Some(elsewhere) => Err(elsewhere.refusal()),
                None => Ok(()),
            },
        }
    }

    /// The generation that the handle has open, if it is still the current one; none in a forked child.
    pub(crate) fn open_generation(&self) -> Option<Arc<Current>> {
        // In a forked child another thread of the parent's may be changing it for ever.
        self.lock.same_process().ok()?;
        let is_current = |current: &Arc<Current>| {
            current.is_current() || self.options.has(PlantedBug::GenerationNotRechecked)
        };
        self.current.read().clone().filter(is_current)
    }

    /// Opens what is current; `None` if something needs mending, for which the lock must be held.
    pub(crate) fn attach(&self) -> Result<Option<Arc<Current>>, BeginError> {
        self.lock.same_process().map_err(|e| ReadError::Failed(e.to_string()))?;
        let file = self.board_file()?;
        let Some(words) = self.words(&file.board)? else { return Ok(None) };
        if words.generation() != file.generation || words.is_poisoned(file.generation) {
            return Ok(None);
        }
        let epoch = words.epoch();
        let Some(found) = self.open_index(&file, epoch)? else { return Ok(None) };
        let Some(journal) = self.open_journal(&file, &found.meta)? else { return Ok(None) };
        self.enter(file, words, found.index, epoch, journal).map(Some)
    }

    /// Puts what was opened in its place.
    pub(crate) fn enter(
        &self,
        file: BoardFile,
        words: Words,
        index: Box<dyn Index>,
        epoch: u64,
        journal: Arc<dyn DiskFile>,
    ) -> Result<Arc<Current>, BeginError> {
        self.recorder.attach(&*self.platform, words.home());
        let policies = ImageView::new(index::read(&*index)?).policies()?;
        let names = JournalNames {
            journal: names::journal(file.generation),
            retired: names::retired(file.generation),
        };
        let journal_file = journal.identity().map_err(failed(&names.journal))?;
        let current = Arc::new(Current {
            board: file.board,
            format: file.format,
            generation: file.generation,
            epoch,
            journal,
            journal_file,
            index,
            words,
            syncing: Mutex::default(),
            policy: policies.leading().digest.short(),
            elsewhere: file.elsewhere,
            names,
        });
        *self.current.write() = Some(current.clone());
        Ok(current)
    }

    /// The index of this name, if it is one of this board, boot and generation; or one's own in its place (`own`).
    pub(crate) fn open_index(
        &self,
        file: &BoardFile,
        epoch: u64,
    ) -> Result<Option<Found>, ReadError> {
        let name = names::index(file.generation, epoch);
        let index = match self.platform.open_index(&name, &self.pages) {
            Ok(Some(index)) => index,
            Ok(None) => return Ok(None),
            Err(NotOpened::NumberTaken | NotOpened::Inherited) => {
                return self.own_index(file, epoch);
            }
            Err(NotOpened::Failed(error)) => return Err(error),
        };
        let meta = index::read(&*index).and_then(|reading| index::meta(&reading));
        let Ok(Some(meta)) = meta else { return Ok(None) };
        let fits = meta.board == file.board
            && meta.generation == file.generation
            && (meta.boot == self.platform.now().boot || self.options.has(PlantedBug::BootIgnored));
        Ok(fits.then_some(Found { index, epoch, meta }))
    }

    /// The journal, if it has the line that the index was last given.
    fn open_journal(
        &self,
        file: &BoardFile,
        meta: &Meta,
    ) -> Result<Option<Arc<dyn DiskFile>>, ReadError> {
        let name = names::journal(file.generation);
        self.expect_regular(&name)?;
        let journal = match self.disk.open(&name, How::Append) {
            Ok(journal) => journal,
            // Retired this instant, or gone: whoever mends finds out which.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed_to_write(&name)(error)),
        };
        Ok(self.bears(&*journal, meta)?.then_some(journal))
    }

    /// Whether the files have what `meta` says was last: its line in the journal, or, as long as there is none, the
    /// snapshot that the journal is to continue. A switch that died may have left an index of the same generation, made
    /// from another snapshot.
    pub(crate) fn bears(&self, journal: &dyn DiskFile, meta: &Meta) -> Result<bool, ReadError> {
        let name = names::journal(meta.generation);
        if journal.len().map_err(failed(&name))? < meta.offset {
            return Ok(false);
        }
        let expected = format!("\"sum\":\"{}\"}}\n", meta.chain);
        let Some(start) = meta.offset.checked_sub(expected.len() as u64) else {
            return Ok(meta.offset == 0 && self.follows_snapshot(meta)?);
        };
        let mut bytes = vec![0; expected.len()];
        let read = journal.read_at(&mut bytes, start).map_err(failed(&name))?;
        Ok(bytes[..read] == *expected.as_bytes())
    }

    fn follows_snapshot(&self, meta: &Meta) -> Result<bool, ReadError> {
        let name = names::tasks(meta.generation);
        let snapshot = match self.disk.open(&name, How::Read) {
            Ok(snapshot) => snapshot,
            // Whoever mends says so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(&name)(error)),
        };
        let sum = snapshot::stated_sum(&*snapshot).map_err(failed(&name))?;
        let seed = |sum| Checksum::seed(&meta.board, meta.generation, sum);
        Ok(sum.is_some_and(|sum| meta.chain == seed(sum)))
    }

    /// The current generation, mended if need be; the lock is taken only if it is needed.
    pub(crate) fn current(&self, deadline: Deadline) -> Result<Arc<Current>, BeginError> {
        self.lock.same_process().map_err(|e| ReadError::Failed(e.to_string()))?;
        if let Some(current) = self.open_generation()
            && self.may_use(&current)
        {
            return Ok(current);
        }
        if let Some(current) = self.attach()? {
            return Ok(current);
        }
        let guard = self.lock(deadline)?;
        self.mended(&guard)
    }

    /// The current generation, if it can be opened without the lock. Whoever is about to wait for the lock opens it before:
    /// after a switch everybody has to, and under the lock they would do it one after the other.
    pub(crate) fn follow(&self) -> Option<Arc<Current>> {
        // Whatever is wrong is found again, and told, by one who holds the lock.
        self.open_generation().or_else(|| self.attach().ok().flatten())
    }

    /// The current generation, mended if need be, for one who holds the lock.
    pub(crate) fn mended(&self, guard: &BoardGuard) -> Result<Arc<Current>, BeginError> {
        if let Some(current) = self.open_generation()
            && self.may_use(&current)
            && self.is_named(&current)?
        {
            return Ok(current);
        }
        match self.attach()? {
            Some(current) => Ok(current),
            None => self.mend(guard),
        }
    }

    fn may_use(&self, current: &Current) -> bool {
        !current.is_poisoned() || self.options.has(PlantedBug::PoisonIgnored)
    }
}
