//! Who asks for work gets the newest ready task.

use taskhost_sdk::assignment::Answer;
use taskhost_sdk::{Assignment, DurationMs, Order, Request, Reservation, Setting, Transaction, View};

/// In which order tasks are given: `Newest`, `Oldest`, or `Rank` (the most urgent first).
const ORDER: Order = Order::Newest;

const LEASE: Setting<DurationMs> =
    Setting::duration("lease", "30m", "How long a claim holds without a heartbeat.");

struct Policy;

impl Assignment for Policy {
    fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
        let lease = request.lease.unwrap_or_else(|| LEASE.get());
        let ready = view.candidates(&request.filter, Reservation::Either, ORDER);
        // One that somebody has locked by hand can't be claimed, and is passed over.
        ready.claim_first(tx, Some(lease))
    }
}

// Exports the hooks that are named; what they leave out is decided by the standard policy. Then comes what
// `taskhost policy show` prints: what the policy does, and its settings.
taskhost_sdk::policy!(Policy: assignment; "The newest ready task first.", LEASE);

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
