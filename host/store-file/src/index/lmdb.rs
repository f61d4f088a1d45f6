//! The index in LMDB, shared by all processes through the page cache.
//!
//! Flags: `NO_SYNC`, because the index is derived and belongs to one boot; and `WRITE_MAP`, with which a commit stores its
//! pages where everybody reads them, and makes no system call: measured, five times as fast as writing them. What that
//! takes is in [`room`]: a file that is as long as its map, though most of it has no blocks, and blocks for every page
//! before it is written to. Where a file system can't promise these, pages are written to the file. Readers belong to
//! transactions, not to threads, so that a view can be moved.
//!
//! What a change puts and takes away is gathered first ([`writing`]): then it is known how many pages it may take, what
//! is put several times is written once, and it is written in the order of its keys.
//!
//! LMDB must not be opened twice in one process (its `fcntl` locks would be dropped when either is closed), so
//! open environments are kept in a registry by device and inode. A forked child may not use its copy of one, nor open
//! another beside it: as long as something in it still uses the copy it goes on in its own way (`own`). Closing it there
//! is harmless, since LMDB then clears only what bears the child's own number.
//!
//! LMDB knows readers by the numbers of their processes, of which two can have the same one, each in a namespace of its
//! own. The second one is refused here, and goes on in its own way (`own`).
//!
//! Page reads are counted as an upper bound made of what really happened: a lookup reads one page per level of
//! the tree, as the tree is at that moment; a scan reads that and the leaves it steps over, of which LMDB keeps
//! each at least a quarter full; a value of more than half a page has overflow pages of its own.

#![expect(
    unsafe_code,
    reason = "opening a mapped database is unsafe; see the safety comment there"
)]

mod files;
mod room;
mod writing;

use std::collections::HashMap;
use std::io::ErrorKind::{InvalidInput, NotFound};
use std::mem::ManuallyDrop;
use std::ops::Bound;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant as Deadline};

use cap_std::fs::{Dir, Metadata, MetadataExt as _};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, RoTxn, WithoutTls};
use parking_lot::Mutex;
use taskhost_board::ReadError;
use taskhost_board::image::{self, Direction, Pair, Read};

use super::{Index, NotOpened, ReadTxn, WriteTxn};
use files::{close_on_exec, lengthen, reserve_locks};
use room::Room;
use taskhost_forks::{self as forks, Origin, lineage};
use writing::LmdbWrite;

/// Address space only, where pages are written to the file. A task takes a few KiB here, so this is room for tens of
/// millions.
const MAP_BYTES: usize = if cfg!(target_pointer_width = "64") { 256 << 30 } else { 1 << 30 };
/// Each open view takes one.
const READERS_MAX: u32 = 2048;
const DATA: &str = "data.mdb";
const LOCK: &str = "lock.mdb";
/// For how long an environment that this process is just closing is waited for.
const CLOSING_MAX: Duration = Duration::from_secs(5);

type Map = Database<'static, Bytes, Bytes>;

/// An environment that is open in this process.
struct Opened {
    env: Env<WithoutTls>,
    map: Map,
    /// The process that opened it.
    origin: Origin,
    /// Where its pages have to have blocks before they are written to; otherwise pages are written to the file.
    room: Option<Room>,
    /// How long its file is at least, in bytes, where pages are written to it.
    length: AtomicU64,
    /// Kept open so that no other directory gets its inode, by which the registry knows it, when it is removed
    /// while somebody still reads.
    directory: Dir,
}

impl Opened {
    /// Refuses to be used in a forked child: readers would be taken for the parent's, and cleared away with it.
    fn is_ours(&self) -> Result<(), ReadError> {
        if self.origin.is_here() { Ok(()) } else { Err(forked()) }
    }

    /// How long the file has to be for every page that may be read.
    fn bytes_used(&self) -> u64 {
        let page = self.env.unnamed_database_stat().page_size;
        (self.env.info().last_page_number as u64 + 1) * u64::from(page)
    }

    /// Makes the file as long as it says that it is. LMDB writes no page that a change has taken and given back, so
    /// where these are the last ones the file ends before them, as if it had been cut.
    fn lengthen(&self) {
        let bytes = self.bytes_used();
        if self.length.fetch_max(bytes, Ordering::Relaxed) < bytes {
            // Where there is no room, whoever opens the index next makes it anew.
            let _ = lengthen(&self.directory, bytes);
        }
    }

    /// The same for one who has a transaction, at every read.
    fn has_not_forked(&self) -> Result<(), ReadError> {
        if self.origin.has_not_forked() { Ok(()) } else { Err(forked()) }
    }
}

const FORKED: &str = "the index was opened before this process was forked; drop the board's handles in the child before \
                      opening it there, or start the child by `exec`";

fn forked() -> ReadError {
    ReadError::Failed(FORKED.into())
}

/// The environments that are open, by device and inode of their directories.
type Registry = HashMap<(u64, u64), Weak<Opened>>;

static OPENED: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

/// An index in LMDB.
pub(crate) struct LmdbIndex {
    opened: Arc<Opened>,
    pages: Arc<AtomicU64>,
}

fn failed(error: heed::Error) -> ReadError {
    ReadError::Failed(format!("the index failed: {error}"))
}

/// Why an environment wasn't opened.
enum Unopened {
    /// What is there isn't one, or is gone.
    None(heed::Error),
    /// This process has it open, or still closes it.
    Open,
    /// It may be a good one. Were it made anew because this process has no room or no descriptor left, it would be made
    /// anew for everybody.
    Failed(ReadError),
    /// Another process is entered among its readers with the number of this one.
    NumberTaken,
}

impl From<heed::Error> for Unopened {
    fn from(error: heed::Error) -> Self {
        use heed::MdbError::{
            Corrupted, Incompatible, Invalid, PageNotFound, Panic, VersionMismatch,
        };
        match error {
            heed::Error::Mdb(
                Corrupted | Incompatible | Invalid | PageNotFound | Panic | VersionMismatch,
            ) => Self::None(error),
            // It was swept up meanwhile, or what it says of itself can't be mapped.
            heed::Error::Io(ref io) if matches!(io.kind(), NotFound | InvalidInput) => {
                Self::None(error)
            }
            heed::Error::EnvAlreadyOpened => Self::Open,
            error => Self::Failed(failed(error)),
        }
    }
}

impl From<Unopened> for NotOpened {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::None(error) => Self::Failed(failed(error)),
            // Only a copy that was taken along, and that somebody still uses here, stays open.
            Unopened::Open if lineage() > 0 => Self::Inherited,
            Unopened::Open => Self::Failed(failed(heed::Error::EnvAlreadyOpened)),
            Unopened::Failed(error) => Self::Failed(error),
            Unopened::NumberTaken => Self::NumberTaken,
        }
    }
}

impl LmdbIndex {
    /// Makes an empty one in an empty directory.
    pub(crate) fn create(directory: &Dir, pages: &Arc<AtomicU64>) -> Result<Self, ReadError> {
        // Whatever stands in the way of a long file, a short one may do.
        let opened = match room::prepare(directory).is_ok_and(|is_ready| is_ready) {
            true => enter(directory).or_else(|_| {
                room::give_up(directory).map_err(|e| Unopened::Failed(failed(e.into())))?;
                enter(directory)
            }),
            false => enter(directory),
        };
        let opened = opened.map_err(|unopened| match unopened.into() {
            NotOpened::Failed(error) => error,
            taken => ReadError::Failed(taken.to_string()),
        })?;
        Ok(Self { opened, pages: pages.clone() })
    }

    /// Opens one; `None` if what is there isn't one, and has to be made anew.
    pub(crate) fn open(directory: &Dir, pages: &Arc<AtomicU64>) -> Result<Option<Self>, NotOpened> {
        // A link could lead anywhere, also one that is no symbolic one: LMDB writes its table of readers over whatever
        // it finds. And an empty file is a crash's leftover.
        for name in [DATA, LOCK] {
            let is_plain = |m: &Metadata| m.is_file() && m.nlink() == 1 && m.len() > 0;
            let plain = directory.symlink_metadata(name).is_ok_and(|m| is_plain(&m));
            if !plain {
                return Ok(None);
            }
        }
        if !room::is_plain(directory) {
            return Ok(None);
        }
        let opened = match enter(directory) {
            Ok(opened) => opened,
            Err(Unopened::None(_)) => return Ok(None),
            Err(unopened) => return Err(unopened.into()),
        };
        // Reading a page past a cut file's end would kill the process.
        let length = directory.symlink_metadata(DATA).map(|m| m.len()).unwrap_or_default();
        if length < opened.bytes_used() {
            return Ok(None);
        }
        Ok(Some(Self { opened, pages: pages.clone() }))
    }
}

/// Opens the environment in `directory`, or finds it open already.
fn enter(directory: &Dir) -> Result<Arc<Opened>, Unopened> {
    // Without handlers a child would take the environment for its own.
    forks::handle_forks().map_err(heed::Error::Io)?;
    let metadata = directory.dir_metadata().map_err(heed::Error::Io)?;
    let key = (metadata.dev(), metadata.ino());
    let deadline = Deadline::now() + CLOSING_MAX;
    loop {
        {
            // In a forked child, a thread that isn't there may have it for ever.
            let opened = OPENED.try_lock_until(deadline);
            let mut opened = opened.ok_or(Unopened::Open)?;
            if let Some(found) = opened.get(&key).and_then(Weak::upgrade) {
                return found.is_ours().map(|()| found).map_err(|_| Unopened::Open);
            }
            reserve_locks(directory)?;
            match open(directory) {
                Ok(fresh) => {
                    let fresh = Arc::new(fresh);
                    opened.retain(|_, weak| weak.strong_count() > 0);
                    opened.insert(key, Arc::downgrade(&fresh));
                    return Ok(fresh);
                }
                Err(Unopened::Open) if Deadline::now() < deadline => {}
                Err(unopened) => return Err(unopened),
            }
        }
        // Its last user is about to close it.
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn open(directory: &Dir) -> Result<Opened, Unopened> {
    // Through the descriptor, so that it is this directory whatever became of its path.
    let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    let mapped = room::mapped(directory).map_err(heed::Error::Io)?;
    let (map_bytes, flags) = match mapped {
        Some(bytes) => (bytes, EnvFlags::NO_SYNC | EnvFlags::WRITE_MAP),
        None => (MAP_BYTES, EnvFlags::NO_SYNC),
    };
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map_bytes).max_readers(READERS_MAX);
    // SAFETY: the file is only changed through LMDB, under its own locks and the board's. An index is never
    // changed in place by anything else: it is made in a directory of its own and removed whole. `NO_SYNC` can
    // only lose what a new boot makes anew. With `WRITE_MAP` a stray write of this process could change the index, which
    // is derived; and no page is written to before it has a block on the disk.
    let env = unsafe {
        options.flags(flags);
        options.open(path)?
    };
    let room = mapped.map(|_| Room::of(directory, &env)).transpose().map_err(heed::Error::Io)?;
    close_on_exec(directory).map_err(heed::Error::Io)?;
    // Whoever died in the middle of reading must not keep pages from being used again.
    env.clear_stale_readers()?;
    // The first of them locks a byte of the lock file, which is how others see that this process lives.
    let txn = env.read_txn().map_err(|error| match error {
        heed::Error::Io(io) if is_taken(&io) => Unopened::NumberTaken,
        error => error.into(),
    })?;
    let map = env
        .open_databases_and_commit::<_, _, (), heed::Error>(txn, |opener, txn| {
            Ok(CommitOrAbort::Commit(opener.open_database::<Bytes, Bytes>(txn, None)?))
        })?
        .unwrap_commit();
    let map = map.ok_or_else(|| heed::Error::Io(std::io::Error::other("the index has no map")))?;
    let directory = directory.try_clone().map_err(heed::Error::Io)?;
    let (origin, length) = (Origin::here(), AtomicU64::new(0));
    Ok(Opened { env, map, origin, room, length, directory })
}

/// Whether somebody else has the byte of the lock file that stands for a process of this one's number.
fn is_taken(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let refusals = [Errno::AGAIN, Errno::ACCESS];
    refusals.iter().any(|refused| error.raw_os_error() == Some(refused.raw_os_error()))
}

impl Index for LmdbIndex {
    fn read(&self) -> Result<Box<dyn ReadTxn>, ReadError> {
        let opened = self.opened.clone();
        // Whoever begins a transaction has asked for the process's number as well.
        opened.has_not_forked()?;
        let txn = match opened.env.clone().static_read_txn() {
            // The table of readers is full of the dead.
            Err(heed::Error::Mdb(heed::MdbError::ReadersFull)) => {
                opened.env.clear_stale_readers().map_err(failed)?;
                opened.env.clone().static_read_txn()
            }
            result => result,
        };
        let txn = txn.map_err(failed)?;
        let txn = ManuallyDrop::new(txn);
        Ok(Box::new(LmdbRead { meter: Meter::new(&self.pages), txn, opened }))
    }

    fn write(&self) -> Result<Box<dyn WriteTxn + '_>, ReadError> {
        self.opened.has_not_forked()?;
        Ok(Box::new(LmdbWrite::begin(Meter::new(&self.pages), &self.opened)?))
    }

    fn seal(&self, least: u64) -> Result<(), ReadError> {
        match &self.opened.room {
            Some(room) => room.seal(&self.opened.env, &self.opened.directory, least),
            None => Ok(()),
        }
    }

    fn is_filling_up(&self) -> bool {
        self.opened.room.as_ref().is_some_and(|room| room.is_filling_up(&self.opened.env))
    }

    fn tidy(&self) {
        if self.opened.is_ours().is_err() {
            return;
        }
        // What can't be freed now can be later.
        let _ = self.opened.env.clear_stale_readers();
    }
}

/// Counts pages.
struct Meter {
    pages: Arc<AtomicU64>,
}

impl Meter {
    fn new(pages: &Arc<AtomicU64>) -> Self {
        Self { pages: pages.clone() }
    }

    /// A descent to one place, and the leaves and overflow pages of what was read from there on.
    fn count<'a>(
        &self,
        map: &Map,
        txn: &RoTxn<'_>,
        read: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        let Ok(stat) = map.stat(txn) else { return };
        let page = u64::from(stat.page_size);
        let (mut bytes, mut overflow) = (0, 0);
        for (key, value) in read {
            let length = value.len() as u64;
            bytes += key.len() as u64 + 16;
            if length > page / 2 {
                overflow += length.div_ceil(page) + 1;
            } else {
                bytes += length;
            }
        }
        let leaves = bytes / (page / 4);
        self.pages.fetch_add(u64::from(stat.depth) + leaves + overflow, Ordering::Relaxed);
    }
}

impl Meter {
    /// A descent for each of these, and the overflow pages of what was written.
    fn count_each<'a>(
        &self,
        map: &Map,
        txn: &RoTxn<'_>,
        written: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) {
        let Ok(stat) = map.stat(txn) else { return };
        let page = stat.page_size as usize;
        let overflow = |value: &[u8]| match value.len() {
            length if length > page / 2 => length.div_ceil(page) + 1,
            _ => 0,
        };
        let pages = written.map(|(_, value)| stat.depth as usize + value.map_or(0, overflow));
        self.pages.fetch_add(pages.sum::<usize>() as u64, Ordering::Relaxed);
    }
}

struct LmdbRead {
    meter: Meter,
    // Dropped before the environment it belongs to.
    txn: ManuallyDrop<RoTxn<'static, WithoutTls>>,
    opened: Arc<Opened>,
}

impl Drop for LmdbRead {
    fn drop(&mut self) {
        if self.opened.is_ours().is_ok() {
            // SAFETY: it is dropped here and nowhere else.
            unsafe { ManuallyDrop::drop(&mut self.txn) };
        } else {
            // In a forked child the reader's slot is still the parent's, who may be reading. The child's copy of the
            // environment is kept for good then, since the transaction keeps it; so it stays in the registry too, and
            // whoever opens the board there is refused at once.
            std::mem::forget(self.opened.clone());
        }
    }
}

impl ReadTxn for LmdbRead {}

impl Read for LmdbRead {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.opened.has_not_forked()?;
        get(&self.meter, &self.opened.map, &self.txn, key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        start: image::Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, ReadError> {
        self.opened.has_not_forked()?;
        scan(&self.meter, &self.opened.map, &self.txn, prefix, start, direction, limit)
    }
}

fn get(
    meter: &Meter,
    map: &Map,
    txn: &RoTxn<'_>,
    key: &[u8],
) -> Result<Option<Vec<u8>>, ReadError> {
    let value = map.get(txn, key).map_err(failed)?;
    meter.count(map, txn, value.iter().map(|value| (key, *value)));
    Ok(value.map(<[u8]>::to_vec))
}

/// The first pair of a scan, at the cost of a look.
fn first(
    meter: &Meter,
    map: &Map,
    txn: &RoTxn<'_>,
    prefix: &[u8],
    start: image::Start<'_>,
) -> Result<Vec<Pair>, ReadError> {
    let found = match start {
        image::Start::End => map.get_greater_than_or_equal_to(txn, prefix),
        image::Start::Past(key) => map.get_greater_than(txn, key),
    };
    let found = found.map_err(failed)?.filter(|(key, _)| key.starts_with(prefix));
    meter.count(map, txn, found.into_iter());
    Ok(found.map(|(key, value)| (key.to_vec(), value.to_vec())).into_iter().collect())
}

fn scan(
    meter: &Meter,
    map: &Map,
    txn: &RoTxn<'_>,
    prefix: &[u8],
    start: image::Start<'_>,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Pair>, ReadError> {
    if limit == 1 && direction == Direction::Forward && !prefix.is_empty() {
        return first(meter, map, txn, prefix, start);
    }
    let end = image::prefix_end(prefix);
    // LMDB has no empty keys, and can't look for one.
    let mut low = if prefix.is_empty() { Bound::Unbounded } else { Bound::Included(prefix) };
    let mut high = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    match (start, direction) {
        (image::Start::End, _) => {}
        (image::Start::Past(key), Direction::Forward) => low = Bound::Excluded(key),
        (image::Start::Past(key), Direction::Backward) => high = Bound::Excluded(key),
    }
    let range = (low, high);
    let mut pairs: Vec<Pair> = Vec::new();
    let mut take = |pair: heed::Result<(&[u8], &[u8])>| -> Result<(), ReadError> {
        let (key, value) = pair.map_err(failed)?;
        pairs.push((key.to_vec(), value.to_vec()));
        Ok(())
    };
    match direction {
        Direction::Forward => {
            map.range(txn, &range).map_err(failed)?.take(limit).try_for_each(&mut take)?
        }
        Direction::Backward => {
            map.rev_range(txn, &range).map_err(failed)?.take(limit).try_for_each(&mut take)?;
        }
    }
    meter.count(map, txn, pairs.iter().map(|(key, value)| (&key[..], &value[..])));
    Ok(pairs)
}
