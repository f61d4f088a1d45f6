//! `locks`: the operating system's or the store's own locks, waited for within the hook's deadline.

use std::time::{Duration, Instant};

use taskhost_board::{LockFailure, TaskId};
use wasmtime::component::Resource;

use crate::bindings::taskhost::policy::locks::{Host, HostGuard, LockError};
use crate::handles::Guard;
use crate::state::State;

/// How many locks a hook may hold at a time.
const HELD_MAX: u32 = 16;

/// What is wrong with a lock's name. It has the rule of a task's id: it becomes the name of a file too.
fn fault_of_name(name: &str) -> Option<String> {
    TaskId::new(name).err().map(|_| {
        format!(
            "`{name}` can't be a lock's name: use a letter or digit, then at most 127 letters, digits, `.`, `_`, `:` and `-`"
        )
    })
}

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
        if let Some(fault) = fault_of_name(&name) {
            return Ok(Err(LockError::Limit(fault)));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// It was said to be no valid task id, though nobody had spoken of a task.
    #[test]
    fn name_that_no_lock_can_have_is_refused_as_a_locks_name() {
        assert_eq!(fault_of_name("crane-1:a.b_c"), None);
        for name in ["", "../x", "two words", &"x".repeat(129)] {
            let fault = fault_of_name(name).expect("it is wrong");
            assert!(fault.starts_with(&format!("`{name}` can't be a lock's name: use")), "{fault}");
        }
    }
}
