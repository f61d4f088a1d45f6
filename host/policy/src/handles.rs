//! The host's resources that a policy holds handles of.
//!
//! A view and a transaction are what the call is lent, so their handles stand for nothing more. Tasks,
//! cursors and guards have a slot each. wasmtime sees to it that a policy can't make up a handle or pass one
//! for another; the slots are checked all the same.

use taskhost_board::{LifeGuard, OrderKey, ReadyQuery, Task as BoardTask, TaskId};
use wasmtime::component::Resource;

use crate::failure::Abort;

/// Stands for the board as the call's transaction sees it.
pub struct View;
/// Stands for the call's transaction.
pub struct Tx;
/// Stands for an open task.
pub struct Task;
/// Stands for an open cursor.
pub struct Cursor;
/// Stands for a held lock.
pub struct Guard;

/// A task that a policy looks at.
pub(crate) struct OpenTask {
    pub(crate) id: TaskId,
    /// The task as it was read after so many steps.
    pub(crate) read: Option<(u64, BoardTask)>,
}

/// A walk over ready tasks.
pub(crate) struct OpenCursor {
    /// What is asked for; nothing if nothing can match.
    pub(crate) query: Option<ReadyQuery>,
    /// The last task given.
    pub(crate) past: Option<OrderKey>,
}

enum Slot {
    Free {
        next: usize,
    },
    Task(Box<OpenTask>),
    Cursor(Box<OpenCursor>),
    /// Only its drop matters.
    Guard {
        _guard: Box<dyn LifeGuard>,
    },
}

/// The end of the list of free slots.
const NONE: usize = usize::MAX;

/// The slots of one instance.
pub(crate) struct Handles {
    slots: Vec<Slot>,
    free: usize,
    open: usize,
    open_max: usize,
    guards: u32,
}

impl Handles {
    pub(crate) fn new(open_max: u32) -> Self {
        Self { slots: Vec::new(), free: NONE, open: 0, open_max: open_max as usize, guards: 0 }
    }

    pub(crate) fn guards(&self) -> u32 {
        self.guards
    }

    pub(crate) fn open_task(&mut self, task: OpenTask) -> wasmtime::Result<Resource<Task>> {
        self.insert(Slot::Task(Box::new(task))).map(Resource::new_own)
    }

    pub(crate) fn open_cursor(&mut self, cursor: OpenCursor) -> wasmtime::Result<Resource<Cursor>> {
        self.insert(Slot::Cursor(Box::new(cursor))).map(Resource::new_own)
    }

    pub(crate) fn open_guard(
        &mut self,
        guard: Box<dyn LifeGuard>,
    ) -> wasmtime::Result<Resource<Guard>> {
        let guard = self.insert(Slot::Guard { _guard: guard })?;
        self.guards += 1;
        Ok(Resource::new_own(guard))
    }

    pub(crate) fn task(&mut self, task: &Resource<Task>) -> wasmtime::Result<&mut OpenTask> {
        match self.slots.get_mut(task.rep() as usize) {
            Some(Slot::Task(task)) => Ok(task),
            _ => Err(Abort::NoSuchHandle.into()),
        }
    }

    pub(crate) fn cursor(
        &mut self,
        cursor: &Resource<Cursor>,
    ) -> wasmtime::Result<&mut OpenCursor> {
        match self.slots.get_mut(cursor.rep() as usize) {
            Some(Slot::Cursor(cursor)) => Ok(cursor),
            _ => Err(Abort::NoSuchHandle.into()),
        }
    }

    /// Closes a handle, whatever it stands for.
    pub(crate) fn close(&mut self, rep: u32) -> wasmtime::Result<()> {
        let index = rep as usize;
        match self.slots.get_mut(index) {
            None | Some(Slot::Free { .. }) => Err(Abort::NoSuchHandle.into()),
            Some(slot) => {
                let closed = std::mem::replace(slot, Slot::Free { next: self.free });
                self.guards -= u32::from(matches!(closed, Slot::Guard { .. }));
                self.free = index;
                self.open -= 1;
                Ok(())
            }
        }
    }

    /// Closes every handle, and says whether any was open.
    pub(crate) fn close_all(&mut self) -> bool {
        let was_open = self.open > 0;
        if was_open {
            *self = Self::new(self.open_max as u32);
        }
        was_open
    }

    fn insert(&mut self, slot: Slot) -> wasmtime::Result<u32> {
        if self.open >= self.open_max {
            return Err(Abort::Handles.into());
        }
        self.open += 1;
        let index = match self.slots.get(self.free) {
            Some(Slot::Free { next }) => std::mem::replace(&mut self.free, *next),
            _ => self.slots.len(),
        };
        match self.slots.get_mut(index) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        Ok(index as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(handles: &mut Handles, id: &str) -> Resource<Task> {
        let id = TaskId::new(id).expect("a valid id");
        handles.open_task(OpenTask { id, read: None }).expect("room for it")
    }

    #[test]
    fn closed_slots_are_used_again_and_open_ones_never() {
        let mut handles = Handles::new(3);
        let (a, b, c) = (task(&mut handles, "a"), task(&mut handles, "b"), task(&mut handles, "c"));
        assert!(
            handles
                .open_task(OpenTask { id: TaskId::new("d").expect("valid"), read: None })
                .is_err()
        );
        handles.close(a.rep()).expect("open");
        handles.close(c.rep()).expect("open");
        assert!(handles.close(c.rep()).is_err());
        let (d, e) = (task(&mut handles, "d"), task(&mut handles, "e"));
        for (handle, id) in [(&b, "b"), (&d, "d"), (&e, "e")] {
            assert_eq!(handles.task(handle).expect("open").id.as_str(), id);
        }
        assert!(handles.close_all());
        assert!(!handles.close_all());
        assert!(handles.task(&b).is_err());
    }
}
