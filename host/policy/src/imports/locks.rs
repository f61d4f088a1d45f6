//! `locks`: the operating system's or the store's own locks, waited for within the hook's deadline.

use std::time::{Duration, Instant};

use taskhost_board::{LockFailure, TaskId};
use wasmtime::component::Resource;

use crate::bindings::taskhost::policy::locks::{Host, HostGuard, LockError};
use crate::handles::Guard;
use crate::state::State;

/// How many locks a hook may hold at a time.
const HELD_MAX: u32 = 16;

impl Host for State {
    fn acquire(
        &mut self,
        name: String,
        timeout: u64,
    ) -> wasmtime::Result<Result<Resource<Guard>, LockError>> {
        self.charge(name.len())?;
        if self.call("locks.acquire")?.acts_at_once().is_err() {
            return Ok(Err(LockError::Forbidden));
        }
        // A lock's name has the rule of a task's id: it becomes the name of a file too.
        if let Err(error) = TaskId::new(&*name) {
            return Ok(Err(LockError::Limit(error.to_string())));
        }
        if self.handles.guards() >= HELD_MAX {
            return Ok(Err(LockError::Limit(format!("a hook holds at most {HELD_MAX} locks"))));
        }
        // Nothing interrupts the host while it waits, so it waits no longer than the hook may run.
        let timeout = Duration::from_millis(timeout).min(self.time_left());
        let began = Instant::now();
        let locked = self.powers.lock(&name, timeout);
        self.call("locks.acquire")?.waited += began.elapsed();
        match locked {
            Ok(guard) => self.handles.open_guard(guard).map(Ok),
            Err(LockFailure::Timeout) => Ok(Err(LockError::Timeout)),
            Err(LockFailure::Limit(text)) => Ok(Err(LockError::Limit(text))),
            Err(LockFailure::Failed(text)) => Ok(Err(LockError::Failed(text))),
        }
    }
}

impl HostGuard for State {
    fn drop(&mut self, guard: Resource<Guard>) -> wasmtime::Result<()> {
        self.handles.close(guard.rep())
    }
}
