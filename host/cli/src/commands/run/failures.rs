//! How many tasks of a run may fail before it begins no further one.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// The failures of a run, and how many are too many.
#[derive(Debug, Default)]
pub struct Failures {
    most: Option<NonZeroU64>,
    count: AtomicU64,
}

impl Failures {
    /// At most so many; any number if none is given.
    pub fn new(most: Option<NonZeroU64>) -> Self {
        Self { most, count: AtomicU64::new(0) }
    }

    /// Counts one; says whether it is the one that is too many.
    pub fn add(&self) -> bool {
        let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.is_some_and(|most| count == most.get())
    }

    /// Whether there were too many.
    pub fn are_too_many(&self) -> bool {
        self.most.is_some_and(|most| self.count.load(Ordering::SeqCst) >= most.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_failure_that_is_borne_is_said_once() {
        let failures = Failures::new(NonZeroU64::new(2));
        assert!(!failures.add() && !failures.are_too_many());
        assert!(failures.add() && failures.are_too_many());
        assert!(!failures.add() && failures.are_too_many());
    }

    #[test]
    fn any_number_is_borne_unless_said_otherwise() {
        let failures = Failures::default();
        assert!((0..100).all(|_| !failures.add()));
        assert!(!failures.are_too_many());
    }
}
