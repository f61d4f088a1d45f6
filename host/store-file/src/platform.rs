//! What the store stands on: a disk, a clock, the shared words and the indexes. There are two: the operating
//! system ([`Real`]), and a simulated world in which everything can be stopped, lost and looked at.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions};
use taskhost_board::{BootId, Instant, Millis, ReadError};

use crate::disk::{
    Disk, Identity, RealDisk, Reserved, fill, open_regular, reserve, temporary_name,
};
use crate::index::{Index, LmdbIndex, NotOpened};
use crate::options::Clock;
use crate::process;
use crate::size_limit;
use crate::waiting::{Inotify, Notifier};
use crate::words::{MappedWords, SLOTS_WORDS, Slots, Start, WORDS, Words};

/// What the store stands on.
pub(crate) trait Platform: Send + Sync {
    /// The board's directory.
    fn disk(&self) -> &Arc<dyn Disk>;
    /// The directory that policies of several boards share, as the operator named it.
    fn shared_place(&self, path: &str) -> io::Result<Arc<dyn Disk>>;
    /// The time on both clocks.
    fn now(&self) -> Instant;
    /// The shared words that are there.
    fn words(&self) -> io::Result<Option<Words>>;
    /// Makes new shared words, in place of those that are there. Only under the board's lock.
    fn make_words(&self, start: &Start) -> io::Result<Words>;
    /// The statistics that are there, if they have this many words.
    fn statistics(&self, count: usize) -> io::Result<Option<MappedWords>>;
    /// Makes new ones that begin with `header`, in place of those that are there; `None` where there are none. The
    /// first `used` can be written to; for the others there must be made room first.
    fn make_statistics(
        &self,
        count: usize,
        used: usize,
        header: &[u64],
    ) -> io::Result<Option<MappedWords>>;
    /// Opens the index of this name; `None` if there is none that can be opened.
    fn open_index(
        &self,
        name: &str,
        pages: &Arc<AtomicU64>,
    ) -> Result<Option<Box<dyn Index>>, NotOpened>;
    /// Makes an empty index of this name.
    fn create_index(&self, name: &str, pages: &Arc<AtomicU64>)
    -> Result<Box<dyn Index>, ReadError>;
    /// The names of the indexes that are there.
    fn indexes(&self) -> io::Result<Vec<String>>;
    /// Removes an index. Whoever still has it open keeps what they have.
    fn remove_index(&self, name: &str) -> io::Result<()>;
    /// Listens to what happens to the board's files; `None` where that can't be heard.
    fn notifier(&self) -> io::Result<Option<Arc<dyn Notifier>>>;
    /// Lets others go on in place of a pause, where time doesn't pass by itself; `false` where it does.
    fn let_others_go(&self) -> io::Result<bool> {
        Ok(false)
    }
    /// Gives others some time for what they are at.
    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
    /// Who holds a lock on this file.
    fn lock_holders(&self, file: Identity) -> Vec<LockHolder>;
    /// The same, for people.
    fn lock_holder(&self, file: Identity) -> Option<String> {
        let holders: Vec<String> =
            self.lock_holders(file).into_iter().map(|holder| holder.text).collect();
        (!holders.is_empty()).then(|| holders.join(", "))
    }
}

/// A process that holds a lock.
#[derive(PartialEq, Eq)]
pub(crate) struct LockHolder {
    /// Its number, if it can be seen from here.
    pub(crate) pid: Option<u32>,
    /// What to tell people.
    pub(crate) text: String,
}

/// A random number, or, if the system has none to give, one that differs from process to process.
pub(crate) fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    if getrandom::fill(&mut bytes).is_ok() {
        return u64::from_ne_bytes(bytes);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() as u64) ^ (u64::from(std::process::id()) << 40)
}

const INDEX: &str = "index";
const SHARED_WORDS: &str = "index/shared";
const STATISTICS: &str = "index/stats";
const SLOTS: &str = "index/slots";

/// The operating system.
pub(crate) struct Real {
    files: Arc<RealDisk>,
    disk: Arc<dyn Disk>,
    boot: BootId,
    /// By how much our boot clock is ahead of the machine's.
    boot_clock_offset: (i64, i64),
    /// What tests make of the time.
    clock: Option<Clock>,
    /// Whether nobody but this machine changes the files.
    is_local: bool,
}

impl Real {
    pub(crate) fn new(directory: Dir, is_local: bool, clock: Option<Clock>) -> io::Result<Self> {
        size_limit::catch();
        let files = Arc::new(RealDisk::new(directory));
        let boot_clock_offset = process::boot_clock_offset();
        let boot = process::boot()?;
        Ok(Self { disk: files.clone(), files, boot, boot_clock_offset, clock, is_local })
    }

    fn index_dir(&self, name: &str) -> io::Result<Dir> {
        self.files.directory().open_dir(format!("{INDEX}/{name}"))
    }

    fn mapped(&self, path: &'static str, count: usize) -> io::Result<Option<MappedWords>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match open_regular(self.files.directory(), path, &mut options) {
            Ok(file) => MappedWords::open(file, count, &self.files, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a file of `count` words to be mapped, zero but for those it begins with. The first `used` have space on the
    /// disk; the others have to be given some before they are written to.
    fn make_mapped(&self, path: &str, count: usize, used: usize, words: &[u64]) -> io::Result<()> {
        let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        while_thrown_away(|| self.try_make_mapped(path, count, used, words), is_gone)
    }

    fn try_make_mapped(
        &self,
        path: &str,
        count: usize,
        used: usize,
        words: &[u64],
    ) -> io::Result<()> {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.resize(used.min(count) * 8, 0);
        let temporary = temporary_name(&*self.disk, path);
        self.disk.create_dir(INDEX)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let mut file = self.files.directory().open_with(&temporary, &options)?.into_std();
        let mut make = || {
            // Never synced: words of another boot are worthless anyway.
            file.write_all(&bytes)?;
            let (written, all) = (bytes.len() as u64, (count * 8) as u64);
            if reserve(&file, 0, written)? == Reserved::Unsupported {
                fill(&file, written, all - written)?;
            }
            file.set_len(all)?;
            self.disk.rename(&temporary, path)
        };
        make().inspect_err(|_| {
            let _ = self.disk.remove(&temporary);
        })
    }

    fn try_create_index(
        &self,
        name: &str,
        pages: &Arc<AtomicU64>,
    ) -> Result<Box<dyn Index>, ReadError> {
        let directory = || {
            self.disk.create_dir(INDEX)?;
            self.files.directory().create_dir(format!("{INDEX}/{name}"))?;
            self.index_dir(name)
        };
        let directory = directory()
            .map_err(|e| ReadError::Failed(format!("`{INDEX}/{name}` could not be made: {e}")))?;
        Ok(Box::new(LmdbIndex::create(&directory, pages)?))
    }
}

/// How often something is made in the index's directory while that is thrown away.
const THROWN_AWAY_MAX: usize = 16;

/// Makes something in the index's directory: again, if it is gone because somebody threw the directory away at that very
/// moment, as they may at any.
fn while_thrown_away<T, E>(
    mut make: impl FnMut() -> Result<T, E>,
    is_gone: impl Fn(&E) -> bool,
) -> Result<T, E> {
    for _ in 1..THROWN_AWAY_MAX {
        match make() {
            Err(error) if is_gone(&error) => {}
            result => return result,
        }
    }
    make()
}

impl Platform for Real {
    fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    fn shared_place(&self, path: &str) -> io::Result<Arc<dyn Disk>> {
        let directory = Dir::open_ambient_dir(path, cap_std::ambient_authority())?;
        Ok(Arc::new(RealDisk::new(directory)))
    }

    fn now(&self) -> Instant {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Suspended time counts, since an agent's lease goes on while the machine sleeps. The machine's clock, not that
        // of a time namespace: leases are compared with those of processes elsewhere.
        let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let (seconds, nanoseconds) = self.boot_clock_offset;
        let boot_ns = (boot.tv_sec - seconds) * 1_000_000_000 + boot.tv_nsec - nanoseconds;
        let boot_ms = boot_ns / 1_000_000;
        let now = Instant {
            wall: Millis(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
            boot: self.boot.clone(),
            boot_ms: u64::try_from(boot_ms).unwrap_or_default(),
        };
        match &self.clock {
            Some(clock) => clock(now),
            None => now,
        }
    }

    fn words(&self) -> io::Result<Option<Words>> {
        let Some(cells) = self.mapped(SHARED_WORDS, WORDS)? else { return Ok(None) };
        let words = Words::new(Arc::new(cells));
        // Without them, everybody waits for the lock itself.
        let slots = self.mapped(SLOTS, SLOTS_WORDS).ok().flatten();
        let home = words.home();
        Ok(Some(words.with_slots(slots.map(|slots| Slots::new(slots, home)))))
    }

    fn make_words(&self, start: &Start) -> io::Result<Words> {
        let make = || {
            // First, so that all who find the words find the same ones. That there may be none is no reason to fail.
            let made = self.make_mapped(SLOTS, SLOTS_WORDS, SLOTS_WORDS, &[]);
            if made.is_err() {
                let _ = self.disk.remove(SLOTS);
            }
            self.make_mapped(SHARED_WORDS, WORDS, WORDS, &start.values())?;
            self.words()?
                .ok_or_else(|| io::Error::other("`index/shared` is gone as soon as it is made"))
        };
        while_thrown_away(make, |_| matches!(self.mapped(SHARED_WORDS, WORDS), Ok(None)))
    }

    fn statistics(&self, count: usize) -> io::Result<Option<MappedWords>> {
        self.mapped(STATISTICS, count)
    }

    fn make_statistics(
        &self,
        count: usize,
        used: usize,
        header: &[u64],
    ) -> io::Result<Option<MappedWords>> {
        self.make_mapped(STATISTICS, count, used, header)?;
        self.mapped(STATISTICS, count)
    }

    fn open_index(
        &self,
        name: &str,
        pages: &Arc<AtomicU64>,
    ) -> Result<Option<Box<dyn Index>>, NotOpened> {
        match self.index_dir(name) {
            Ok(directory) => {
                Ok(LmdbIndex::open(&directory, pages)?.map(|i| Box::new(i) as Box<dyn Index>))
            }
            // It may be a good one all the same.
            Err(error) if is_for_want_of_means(&error) => {
                Err(ReadError::Failed(format!("`{INDEX}/{name}`: {error}")).into())
            }
            Err(_) => Ok(None),
        }
    }

    fn create_index(
        &self,
        name: &str,
        pages: &Arc<AtomicU64>,
    ) -> Result<Box<dyn Index>, ReadError> {
        let make = || {
            self.try_create_index(name, pages).inspect_err(|_| {
                // What is there of it would only take up room.
                let _ = self.remove_index(name);
            })
        };
        // It may have been removed in part, so the error doesn't say whether that is why.
        while_thrown_away(make, |_| true)
    }

    fn indexes(&self) -> io::Result<Vec<String>> {
        let entries = match self.files.directory().read_dir(INDEX) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn remove_index(&self, name: &str) -> io::Result<()> {
        self.files.directory().remove_dir_all(format!("{INDEX}/{name}"))
    }

    fn notifier(&self) -> io::Result<Option<Arc<dyn Notifier>>> {
        if !self.is_local {
            // Other machines' changes make no sound here.
            return Ok(None);
        }
        Ok(Some(Arc::new(Inotify::new(&self.files)?)))
    }

    fn lock_holders(&self, file: Identity) -> Vec<LockHolder> {
        let mut looks = (0..LOOKS_FOR_HOLDERS).map(|_| {
            let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
            holders_in(&locks, file)
        });
        looks.find(|holders| !holders.is_empty()).unwrap_or_default()
    }
}

/// Whether this process, or the machine, has nothing left to open a file with. It says nothing of the file.
fn is_for_want_of_means(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let means = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    means.iter().any(|want| error.raw_os_error() == Some(want.raw_os_error()))
}

/// How often the list of locks is read until it names a holder: the kernel gives it out in pieces, and a line is in
/// none of them, or in two, if other locks come and go meanwhile.
const LOOKS_FOR_HOLDERS: usize = 8;

fn holders_in(locks: &str, file: Identity) -> Vec<LockHolder> {
    let mut holders: Vec<LockHolder> = Vec::new();
    for holder in locks.lines().filter_map(|line| holder_in(line, file)) {
        if !holders.contains(&holder) {
            holders.push(holder);
        }
    }
    holders
}

/// The holder in a line of `/proc/locks`, such as
/// `1: FLOCK  ADVISORY  WRITE 4711 fe:00:123456 0 EOF`; lines with `->` are of those who wait.
fn holder_in(line: &str, file: Identity) -> Option<LockHolder> {
    let mut fields = line.split_whitespace().skip(1);
    let place = (fields.next()? == "FLOCK").then(|| fields.nth(3))??;
    let pid: u32 = line.split_whitespace().nth(4)?.parse().ok()?;
    let mut place = place.split(':');
    let major = u32::from_str_radix(place.next()?, 16).ok()?;
    let minor = u32::from_str_radix(place.next()?, 16).ok()?;
    let inode: u64 = place.next()?.parse().ok()?;
    let same = inode == file.inode
        && major == rustix::fs::major(file.device)
        && minor == rustix::fs::minor(file.device);
    if !same {
        return None;
    }
    if pid == 0 {
        let text = "a process that has ended, or is in another container".to_owned();
        return Some(LockHolder { pid: None, text });
    }
    let command = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let text = match command.trim() {
        "" => format!("process {pid}"),
        command => format!("process {pid} (`{command}`)"),
    };
    Some(LockHolder { pid: Some(pid), text })
}
