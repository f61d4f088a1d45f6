//! What a forked child must not take along: what its parent holds by open files and connections.
//!
//! A `flock` belongs to an open file, a lock of a server to a connection, and a fork gives the child a copy of every
//! descriptor. A child that never execs would keep its parent's locks for as long as it lives, also when the parent is long
//! dead: the dead one's tasks would come back only with their leases, and the board could stay locked for ever. So, in the
//! child, nothing (`/dev/null`) is put in the place of each descriptor that holds something. Its number stays taken, so that its
//! owner there closes nobody else's.
//!
//! - [`opened`]: opens what is about to be locked. [`copied`]: a second descriptor of what is locked.
//! - [`Entered`]: a descriptor is in the list for as long as this is kept.
//! - [`Origin`]: the process that made something. [`lineage`]: tells a forked child from its parent at the cost of a load, once [`handle_forks`] was called.
//!
//! Where a lock is handed on to a command on purpose, its descriptor is taken off the list first
//! ([`Entered::leave`]). A command's own way to `exec` doesn't matter: `posix_spawn` runs no handlers, and `exec` closes
//! everything but what is handed on.
//!
//! Other descriptors that a child gets from a board hold nothing. LMDB's locks are `fcntl` locks, which a child doesn't have,
//! and mutexes in mapped memory, which belong to threads; what would be wrong is to *use* them in the child, which the index
//! refuses. Those of inotify and its eventfd are read by the parent's thread only, and the child's handles refuse to
//! listen. Journals are appended to by whoever holds the board's lock only. Directories are only looked up in.
//!
//! Invariants: a descriptor is on the list before anybody locks its file, and until nobody has it locked; no fork falls
//! between the opening of a file and its entry (such a file is opened again); the handlers take no lock, allocate
//! nothing, and call only what may be called in a forked child of many threads. A fork by a bare system call runs no
//! handlers, and then the lease is the last word.

#![expect(unsafe_code, reason = "what happens at a fork is told to the C library")]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant as Deadline};

use rustix::fs::{Mode, OFlags};

/// Marks a place in the list that is free.
const FREE: RawFd = -1;
const CHUNK: usize = 64;

/// A part of the list. Parts are only ever added.
struct Chunk {
    places: [AtomicI32; CHUNK],
    next: AtomicPtr<Chunk>,
}

impl Chunk {
    const fn new() -> Self {
        Self { places: [const { AtomicI32::new(FREE) }; CHUNK], next: AtomicPtr::new(null_mut()) }
    }

    fn next(&self) -> Option<&'static Self> {
        // SAFETY: what is stored there is null or a leaked chunk, which lives for ever and is shared only.
        unsafe { self.next.load(SeqCst).as_ref() }
    }

    /// The part after this one, made if there is none.
    fn next_or_new(&self) -> &'static Self {
        if let Some(next) = self.next() {
            return next;
        }
        let new = Box::into_raw(Box::new(Self::new()));
        match self.next.compare_exchange(null_mut(), new, SeqCst, SeqCst) {
            // SAFETY: it was just made, and is never freed from now on.
            Ok(_) => unsafe { &*new },
            Err(other) => {
                // SAFETY: nobody else has seen the new one; the other one is never freed.
                unsafe {
                    drop(Box::from_raw(new));
                    &*other
                }
            }
        }
    }
}

static LIST: Chunk = Chunk::new();
/// How many forks have begun, and how many are under way, in this process.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
/// How many forks lie between the first of this process's ancestors and itself.
static LINEAGE: AtomicU64 = AtomicU64::new(0);

/// A number that is another one in a forked child.
pub fn lineage() -> u64 {
    LINEAGE.load(SeqCst)
}

/// The process that made something. Its number alone isn't enough: in a namespace of its own a child can have the
/// number of its parent. Nor is the lineage: a fork by a bare system call doesn't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    pid: u32,
    lineage: u64,
}

impl Origin {
    /// This process.
    pub fn here() -> Self {
        // Where that fails, the number is left.
        let _ = handle_forks();
        Self { pid: std::process::id(), lineage: lineage() }
    }

    /// Its number.
    pub fn pid(self) -> u32 {
        self.pid
    }

    /// Whether it is this process.
    pub fn is_here(self) -> bool {
        self.has_not_forked() && self.pid == std::process::id()
    }

    /// The same as far as a load tells, for what is asked at every read.
    pub fn has_not_forked(self) -> bool {
        self.lineage == lineage()
    }
}

/// A descriptor's entry in the list.
pub struct Entered {
    place: &'static AtomicI32,
    number: RawFd,
}

impl Entered {
    fn new(descriptor: BorrowedFd<'_>) -> Self {
        let number = descriptor.as_raw_fd();
        let mut chunk = &LIST;
        loop {
            for place in &chunk.places {
                if place.compare_exchange(FREE, number, SeqCst, SeqCst).is_ok() {
                    return Self { place, number };
                }
            }
            chunk = chunk.next_or_new();
        }
    }

    /// From now on forked children keep it.
    pub fn leave(&self) {
        // The number is taken for as long as its owner has it, so nobody else can have entered it here.
        let _ = self.place.compare_exchange(self.number, FREE, SeqCst, SeqCst);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.leave();
    }
}

/// How long a moment without a fork is waited for.
pub const QUIET_MAX: Duration = Duration::from_secs(10);
/// The same for one who may hold the board's lock, for which others wait.
pub const PROBE_QUIET_MAX: Duration = Duration::from_millis(100);
/// How long a fork is given to end: they take a millisecond or so, on a busy machine more.
const PAUSE: Duration = Duration::from_micros(50);

/// Opens a file that is about to be locked, and enters it. A moment without a fork is waited for as long as
/// `patience`; if the process forks all the time, the file is kept as it is in the end, and a child may have a copy.
pub fn opened<F: AsFd>(
    open: impl Fn() -> io::Result<F>,
    patience: Duration,
) -> io::Result<(Entered, F)> {
    handle_forks()?;
    let deadline = Deadline::now() + patience;
    loop {
        let begun = BEGUN.load(SeqCst);
        let is_late = Deadline::now() >= deadline;
        if UNDER_WAY.load(SeqCst) == 0 || is_late {
            let file = open()?;
            let entered = Entered::new(file.as_fd());
            // A fork that began before this sees the file open and not the entry; one that begins later sees both.
            if BEGUN.load(SeqCst) == begun || is_late {
                return Ok((entered, file));
            }
        }
        std::thread::sleep(PAUSE);
    }
}

/// A second descriptor of an open file that may be locked already, entered before it stands for it.
pub fn copied(file: BorrowedFd<'_>) -> io::Result<(Entered, OwnedFd)> {
    handle_forks()?;
    let mut copy = nothing()?;
    let entered = Entered::new(copy.as_fd());
    rustix::io::dup3(file, &mut copy, rustix::io::DupFlags::CLOEXEC)?;
    Ok((entered, copy))
}

/// Puts nothing in the place of a descriptor that is on the list and about to be closed while its file is locked, so
/// that it may leave the list.
///
/// The kernel copies the table of descriptors before the memory: a fork that is under way may have copied the locked
/// file already and not yet the list, so its end is waited for.
pub fn let_go(descriptor: BorrowedFd<'_>) {
    if let Ok(nothing) = nothing() {
        // SAFETY: both are open descriptors of this process; the second one stays open, and its owner is its owner.
        unsafe { libc::dup3(nothing.as_raw_fd(), descriptor.as_raw_fd(), libc::O_CLOEXEC) };
    }
    let deadline = Deadline::now() + QUIET_MAX;
    while UNDER_WAY.load(SeqCst) > 0 && Deadline::now() < deadline {
        std::thread::sleep(PAUSE);
    }
}

fn nothing() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}

/// Tells the C library once what to do at forks. Before that, a child is not told from its parent.
pub fn handle_forks() -> io::Result<()> {
    static HANDLED: OnceLock<i32> = OnceLock::new();
    // SAFETY: the handlers live as long as the program, and keep to what may be done in them.
    let failed = *HANDLED.get_or_init(|| unsafe {
        libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child))
    });
    if failed == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(failed)) }
}

extern "C" fn before() {
    UNDER_WAY.fetch_add(1, SeqCst);
    BEGUN.fetch_add(1, SeqCst);
}

/// Also where the fork failed.
extern "C" fn after_in_parent() {
    UNDER_WAY.fetch_sub(1, SeqCst);
}

extern "C" fn after_in_child() {
    LINEAGE.fetch_add(1, SeqCst);
    // The other threads that were forking are not here.
    UNDER_WAY.store(0, SeqCst);
    let mut nothing = Nothing::default();
    let mut chunk = Some(&LIST);
    while let Some(this) = chunk {
        for place in &this.places {
            match place.load(SeqCst) {
                FREE => {}
                number => nothing.replace(number),
            }
        }
        chunk = this.next();
    }
}

/// The descriptor that stands for nothing, in a child.
#[derive(Default)]
struct Nothing {
    open: Option<OwnedFd>,
}

impl Nothing {
    fn replace(&mut self, number: RawFd) {
        if self.open.is_none() {
            self.open = placeholder();
        }
        if let Some(open) = &self.open {
            // SAFETY: `dup3` may be called in a forked child. The number is on the list, so it is an open descriptor
            // of a file that is there to be locked, whose owner only has it closed in the end.
            unsafe { libc::dup3(open.as_raw_fd(), number, libc::O_CLOEXEC) };
            return;
        }
        // There is no descriptor to be had: this one is given up for it, and most likely found again.
        // SAFETY: as above, and what is opened next has the lowest number that is free. If that isn't this one, the
        // owner's closing it later closes nothing, or at worst a descriptor of a child that was out of them.
        unsafe { libc::close(number) };
        match placeholder() {
            Some(open) if open.as_raw_fd() == number => std::mem::forget(open),
            open => self.open = open,
        }
    }
}

/// A descriptor of nothing; none if there is no number left for one.
fn placeholder() -> Option<OwnedFd> {
    // SAFETY: `open` may be called in a forked child, and `eventfd` is a bare system call; the first is given a
    // string that ends, and what they return is an error or a descriptor that nobody owns yet.
    unsafe {
        let mut number = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if number < 0 {
            number = libc::eventfd(0, libc::EFD_CLOEXEC);
        }
        (number >= 0).then(|| OwnedFd::from_raw_fd(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A child that is the first process of a new namespace can have its parent's number, and was taken for it.
    #[test]
    fn a_forked_child_is_another_process_also_if_it_had_its_parents_number() {
        let here = Origin::here();
        assert!(here.is_here() && here.pid() == std::process::id());
        // SAFETY: the child compares two numbers, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let same_number = Origin { pid: std::process::id(), ..here };
            let is_told = !here.is_here() && !same_number.is_here() && Origin::here().is_here();
            // SAFETY: the child must not end up in the test harness again.
            unsafe { libc::_exit(if is_told { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: waits for our own child.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
    }
}
