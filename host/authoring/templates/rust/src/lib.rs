//! Who asks for work gets the newest ready task.

use taskhost_sdk::assignment::Answer;
use taskhost_sdk::{
    About, Assignment, Description, DurationMs, Order, Request, Reservation, Setting, Transaction,
    View,
};

/// In which order tasks are given: `Newest`, `Oldest`, or `Rank` (the most urgent first).
const ORDER: Order = Order::Newest;

const LEASE: Setting<DurationMs> =
    Setting::duration("lease", "30m", "How long a claim holds without a heartbeat.");

struct Policy;

/// What `taskhost policy show` prints.
impl About for Policy {
    fn describe() -> Description {
        let summary = "The newest ready task first.";
        Description::new("{{name}}", env!("CARGO_PKG_VERSION"), summary).with(&LEASE)
    }
}

impl Assignment for Policy {
    fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
        let lease = request.lease.unwrap_or_else(|| LEASE.get());
        let ready = view.candidates(&request.filter, Reservation::Either, ORDER);
        // Usually the first will do; one that somebody has locked by hand can't be claimed.
        for task in ready.next(16) {
            if tx.claim(&task.id, Some(lease)).is_ok() {
                return Answer::Staged;
            }
        }
        Answer::Nothing(None)
    }
}

// Exports the hooks that are named; what they leave out is decided by the standard policy.
taskhost_sdk::policy!(Policy: assignment);

#[cfg(test)]
mod tests {
    use taskhost_sdk::assignment::Answer;
    use taskhost_sdk::mock::{Board, Task, asker};

    use super::Policy;

    #[test]
    fn newest_ready_task_is_given_first() {
        let mut board = Board::new();
        board.add(Task::new("older"));
        board.add(Task::new("newer"));

        assert_eq!(board.choose::<Policy>(asker("ada")), Answer::Staged);
        assert!(board.task("newer").is_some_and(|task| task.claim.is_some()));
        assert!(board.task("older").is_some_and(|task| task.claim.is_none()));
    }
}
