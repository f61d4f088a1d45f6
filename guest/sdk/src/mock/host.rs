//! A mock board in taskhost's place.

use super::{Step, Task, World};
use crate::files::{FileError, Place};
use crate::locks::LockError;
use crate::native::Host;
use crate::{
    Claim, DurationMs, Family, Filter, Millis, Order, Reservation, Status, StepError, Summary,
    TaskId,
};

impl World {
    fn opened(&self, task: usize) -> &Task {
        let task = self.open.get(task).and_then(|id| self.task(id));
        task.expect("a task with a handle stays")
    }
}

impl Host for World {
    fn open_task(&mut self, id: &str) -> Option<usize> {
        let id = self.task(id)?.id.clone();
        self.open.push(id);
        Some(self.open.len() - 1)
    }

    /// A handle is a place in a list, which ends with the hook.
    fn close_task(&mut self, _task: usize) {}

    fn summary(&mut self, task: usize) -> Summary {
        self.opened(task).summary()
    }

    fn status(&mut self, task: usize) -> Status {
        self.opened(task).status
    }

    fn parent(&mut self, task: usize) -> Option<TaskId> {
        self.opened(task).parent.clone()
    }

    fn dependencies(&mut self, task: usize) -> Vec<TaskId> {
        self.opened(task).after.clone()
    }

    fn children(
        &mut self,
        task: usize,
        which: Family,
        past: Option<&str>,
        limit: u32,
    ) -> Vec<TaskId> {
        let parent = &self.opened(task).id;
        self.children_of(parent, which, past, limit)
    }

    fn labels(&mut self, task: usize) -> Vec<String> {
        self.opened(task).labels.clone()
    }

    fn needs(&mut self, task: usize) -> Vec<String> {
        self.opened(task).needs.clone()
    }

    fn assignee(&mut self, task: usize) -> Option<String> {
        self.opened(task).assignee.clone()
    }

    fn claim(&mut self, task: usize) -> Option<Claim> {
        self.opened(task).claim.clone()
    }

    fn not_before(&mut self, task: usize) -> Option<Millis> {
        self.opened(task).not_before
    }

    fn failures(&mut self, task: usize) -> u32 {
        self.opened(task).failures
    }

    fn reason(&mut self, task: usize) -> Option<String> {
        self.opened(task).reason.clone()
    }

    fn data(&mut self, task: usize) -> String {
        self.opened(task).data.clone()
    }

    fn candidates(&mut self, filter: &Filter, reserved: Reservation, order: Order) -> usize {
        self.walk(filter, reserved, order)
    }

    fn next(&mut self, cursor: usize, limit: u32) -> Vec<Summary> {
        self.walk_on(cursor, limit)
    }

    /// As with tasks.
    fn close_cursor(&mut self, _cursor: usize) {}

    fn claims_held(&mut self, agent: &str) -> u32 {
        self.held_by(agent)
    }

    fn recall(&mut self, key: &str) -> Option<Vec<u8>> {
        self.memory.get(key).cloned()
    }

    fn id(&mut self) -> String {
        self.decision()
    }

    fn stage(&mut self, step: Step) -> Result<(), StepError> {
        self.stage_step(step)
    }

    fn setting(&mut self, name: &str) -> Option<String> {
        self.value_of(name)
    }

    fn now(&mut self) -> Millis {
        self.now
    }

    fn random(&mut self) -> u32 {
        self.draw()
    }

    fn log(&mut self, line: &str) {
        self.log.push(line.to_owned());
    }

    /// On one thread nobody else holds any lock, so none is waited for.
    fn lock(&mut self, name: &str, _timeout: DurationMs) -> Result<(), LockError> {
        self.take_lock(name)
    }

    fn unlock(&mut self, name: &str) {
        self.drop_lock(name);
    }

    fn read_file(&mut self, at: Place, name: &str) -> Result<Vec<u8>, FileError> {
        self.read(at, name)
    }

    fn replace_file(
        &mut self,
        at: Place,
        name: &str,
        content: &[u8],
        expected: Option<&[u8]>,
    ) -> Result<(), FileError> {
        self.replace(at, name, content, expected)
    }
}
