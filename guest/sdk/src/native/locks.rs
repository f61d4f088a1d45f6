//! Named locks. On one thread nobody else holds any, but a policy may ask for one that it has already.

use super::ask;
use crate::DurationMs;

/// Why a lock wasn't taken.
#[derive(Debug, Clone, PartialEq)]
pub enum LockError {
    /// Somebody else held it all the while.
    Timeout,
    /// This hook may not take locks.
    Forbidden,
    /// Too many locks are held, or the name isn't allowed.
    Limit(String),
    Failed(String),
}

/// A held lock.
#[derive(Debug)]
pub struct Guard {
    name: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The board is gone already where a hook panics.
        super::WORLD.with_borrow_mut(|world| world.as_mut().map(|world| world.unlock(&self.name)));
    }
}

/// As in the contract.
pub fn acquire(name: &str, _timeout: DurationMs) -> Result<Guard, LockError> {
    ask(|world| world.lock(name)).map(|()| Guard { name: name.to_owned() })
}
