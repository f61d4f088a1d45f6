//! An example policy: whoever asks for work gets the newest ready task, so that what was noticed last is
//! looked at first. When a task is ready, what a failure means and when a claim is stale stay with the
//! standard policy: this one exports nothing about them.

use taskhost_sdk::assignment::Answer;
use taskhost_sdk::{
    About, Assignment, Description, Order, Request, Reservation, Transaction, View,
};

struct NewestFirst;

/// What `taskhost policy show` prints.
impl About for NewestFirst {
    fn describe() -> Description {
        Description::new("newest-first", env!("CARGO_PKG_VERSION"), "The newest ready task first.")
    }
}

impl Assignment for NewestFirst {
    fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
        // The filter is what the asker wants (types, labels) and can do (capabilities). `Either` takes
        // both what is reserved for the asker and what is reserved for nobody.
        let ready = view.candidates(&request.filter, Reservation::Either, Order::Newest);

        // The cursor is lazy: these sixteen are all it looks at, however long the board is. Usually the
        // first will do; one that somebody has locked by hand can't be claimed, and is passed over.
        for task in ready.next(16) {
            // This only stages the claim. The host checks it, and commits it when we return.
            if tx.claim(&task.id, request.lease).is_ok() {
                return Answer::Staged;
            }
        }
        Answer::Nothing(None)
    }
}

// Exports the policy with the hooks it has.
taskhost_sdk::policy!(NewestFirst: assignment);
