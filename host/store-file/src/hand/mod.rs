//! Locks that people and programs take by hand: `board.lock`, and `locks/task_<id>.lock` for a task.
//!
//! - [`FileHandLock`]: such a lock, held for a command that is run under it.
//! - `inherited`: how a taskhost that is run inside knows that it needn't wait.
//! - `tasks`: how claims respect the locks of tasks. `notes`: who holds one.
//!
//! Everybody may lock these files with `flock`, from any language. A task's file is made when somebody locks the task,
//! and removed by a compaction once the task is finished (`sweep`).
//!
//! Invariants: a lock that is handed on is only closed, never unlocked, so that it lasts as long as any process has a
//! copy of its descriptor, even if the `taskhost lock` that took it is killed; where both are wanted, a task's lock is
//! taken before the board's, and whoever runs inside the board's lock only tries a task's; once a task is locked, no
//! claim of it is under way that saw it free.

mod descriptor;
mod inherited;
mod known;
mod notes;
mod tasks;

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant as Deadline;

use taskhost_board::{BeginError, HandLock, LOCKS_VARIABLE, ReadError};

pub(crate) use inherited::{Inherited, Lockable};
pub(crate) use known::KnownLocks;
pub(crate) use tasks::{FileTaskLocks, OwnTasks};

use self::inherited::Named;
use crate::disk::{Hold, remove_if_there};
use crate::lock::LockError;
use crate::state::{Inner, failed as not_usable};
use taskhost_forks::{self as forks, Entered};

/// A lock that is held for a command. Dropping it closes it: the lock ends once every process that was given a copy
/// of the descriptor has closed it too.
pub struct FileHandLock {
    inner: Arc<Inner>,
    named: Named,
    /// Whether a note says who holds it.
    noted: bool,
    /// Until it is passed on; nothing where it is held around this process.
    entered: Option<Entered>,
    held: OwnedFd,
    is_passed_on: AtomicBool,
}

impl HandLock for FileHandLock {
    fn marker(&self) -> String {
        self.inner.options.inherited.marker_with(&self.named.to_string())
    }

    fn pass_on(&self, command: &mut Command) -> io::Result<()> {
        rustix::io::fcntl_setfd(&self.held, rustix::io::FdFlags::empty())?;
        if let Some(entered) = &self.entered {
            entered.leave();
        }
        self.is_passed_on.store(true, Relaxed);
        command.env(LOCKS_VARIABLE, self.marker());
        Ok(())
    }
}

impl Drop for FileHandLock {
    fn drop(&mut self) {
        // While the lock is still held, so that it isn't the next one's note.
        if self.noted && self.inner.lock.same_process().is_ok() {
            let _ = remove_if_there(&*self.inner.disk, &self.named.what.note());
        }
        if self.entered.is_some() && !*self.is_passed_on.get_mut() {
            forks::let_go(self.held.as_fd());
        }
    }
}

impl Inner {
    /// Takes a lock by hand, waiting no longer than until `deadline`.
    pub(crate) fn hold(
        self: &Arc<Self>,
        what: Lockable,
        who: Option<&str>,
        deadline: Deadline,
    ) -> Result<FileHandLock, BeginError> {
        let failed =
            |why: &dyn std::fmt::Display| BeginError::Read(ReadError::Failed(why.to_string()));
        self.lock.same_process().map_err(|e| failed(&e))?;
        self.expect_here()?;
        let path = what.path();
        self.inherited.check(&what).map_err(not_usable(&path))?;
        let outer = self.inherited.descriptor(&what).zip(self.inherited.file(&what));
        // The outer one's note stays as it is: it says who holds the lock, before this and after.
        let noted = outer.is_none() && who.is_some();
        let (held, file) = match outer {
            // It is held around this process, which must not wait for itself.
            Some((held, file)) => (held.try_clone_to_owned().map(|held| (None, held)), file),
            None => {
                let patience = self.patience(&what, deadline);
                let lock = self.helpers.lock(&self.disk, "", &path, Hold::Exclusive, patience);
                let lock = lock.map_err(|error| self.not_held(&what, error))?;
                if matches!(what, Lockable::Task(_)) {
                    // A claim that found no lock, or a free one, may still be under way; once the board's lock was
                    // free, it is done, and whoever is next finds this one. On failure the task's is given back.
                    drop(self.lock(deadline)?);
                }
                // Whoever had it meanwhile may have moved the board.
                self.expect_here()?;
                let file = lock.into_file();
                let held = file.copy().map(|(entered, held)| (Some(entered), held));
                (held, file.identity().map_err(|e| failed(&e))?)
            }
        };
        let (entered, held) =
            held.map_err(|e| failed(&format!("`{path}` can't be handed on: {e}")))?;
        if let Some(who) = who.filter(|_| noted) {
            self.leave_note(&what, who);
        }
        let board = inherited::board_in(&*self.disk);
        let named = Named { what, descriptor: held.as_raw_fd(), file, board };
        let is_passed_on = AtomicBool::new(false);
        Ok(FileHandLock { inner: self.clone(), named, noted, entered, held, is_passed_on })
    }

    /// Until when a lock is waited for. Inside the board's lock a task's is only tried: whoever holds it may be waiting
    /// for the board.
    fn patience(&self, what: &Lockable, deadline: Deadline) -> Deadline {
        if self.is_out_of_order(what) { Deadline::now() } else { deadline }
    }

    /// Whether this lock would be taken after one that it belongs before.
    fn is_out_of_order(&self, what: &Lockable) -> bool {
        matches!(what, Lockable::Task(_)) && self.inherited.file(&Lockable::Board).is_some()
    }

    pub(crate) fn not_held(&self, what: &Lockable, error: LockError) -> BeginError {
        match error {
            LockError::Timeout(waited) => {
                BeginError::Timeout { waited, holder: self.blocked_by(what) }
            }
            other => BeginError::Read(ReadError::Failed(other.to_string())),
        }
    }
}
