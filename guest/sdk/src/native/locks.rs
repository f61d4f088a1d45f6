//! Named locks.

use super::{ask, if_up};
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
        if_up(|host| host.unlock(&self.name));
    }
}

/// As in the contract.
pub fn acquire(name: &str, timeout: DurationMs) -> Result<Guard, LockError> {
    ask(|host| host.lock(name, timeout)).map(|()| Guard { name: name.to_owned() })
}
