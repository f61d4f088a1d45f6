//! What dead sessions and finished tasks leave: life locks without a session, and locks of tasks that nobody will
//! claim any more. Swept up by every switch of generations; life locks also where a session begins and there are many.
//!
//! Invariants: a lock's file is removed only under the board's lock, and by one who holds the file's own lock alone;
//! whoever opened it before finds, after locking it, that it isn't the file of its name any more, and starts over. The
//! file of a session that a claim names stays: it is what proves the session dead.

use std::time::{Duration, Instant as Deadline};

use taskhost_board::image::ImageView;
use taskhost_board::{BeginError, ReadError, SessionId, TaskId, View, Vital};

use crate::board_lock::BoardGuard;
use crate::disk::{Hold, TEMPORARY, remove_if_there};
use crate::format::names;
use crate::index;
use crate::lock::{Tried, try_lock_existing};
use crate::state::{Current, Inner};

/// How many life locks may lie about before a session that begins looks which of them nobody needs.
const LIVES_MAX: usize = 64;
/// How many it looks at, at most.
const LIVES_SWEPT_MAX: usize = 256;
/// How long it waits for the board's lock.
const SWEEP_WAIT: Duration = Duration::from_millis(20);

impl Inner {
    /// Removes the locks of dead sessions without claims, and of tasks that are finished or not on the board. What can't
    /// be removed is harmless, and goes another time.
    pub(crate) fn sweep_locks(&self, guard: &BoardGuard, current: &Current) {
        let Ok(reading) = index::read(&*current.index) else { return };
        let view = ImageView::new(reading);
        for name in self.disk.list("agents").unwrap_or_default() {
            self.remove_life(guard, &view, &name);
        }
        let is_over = |task: &TaskId| -> Result<bool, ReadError> {
            Ok(view.task(task)?.is_none_or(|task| task.status.is_finished()))
        };
        for name in self.disk.list("locks").unwrap_or_default() {
            if name.starts_with(TEMPORARY) {
                // At worst somebody who writes a note just now doesn't leave one.
                let _ = remove_if_there(&*self.disk, &format!("locks/{name}"));
            }
            let Some(task) = names::task_in(&name) else { continue };
            if matches!(is_over(&task), Ok(true)) {
                self.remove_task_lock(&task);
            }
        }
    }

    /// Where boards are so small that they are never compacted, sessions that begin keep their locks from gathering.
    pub(crate) fn sweep_lives_if_many(&self) {
        let mut names = self.disk.list("agents").unwrap_or_default();
        if names.len() > LIVES_MAX {
            // Others may be all alive in the order of their names, so it begins anywhere.
            let first = usize::try_from(self.disk.random()).unwrap_or_default() % names.len();
            names.rotate_left(first);
            names.truncate(LIVES_SWEPT_MAX);
            // If the board is busy or can't be read, another session does it.
            let _ = self.sweep_lives(&names);
        }
    }

    fn sweep_lives(&self, names: &[String]) -> Result<(), BeginError> {
        let guard = self.lock(Deadline::now() + SWEEP_WAIT)?;
        let current = self.mended(&guard)?;
        // A line that the index lacks may be a claim.
        let (_current, reading, _) = self.catch_up(&guard, current)?;
        let view = ImageView::new(reading);
        names.iter().for_each(|name| self.remove_life(&guard, &view, name));
        Ok(())
    }

    /// Removes a life lock whose session is dead and has no claims. If somebody is asking about it just now, they are
    /// let be, and the file goes another time.
    fn remove_life(&self, _guard: &BoardGuard, view: &impl View, name: &str) {
        let Some(Ok(session)) = name.strip_suffix(".lock").map(SessionId::new) else { return };
        let path = names::life(&session);
        let vital = Vital::Session(session);
        if view.vital_claims(&vital, 1).is_ok_and(|claims| claims.is_empty())
            && let Ok(Tried::Held(_alone)) = try_lock_existing(&self.disk, &path, Hold::Exclusive)
        {
            let _ = remove_if_there(&*self.disk, &path);
        }
    }

    fn remove_task_lock(&self, task: &TaskId) {
        let path = names::task_lock(task);
        match try_lock_existing(&self.disk, &path, Hold::Exclusive) {
            Ok(Tried::Held(_alone)) => {
                let _ = remove_if_there(&*self.disk, &names::task_holder(task));
                let _ = remove_if_there(&*self.disk, &path);
            }
            // A note without a lock is nobody's.
            Ok(Tried::Missing) => {
                let _ = remove_if_there(&*self.disk, &names::task_holder(task));
            }
            Ok(Tried::Busy) | Err(_) => {}
        }
    }
}
