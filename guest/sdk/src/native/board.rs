//! Reading the board.

use super::{NO_HANDLES, ask};
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

/// The most that one call gives.
const PAGE_MAX: u32 = 1_000;

/// One task.
#[derive(Debug)]
pub struct Task {
    id: TaskId,
}

impl Task {
    /// What exported functions would make of a handle; off WebAssembly nobody calls them.
    #[doc(hidden)]
    pub fn from_handle(_handle: u32) -> Self {
        unreachable!("{NO_HANDLES}")
    }

    pub(crate) fn named(id: &str) -> Self {
        Self { id: id.to_owned() }
    }

    fn read<T>(&self, read: impl FnOnce(&crate::mock::Task) -> T) -> T {
        ask(|world| read(world.task(&self.id).expect("a task with a handle stays")))
    }

    pub fn summary(&self) -> Summary {
        self.read(crate::mock::Task::summary)
    }

    pub fn status(&self) -> Status {
        self.read(|task| task.status)
    }

    pub fn parent(&self) -> Option<TaskId> {
        self.read(|task| task.parent.clone())
    }

    pub fn dependencies(&self) -> Vec<TaskId> {
        self.read(|task| task.after.clone())
    }

    pub fn children(&self, which: Family, past: Option<&str>, limit: u32) -> Vec<TaskId> {
        ask(|world| world.children(&self.id, which, past, limit.min(PAGE_MAX)))
    }

    pub fn labels(&self) -> Vec<String> {
        self.read(|task| task.labels.clone())
    }

    pub fn needs(&self) -> Vec<String> {
        self.read(|task| task.needs.clone())
    }

    pub fn assignee(&self) -> Option<String> {
        self.read(|task| task.assignee.clone())
    }

    pub fn claim(&self) -> Option<Claim> {
        self.read(|task| task.claim.clone())
    }

    pub fn not_before(&self) -> Option<Millis> {
        self.read(|task| task.not_before)
    }

    pub fn failures(&self) -> u32 {
        self.read(|task| task.failures)
    }

    pub fn reason(&self) -> Option<String> {
        self.read(|task| task.reason.clone())
    }

    pub fn data(&self) -> String {
        self.read(|task| task.data.clone())
    }
}

/// A walk over ready tasks.
#[derive(Debug)]
pub struct Cursor {
    place: usize,
}

impl Cursor {
    pub fn next(&self, limit: u32) -> Vec<Summary> {
        ask(|world| world.next(self.place, limit.min(PAGE_MAX)))
    }
}

/// The board as this transaction sees it.
#[derive(Debug)]
pub struct View(());

impl View {
    pub(crate) const HERE: Self = Self(());

    #[doc(hidden)]
    pub fn from_handle(_handle: u32) -> Self {
        unreachable!("{NO_HANDLES}")
    }

    pub fn get(&self, id: &str) -> Option<Task> {
        ask(|world| world.task(id).map(|task| Task::named(&task.id)))
    }

    pub fn candidates(&self, filter: &Filter, reserved: Reservation, order: Order) -> Cursor {
        ask(|world| Cursor { place: world.candidates(filter, reserved, order) })
    }

    pub fn claims_held(&self, agent: &str) -> u32 {
        ask(|world| world.claims_held(agent))
    }

    pub fn recall(&self, key: &str) -> Option<Vec<u8>> {
        ask(|world| world.memory.get(key).cloned())
    }
}
