//! An example policy: whoever asks for work gets the newest ready task, so that what was noticed last is
//! looked at first. When a task is ready, what a failure means and when a claim is stale stay with the
//! standard policy: this one exports nothing about them.

use taskhost_sdk::assignment::Answer;
use taskhost_sdk::{Assignment, Order, Request, Reservation, Transaction, View};

struct NewestFirst;

impl Assignment for NewestFirst {
    fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
        // The filter is what the asker wants (types, labels) and can do (capabilities). `Either` takes
        // both what is reserved for the asker and what is reserved for nobody.
        let ready = view.candidates(&request.filter, Reservation::Either, Order::Newest);

        // The cursor is lazy: however long the board is, no more tasks are looked at than it takes to find one
        // that can be claimed. This only stages the claim; the host checks it, and commits it when we return.
        ready.claim_first(tx, request.lease)
    }
}

// Exports the policy with the hooks it has. The line is what `taskhost policy show` prints.
taskhost_sdk::policy!(NewestFirst: assignment; "The newest ready task first.");
