//! Reading the board.

use super::{NO_HANDLES, PAGE_MAX, ask, if_up};
use crate::{Claim, Filter, Millis, Order, Reservation, Status, Summary, TaskId};

/// Which of a task's children are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    Every,
    /// Not completed, failed or cancelled.
    Open,
    /// Failed or cancelled.
    Unsuccessful,
}

/// One task.
#[derive(Debug)]
pub struct Task {
    handle: usize,
}

impl Task {
    /// What exported functions would make of a handle; off WebAssembly nobody calls them.
    #[doc(hidden)]
    pub fn from_handle(_handle: u32) -> Self {
        unreachable!("{NO_HANDLES}")
    }

    pub(super) fn open(id: &str) -> Option<Self> {
        ask(|host| host.open_task(id)).map(|handle| Self { handle })
    }

    pub fn summary(&self) -> Summary {
        ask(|host| host.summary(self.handle))
    }

    pub fn status(&self) -> Status {
        ask(|host| host.status(self.handle))
    }

    pub fn parent(&self) -> Option<TaskId> {
        ask(|host| host.parent(self.handle))
    }

    pub fn dependencies(&self) -> Vec<TaskId> {
        ask(|host| host.dependencies(self.handle))
    }

    pub fn children(&self, which: Family, past: Option<&str>, limit: u32) -> Vec<TaskId> {
        ask(|host| host.children(self.handle, which, past, limit.min(PAGE_MAX)))
    }

    pub fn labels(&self) -> Vec<String> {
        ask(|host| host.labels(self.handle))
    }

    pub fn needs(&self) -> Vec<String> {
        ask(|host| host.needs(self.handle))
    }

    pub fn assignee(&self) -> Option<String> {
        ask(|host| host.assignee(self.handle))
    }

    pub fn claim(&self) -> Option<Claim> {
        ask(|host| host.claim(self.handle))
    }

    pub fn not_before(&self) -> Option<Millis> {
        ask(|host| host.not_before(self.handle))
    }

    pub fn failures(&self) -> u32 {
        ask(|host| host.failures(self.handle))
    }

    pub fn reason(&self) -> Option<String> {
        ask(|host| host.reason(self.handle))
    }

    pub fn data(&self) -> String {
        ask(|host| host.data(self.handle))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if_up(|host| host.close_task(self.handle));
    }
}

/// A walk over ready tasks.
#[derive(Debug)]
pub struct Cursor {
    handle: usize,
}

impl Cursor {
    pub fn next(&self, limit: u32) -> Vec<Summary> {
        ask(|host| host.next(self.handle, limit.min(PAGE_MAX)))
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        if_up(|host| host.close_cursor(self.handle));
    }
}

/// The board as this transaction sees it.
#[derive(Debug)]
pub struct View(());

impl View {
    pub(super) const HERE: Self = Self(());

    #[doc(hidden)]
    pub fn from_handle(_handle: u32) -> Self {
        unreachable!("{NO_HANDLES}")
    }

    pub fn get(&self, id: &str) -> Option<Task> {
        Task::open(id)
    }

    pub fn candidates(&self, filter: &Filter, reserved: Reservation, order: Order) -> Cursor {
        Cursor { handle: ask(|host| host.candidates(filter, reserved, order)) }
    }

    pub fn claims_held(&self, agent: &str) -> u32 {
        ask(|host| host.claims_held(agent))
    }

    pub fn recall(&self, key: &str) -> Option<Vec<u8>> {
        ask(|host| host.recall(key))
    }
}
