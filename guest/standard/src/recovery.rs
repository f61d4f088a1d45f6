//! What becomes of a task whose holder is lost? Somebody else may try, until its attempts are used up: a
//! task that kills whoever takes it would otherwise go round for ever.

use crate::{Standard, settings};
use taskhost_sdk::recovery::{Answer, Cause};
use taskhost_sdk::{Recovery, Task, Transaction, View};

impl Recovery for Standard {
    fn recover(_: &View, _: &Transaction, task: &Task, cause: Cause) -> Answer {
        decide(task.summary().attempts, settings::max_attempts(), cause)
    }
}

/// `attempts` counts the one that was lost.
fn decide(attempts: u32, max: Option<u32>, cause: Cause) -> Answer {
    if max.is_none_or(|max| attempts < max) {
        return Answer::Release;
    }
    let end = match cause {
        Cause::LeaseOver => "the lease ran out",
        Cause::HolderDead => "the holder died",
    };
    Answer::Fail(format!("{end} on attempt {attempts}, and `max_attempts` allows no more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One task of another system ran about 30 times, because rescues weren't counted.
    #[test]
    fn task_that_loses_its_holders_fails_when_its_attempts_are_used_up() {
        assert_eq!(decide(4, Some(5), Cause::HolderDead), Answer::Release);
        assert!(matches!(decide(5, Some(5), Cause::HolderDead), Answer::Fail(_)));
        // The limit was lowered meanwhile.
        assert!(matches!(decide(6, Some(5), Cause::LeaseOver), Answer::Fail(_)));
        assert_eq!(decide(1_000, None, Cause::LeaseOver), Answer::Release);
    }
}
