//! How claims respect the locks that others have taken on tasks by hand.
//!
//! - [`Inner::lock_task`]: waits for one, before the board's lock is taken.
//! - [`FileTaskLocks`]: tries those of a transaction's candidates, and never waits, since the board's lock is held.
//! - [`OwnTasks`]: which locks of tasks this handle holds itself.
//!
//! Files are opened to be read only here, and never made: what a claim does is no sign for those who wait for a lock
//! that somebody has taken by hand to be let go.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant as Deadline;

use parking_lot::Mutex;
use taskhost_board::{BeginError, LifeGuard, ReadError, TaskId, TaskLocks};

use super::inherited::Lockable;
use crate::disk::Hold;
use crate::format::names;
use crate::lock::{FileLock, Tried, try_lock_existing};
use crate::state::{Inner, failed};

/// The tasks whose locks threads of this handle hold, and how many times: nobody waits for himself.
#[derive(Default)]
pub(crate) struct OwnTasks {
    held: Mutex<HashMap<TaskId, usize>>,
}

/// A task's lock that a thread of this handle holds.
struct Own {
    inner: Arc<Inner>,
    task: TaskId,
    /// Let go after the task isn't ours any more.
    _lock: FileLock,
}

impl LifeGuard for Own {}

impl Drop for Own {
    fn drop(&mut self) {
        // In a forked child another thread of the parent's may have the list for ever.
        if !self._lock.is_ours() {
            return;
        }
        let mut held = self.inner.own_tasks.held.lock();
        if let Some(count) = held.get_mut(&self.task) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.task);
            }
        }
    }
}

impl Inner {
    /// Waits for a task's lock, if there is one that isn't held around this process; inside the board's lock, tries it.
    pub(crate) fn lock_task(
        self: &Arc<Self>,
        task: &TaskId,
        deadline: Deadline,
    ) -> Result<Option<Box<dyn LifeGuard>>, BeginError> {
        self.lock.same_process().map_err(|e| ReadError::Failed(e.to_string()))?;
        let what = Lockable::Task(task.clone());
        self.inherited.check(&what).map_err(failed(&what.path()))?;
        if self.is_inherited(&what) {
            return Ok(None);
        }
        let patience = self.patience(&what, deadline);
        let lock = self.helpers.lock_existing(&self.disk, &what.path(), Hold::Exclusive, patience);
        let Some(lock) = lock.map_err(|error| self.not_held(&what, error))? else {
            return Ok(None);
        };
        *self.own_tasks.held.lock().entry(task.clone()).or_default() += 1;
        Ok(Some(Box::new(Own { inner: self.clone(), task: task.clone(), _lock: lock })))
    }

    /// Who has locked a task by hand.
    pub(crate) fn task_locker(&self, task: &TaskId) -> Result<Option<String>, ReadError> {
        self.lock.same_process().map_err(|e| ReadError::Failed(e.to_string()))?;
        // What is held around this process is in nobody's way here.
        if self.is_inherited(&Lockable::Task(task.clone())) {
            return Ok(None);
        }
        let path = names::task_lock(task);
        match try_lock_existing(&self.disk, &path, Hold::Shared).map_err(failed(&path))? {
            Tried::Held(_) | Tried::Missing => Ok(None),
            Tried::Busy => {
                let holder = self.holder_of(&Lockable::Task(task.clone()));
                let somebody = || "somebody, perhaps in another container".to_owned();
                Ok(Some(holder.unwrap_or_else(somebody)))
            }
        }
    }

    /// Whether the lock is held around this process, and its file still has its name.
    fn is_inherited(&self, what: &Lockable) -> bool {
        let Some(file) = self.inherited.file(what) else { return false };
        self.disk.identity(&what.path()).is_ok_and(|named| named == file)
    }
}

/// The locks of tasks that a transaction takes.
pub(crate) struct FileTaskLocks {
    inner: Arc<Inner>,
    /// Whether the tasks are for another process, which has none of the locks that are held in this one or around it.
    for_others: bool,
    /// In order, so that they are always let go in the same one.
    held: BTreeMap<TaskId, FileLock>,
}

impl FileTaskLocks {
    pub(crate) fn new(inner: Arc<Inner>, for_others: bool) -> Self {
        Self { inner, for_others, held: BTreeMap::new() }
    }
}

impl TaskLocks for FileTaskLocks {
    fn try_hold(&mut self, task: &TaskId) -> Result<bool, ReadError> {
        let inner = &self.inner;
        inner.lock.same_process().map_err(|e| ReadError::Failed(e.to_string()))?;
        let what = Lockable::Task(task.clone());
        let is_ours =
            || inner.own_tasks.held.lock().contains_key(task) || inner.is_inherited(&what);
        if self.held.contains_key(task) || (!self.for_others && is_ours()) {
            return Ok(true);
        }
        let path = what.path();
        if !self.for_others {
            inner.inherited.check(&what).map_err(failed(&path))?;
        }
        if !inner.known_locks.may_be_there(&*inner.disk, &path).map_err(failed(&path))? {
            return Ok(true);
        }
        match try_lock_existing(&inner.disk, &path, Hold::Exclusive).map_err(failed(&path))? {
            Tried::Held(lock) => {
                self.held.insert(task.clone(), lock);
                Ok(true)
            }
            Tried::Missing => Ok(true),
            Tried::Busy => {
                inner.waiting.refused(task);
                Ok(false)
            }
        }
    }
}
