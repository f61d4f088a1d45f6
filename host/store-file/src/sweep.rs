//! What dead sessions and finished tasks leave: life locks without a session, and locks of tasks that nobody will
//! claim any more. Swept up by every switch of generations.
//!
//! Invariant: a lock's file is removed only under the board's lock, and by one who holds the file's own lock alone;
//! whoever opened it before finds, after locking it, that it isn't the file of its name any more, and starts over.

use taskhost_board::image::ImageView;
use taskhost_board::{ReadError, SessionId, TaskId, View as _};

use crate::board_lock::BoardGuard;
use crate::disk::{Hold, TEMPORARY, remove_if_there};
use crate::format::names;
use crate::index;
use crate::lock::{Tried, try_lock_existing};
use crate::state::{Current, Inner};

impl Inner {
    /// Removes the locks of dead sessions and of tasks that are finished or not on the board. What can't be removed is
    /// harmless, and goes another time.
    pub(crate) fn sweep_locks(&self, guard: &BoardGuard, current: &Current) {
        for name in self.disk.list("agents").unwrap_or_default() {
            let session = name.strip_suffix(".lock").map(SessionId::new);
            if let Some(Ok(session)) = session {
                self.remove_life(guard, &session);
            }
        }
        let Ok(reading) = index::read(&*current.index) else { return };
        let view = ImageView::new(reading);
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
