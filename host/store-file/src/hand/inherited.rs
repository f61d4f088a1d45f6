//! Locks that a command was started under, and how it knows.
//!
//! `taskhost lock` hands its locked descriptors on to the command that it runs, and names them in the environment
//! variable `TASKHOST_LOCKS`, from outermost to innermost:
//!
//! ```text
//! board=7@fe00:1311/0a1b,task:T1=8@fe00:1312/0a1b
//! ```
//!
//! each with what is locked, the descriptor, device and inode of the lock's file in hexadecimal, and the board's id.
//!
//! - [`InheritedLocks`]: what the environment says, which nothing here reads by itself.
//! - [`Inherited`]: what is true of it, for one board.
//!
//! Invariant: nobody is believed. A lock counts as inherited only if the descriptor is open, stands for the very file
//! that has the lock's name now, and locking it succeeds, which changes nothing if it is locked already, because a
//! `flock` belongs to the open file that all copies of a descriptor share. A lock of this board whose file is gone from
//! under it excludes nobody any more, and is refused rather than passed over.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd};
use std::{fmt, io};

use rustix::fs::FlockOperation;
use taskhost_board::{InheritedLocks, TaskId};

use super::descriptor::duplicate;
use crate::disk::{Disk, Identity, read_file};
use crate::format::{BoardFile, names};

/// What can be locked by hand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lockable {
    Board,
    Task(TaskId),
}

impl Lockable {
    /// The lock's file.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Board => names::LOCK.to_owned(),
            Self::Task(id) => names::task_lock(id),
        }
    }

    /// The file that says who holds it.
    pub(crate) fn note(&self) -> String {
        match self {
            Self::Board => names::BOARD_HOLDER.to_owned(),
            Self::Task(id) => names::task_holder(id),
        }
    }
}

/// One lock that the environment names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) what: Lockable,
    pub(super) descriptor: RawFd,
    pub(super) file: Identity,
    /// The board's id, if it was known.
    pub(super) board: Option<String>,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Lockable::Board => write!(f, "board")?,
            Lockable::Task(id) => write!(f, "task:{id}")?,
        }
        let Identity { device, inode } = self.file;
        write!(f, "={}@{device:x}:{inode:x}", self.descriptor)?;
        self.board.as_ref().map_or(Ok(()), |board| write!(f, "/{board}"))
    }
}

impl Named {
    fn parse(text: &str) -> Option<Self> {
        let (what, rest) = text.split_once('=')?;
        let what = match what.strip_prefix("task:") {
            Some(id) => Lockable::Task(TaskId::new(id).ok()?),
            None => (what == "board").then_some(Lockable::Board)?,
        };
        let (descriptor, file) = rest.split_once('@')?;
        let (file, board) = match file.split_once('/') {
            Some((file, board)) => (file, Some(board.to_owned())),
            None => (file, None),
        };
        let (device, inode) = file.split_once(':')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        let file = Identity { device: hex(device)?, inode: hex(inode)? };
        Some(Self { what, descriptor: descriptor.parse().ok()?, file, board })
    }
}

/// The locks of one board that are held around this process.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    held: BTreeMap<Lockable, (OwnedFd, Identity)>,
    /// Those that were named but whose descriptors didn't come along.
    lost: Vec<Lockable>,
    /// Those whose file was removed or replaced while they were held.
    replaced: Vec<Lockable>,
}

impl Inherited {
    /// Checks what the environment named against the board in `disk`.
    pub(crate) fn verify(locks: &InheritedLocks, disk: &dyn Disk) -> Self {
        let mut found = Self::default();
        // What can't be read is another version's, or another store's.
        for named in locks.entries().filter_map(Named::parse) {
            let named = &named;
            // Another board's, or of a file that is gone.
            if disk.identity(&named.what.path()).ok() != Some(named.file) {
                if is_removed(named) && named.board.is_some() && named.board == board_in(disk) {
                    found.replaced.push(named.what.clone());
                }
                continue;
            }
            match duplicate(named.descriptor).ok().filter(|held| is_locked(held, named.file)) {
                Some(held) => {
                    found.held.insert(named.what.clone(), (held, named.file));
                }
                None => found.lost.push(named.what.clone()),
            }
        }
        found.lost.retain(|what| !found.held.contains_key(what));
        found
    }

    /// Whether no lock is held around this process, and none was said to be.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.lost.is_empty() && self.replaced.is_empty()
    }

    /// The file of an inherited lock.
    pub(crate) fn file(&self, what: &Lockable) -> Option<Identity> {
        self.held.get(what).map(|(_, file)| *file)
    }

    pub(super) fn descriptor(&self, what: &Lockable) -> Option<BorrowedFd<'_>> {
        self.held.get(what).map(|(held, _)| held.as_fd())
    }

    /// Refuses to go on where a lock is held around this process that excludes nobody any more.
    pub(crate) fn check(&self, what: &Lockable) -> io::Result<()> {
        if !self.replaced.contains(what) {
            return Ok(());
        }
        Err(io::Error::other(
            "the lock that is held around this process is on a file that was replaced; end the `taskhost lock` that \
             this runs inside, and start over",
        ))
    }

    /// What to tell one who waits for a lock that is held around himself, although he can't know it.
    pub(crate) fn hint(&self, what: &Lockable) -> Option<&'static str> {
        self.lost.contains(what).then_some(
            "this runs inside `taskhost lock`, but the lock's descriptor was closed on the way: pass it on, in \
             Python with `close_fds=False`",
        )
    }
}

/// Whether the locked file itself is gone: a copy of a board has its id too, while the original's lock is as it was.
fn is_removed(named: &Named) -> bool {
    let status = duplicate(named.descriptor).and_then(|held| Ok(rustix::fs::fstat(held)?));
    status.is_ok_and(|status| {
        let file = Identity { device: status.st_dev, inode: status.st_ino };
        file == named.file && status.st_nlink == 0
    })
}

/// The id of the board in `disk`.
pub(super) fn board_in(disk: &dyn Disk) -> Option<String> {
    let file = BoardFile::decode(&read_file(disk, names::BOARD).ok()?).ok()?;
    // Whatever else it may be in a file that somebody has written, it must not look like another lock.
    let is_plain = file.board.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then_some(file.board)
}

fn is_locked(descriptor: &OwnedFd, file: Identity) -> bool {
    rustix::fs::fstat(descriptor)
        .is_ok_and(|stat| Identity { device: stat.st_dev, inode: stat.st_ino } == file)
        && rustix::fs::flock(descriptor, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_read_back_and_what_is_not_known_is_left_out() {
        let text = "board=7@fe00:1311/0a1b,task:a:b.c=8@1:2";
        let known = |text: &str| {
            let named = InheritedLocks::parse(text);
            let named = named.entries().filter_map(Named::parse).map(|named| named.to_string());
            named.collect::<Vec<_>>().join(",")
        };
        assert_eq!(known(text), text);
        assert_eq!(known(&format!("{text},x=1@1:1,task:=1@1:1,board=x@1:1,board=7,,=")), text);
    }
}
