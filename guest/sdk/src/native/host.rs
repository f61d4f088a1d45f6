//! [`Host`]: who answers a policy's imports off WebAssembly.

use super::board::Family;
use super::files::{FileError, Place};
use super::locks::LockError;
use super::transactions::StepError;
use crate::mock::Step;
use crate::{Claim, DurationMs, Filter, Millis, Order, Reservation, Status, Summary, TaskId};

/// The most tasks or ids that one call gives, as in the contract.
pub const PAGE_MAX: u32 = 1_000;

/// Answers what the contract's imports ask. Each method is the import of its name, and means what the contract says.
///
/// Tasks and cursors are named by handles: numbers that the host gives out, and that mean nothing once they were closed
/// or the hook is over. A limit of a page never exceeds [`PAGE_MAX`].
#[expect(missing_docs, reason = "a method is the import of its name, which the contract documents")]
pub trait Host: std::any::Any {
    // ----- `board`

    /// A handle of this task, if there is one.
    fn open_task(&mut self, id: &str) -> Option<usize>;
    /// The policy needs the task no longer.
    fn close_task(&mut self, task: usize);
    fn summary(&mut self, task: usize) -> Summary;
    fn status(&mut self, task: usize) -> Status;
    fn parent(&mut self, task: usize) -> Option<TaskId>;
    fn dependencies(&mut self, task: usize) -> Vec<TaskId>;
    fn children(
        &mut self,
        task: usize,
        which: Family,
        past: Option<&str>,
        limit: u32,
    ) -> Vec<TaskId>;
    fn labels(&mut self, task: usize) -> Vec<String>;
    fn needs(&mut self, task: usize) -> Vec<String>;
    fn assignee(&mut self, task: usize) -> Option<String>;
    fn claim(&mut self, task: usize) -> Option<Claim>;
    fn not_before(&mut self, task: usize) -> Option<Millis>;
    fn failures(&mut self, task: usize) -> u32;
    fn reason(&mut self, task: usize) -> Option<String>;
    fn data(&mut self, task: usize) -> String;

    /// A handle of a walk over ready tasks.
    fn candidates(&mut self, filter: &Filter, reserved: Reservation, order: Order) -> usize;
    fn next(&mut self, cursor: usize, limit: u32) -> Vec<Summary>;
    /// The policy needs the cursor no longer.
    fn close_cursor(&mut self, cursor: usize);
    fn claims_held(&mut self, agent: &str) -> u32;
    fn recall(&mut self, key: &str) -> Option<Vec<u8>>;

    // ----- `transactions`

    fn id(&mut self) -> String;
    /// What every method that stages does.
    fn stage(&mut self, step: Step) -> Result<(), StepError>;

    // ----- `settings`, `clock`, `random`, `log`

    fn setting(&mut self, name: &str) -> Option<String>;
    fn now(&mut self) -> Millis;
    fn random(&mut self) -> u32;
    fn log(&mut self, line: &str);

    // ----- `locks`, `files`

    /// Takes the lock of this name, and is held until [`Host::unlock`].
    fn lock(&mut self, name: &str, timeout: DurationMs) -> Result<(), LockError>;
    fn unlock(&mut self, name: &str);
    fn read_file(&mut self, at: Place, name: &str) -> Result<Vec<u8>, FileError>;
    fn replace_file(
        &mut self,
        at: Place,
        name: &str,
        content: &[u8],
        expected: Option<&[u8]>,
    ) -> Result<(), FileError>;
}
