//! What the kernel says about a board's files, by inotify, and about the processes that its claims name.
//!
//! - [`Notifier`]: the seam; the simulated world has none, and its waiters poll.
//! - [`Inotify`]: the operating system's.
//!
//! | directory | what is watched | what it says |
//! | --- | --- | --- |
//! | the board's | a journal is written to or put in its place, `board.json` is replaced | something was committed, or is about to be |
//! | `agents/` | a lock's file that was open for writing is closed | its session has died, or ended |
//! | `locks/` | the same of a task's, or it is removed | it was let go |
//!
//! `locks/` is watched only from when this handle was refused a task's lock. Only those who hold such a lock have its
//! file open for writing; those who ask about it open it to be read, and are not noticed.

use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;
use taskhost_board::{BootId, Process, SessionId, TaskId};

use super::ends::Ends;
use crate::disk::RealDisk;
use crate::format::names;

/// What happened to a board's files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    /// The journal or the pointer to it changed.
    pub(crate) journal: bool,
    /// The locks of these sessions were closed.
    pub(crate) sessions: BTreeSet<SessionId>,
    /// The locks of these tasks were closed or removed.
    pub(crate) tasks: BTreeSet<TaskId>,
    /// These processes have ended.
    pub(crate) processes: BTreeSet<Process>,
    /// There was more than can be told.
    pub(crate) missed: bool,
}

/// Says what happens to a board's files.
pub(crate) trait Notifier: Send + Sync {
    /// Watches the locks of tasks too, from now on.
    fn watch_tasks(&self) -> io::Result<()>;
    /// Listens to the ends of these processes and no others, as far as that can be heard. `true` if some of them are new.
    fn watch_processes(&self, processes: &BTreeSet<Process>, boot: &BootId) -> bool;
    /// Waits until something happens or [`Notifier::interrupt`] is called, at most `timeout`; says what happened. An
    /// error means that nothing more will be heard.
    fn next(&self, timeout: Option<Duration>) -> io::Result<Signs>;
    /// Ends the wait of whoever waits.
    fn interrupt(&self);
}

/// One inotify instance.
pub(crate) struct Inotify {
    events: OwnedFd,
    /// Readable once somebody wants the wait to end.
    interrupts: OwnedFd,
    board: i32,
    agents: i32,
    locks: String,
    watches_tasks: AtomicBool,
    ends: Ends,
}

impl Inotify {
    /// Watches the board in `disk` from now on. Fails where the system has no more to give: each user may have 128
    /// instances, unless set otherwise.
    pub(crate) fn new(disk: &RealDisk) -> io::Result<Self> {
        let events = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let interrupts = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // The directory that we have open, wherever its path leads by now.
        let top = format!("/proc/self/fd/{}", disk.directory().as_fd().as_raw_fd());
        let changes = WatchFlags::MODIFY | WatchFlags::MOVED_TO | WatchFlags::CREATE;
        let board = add_watch(&events, &*top, changes | WatchFlags::ONLYDIR)?;
        let agents = add_watch(&events, &*format!("{top}/agents"), CLOSES)?;
        let locks = format!("{top}/locks");
        let (watches_tasks, ends) = (AtomicBool::new(false), Ends::default());
        Ok(Self { events, interrupts, board, agents, locks, watches_tasks, ends })
    }

    fn drain(&self) -> io::Result<Signs> {
        let mut signs = Signs::default();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.events, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(signs),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                signs.missed = true;
            } else if event.events().intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT) {
                return Err(io::Error::other("a directory of the board was removed"));
            }
            let Some(Ok(name)) = event.file_name().map(|name| name.to_str()) else { continue };
            if event.wd() == self.board {
                signs.journal |= name == names::BOARD
                    || names::generation_in(name, "journal-", ".jsonl").is_some();
            } else if event.wd() == self.agents {
                let session = name.strip_suffix(".lock").and_then(|id| SessionId::new(id).ok());
                signs.sessions.extend(session);
            } else {
                signs.tasks.extend(names::task_in(name));
            }
        }
    }
}

/// How it is noticed that a lock is let go: the kernel closes the files of the dead.
const CLOSES: WatchFlags =
    WatchFlags::CLOSE_WRITE.union(WatchFlags::ONLYDIR).union(WatchFlags::DONT_FOLLOW);
/// The same of locks whose file goes with them. A missing life lock would prove nothing.
const ENDS: WatchFlags = CLOSES.union(WatchFlags::DELETE);

impl Notifier for Inotify {
    fn watch_tasks(&self) -> io::Result<()> {
        if !self.watches_tasks.load(Ordering::Relaxed) {
            add_watch(&self.events, &*self.locks, ENDS)?;
            self.watches_tasks.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn watch_processes(&self, processes: &BTreeSet<Process>, boot: &BootId) -> bool {
        let has_new = self.ends.listen_to(processes, boot);
        if has_new {
            // Whoever waits for the others waits for these as well.
            self.interrupt();
        }
        has_new
    }

    fn next(&self, timeout: Option<Duration>) -> io::Result<Signs> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let ends = self.ends.descriptors();
        let descriptors = [&self.events, &self.interrupts].into_iter();
        let descriptors = descriptors.chain(ends.iter().map(|(_, end)| &**end));
        let mut sources: Vec<PollFd<'_>> =
            descriptors.map(|descriptor| PollFd::new(descriptor, PollFlags::IN)).collect();
        match poll(&mut sources, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // Empty again, whether it was written to or not.
        let _ = rustix::io::read(&self.interrupts, &mut [0_u8; 8]);
        let processes = self.ends.ended(&ends, &sources[2..]);
        Ok(Signs { processes, ..self.drain()? })
    }

    fn interrupt(&self) {
        let _ = rustix::io::write(&self.interrupts, &1_u64.to_ne_bytes());
    }
}
