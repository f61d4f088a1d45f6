//! What a wasmtime store holds: the state of one instance, and of the call it is in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskhost_board::{Powers, Space, StepError, Task as BoardTask, Transaction};
use wasmtime::component::Resource;

use crate::contract::Hook;
use crate::failure::Abort;
use crate::handles::{Handles, Task};
use crate::limits::MemoryLimiter;
use crate::log::Log;
use crate::own_limits::OWN_STEPS;
use crate::random::Random;
use crate::wasi::Wasi;

/// A policy's settings as it reads them.
pub(crate) type Settings = BTreeMap<String, String>;

/// The state of one instance.
pub(crate) struct State {
    pub(crate) memory: MemoryLimiter,
    pub(crate) handles: Handles,
    /// Whose memory `remember` and `recall` mean.
    pub(crate) space: Space,
    pub(crate) settings: Arc<Settings>,
    pub(crate) powers: Arc<dyn Powers>,
    /// Only for a component that imports it.
    pub(crate) wasi: Option<Box<Wasi>>,
    /// When the running call must have ended; code that runs without one is ended at once.
    pub(crate) deadline: Option<Instant>,
    /// How many bytes may still cross the boundary in this call.
    pub(crate) boundary_bytes_left: usize,
    /// The transaction's log, which is lent with the transaction.
    pub(crate) log: Log,
    /// How many lines it had when the call began.
    pub(crate) log_before: usize,
    /// Absent while the component is instantiated or describes itself.
    pub(crate) call: Option<Call>,
}

/// A hook call.
pub(crate) struct Call {
    pub(crate) tx: Transaction,
    pub(crate) hook: Hook,
    /// The handle of the task that the hook is called for.
    pub(crate) task: Option<u32>,
    /// Whether nothing of it will be committed.
    pub(crate) dry: bool,
    pub(crate) random: Random,
    /// How many steps it staged: what was read of a task before a step is read again.
    pub(crate) steps: u64,
    /// How many the policy may stage in one transaction, if its own settings bound them.
    pub(crate) steps_max: Option<u32>,
    /// How long it waited for locks.
    pub(crate) waited: Duration,
}

impl State {
    /// The running call. `import` is what asks, in case there is none.
    pub(crate) fn call(&mut self, import: &'static str) -> wasmtime::Result<&mut Call> {
        self.call.as_mut().ok_or_else(|| Abort::NoBoard(import).into())
    }

    /// Counts bytes that cross the boundary, before they are copied to the policy or after they came.
    pub(crate) fn charge(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.boundary_bytes_left =
            self.boundary_bytes_left.checked_sub(bytes).ok_or(Abort::Boundary)?;
        Ok(())
    }

    /// The task behind a handle as it is now. It is read once and again after each step.
    pub(crate) fn task(&mut self, handle: &Resource<Task>) -> wasmtime::Result<&BoardTask> {
        let call = self.call.as_ref().ok_or(Abort::NoBoard("board.task"))?;
        let open = self.handles.task(handle)?;
        if !matches!(&open.read, Some((steps, _)) if *steps == call.steps) {
            let task = call.tx.task(&open.id).map_err(Abort::from)?;
            let task = task.ok_or_else(|| Abort::Misuse(format!("task `{}` is gone", open.id)))?;
            open.read = Some((call.steps, task));
        }
        match &open.read {
            Some((_, task)) => Ok(task),
            None => Err(Abort::NoSuchHandle.into()),
        }
    }

    /// Stages a step; an error that isn't the policy's ends the call.
    pub(crate) fn stage(
        &mut self,
        step: impl FnOnce(&mut Transaction) -> Result<(), StepError>,
    ) -> wasmtime::Result<Result<(), StepError>> {
        let space = self.space;
        let call = self.call("transactions.transaction")?;
        if call.steps_max.is_some_and(|max| call.tx.steps_staged(space) >= max) {
            let text = format!(
                "the policy may stage no more steps in this transaction: `{OWN_STEPS}` bounds them"
            );
            return Ok(Err(StepError::Limit(text)));
        }
        match step(&mut call.tx) {
            Ok(()) => {
                call.steps += 1;
                call.tx.count_step(space);
                Ok(Ok(()))
            }
            Err(StepError::Read(error)) => Err(Abort::Read(error).into()),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Whether the hook was called for the task of this id.
    pub(crate) fn is_called_for(&mut self, id: &str) -> bool {
        let Some(rep) = self.call.as_ref().and_then(|call| call.task) else { return false };
        self.handles.task(&Resource::new_borrow(rep)).is_ok_and(|own| own.id.as_str() == id)
    }

    /// Moves what the policy printed to the log. Says whether the instance may print more.
    pub(crate) fn drain_wasi(&mut self) -> bool {
        self.wasi.as_mut().is_none_or(|wasi| wasi.drain(&mut self.log))
    }

    /// How much of the deadline is left.
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// How long the running call waited for locks.
    pub(crate) fn waited(&self) -> Duration {
        self.call.as_ref().map_or(Duration::ZERO, |call| call.waited)
    }

    /// What the policy wrote before it gave up, if that says why.
    pub(crate) fn last_words(&self) -> Option<String> {
        self.log.last_words(self.log_before, self.wasi.is_some())
    }
}

impl Call {
    /// Whether it may do what isn't staged and can't be taken back; the error says why not.
    pub(crate) fn acts_at_once(&self) -> Result<(), &'static str> {
        match (self.dry, self.hook) {
            (true, _) => Err("this is a dry run, in which nothing is changed"),
            (false, Hook::Readiness | Hook::About) => Err("the hook `readiness` only reads"),
            (false, Hook::Assignment | Hook::Lifecycle | Hook::Recovery) => Ok(()),
        }
    }
}
