//! A board for unit tests: hooks called natively, without taskhost.
//!
//! - [`Board`]: tasks, settings, time and memory, and the hooks called on them. [`Task`]: one of its tasks.
//! - [`Step`]: what a hook staged.
//!
//! ```
//! use taskhost_sdk::assignment::Answer;
//! use taskhost_sdk::mock::{Board, Step, Task, asker};
//! # use taskhost_sdk::{Assignment, Order, Request, Reservation, Transaction, View};
//! # struct OldestFirst;
//! # impl Assignment for OldestFirst {
//! #     fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
//! #         view.candidates(&request.filter, Reservation::Either, Order::Oldest).claim_first(tx, request.lease)
//! #     }
//! # }
//! # taskhost_sdk::policy!(OldestFirst: assignment; "The oldest first.");
//! # fn main() {
//!
//! let mut board = Board::new();
//! board.add(Task::new("first"));
//! board.add(Task::new("second").priority(5));
//!
//! assert_eq!(board.choose::<OldestFirst>(asker("ada")), Answer::Staged);
//! assert_eq!(board.steps(), [Step::Claim { id: "first".into(), lease: None }]);
//! # }
//! ```
//!
//! A hook's steps are kept for the calls after it, as if they had been committed, unless it refuses or panics. The board
//! refuses the steps that taskhost would refuse for the task's status, holder, reservation or filter, and for what the
//! hook may do. It has no other policy behind it: `standard` is an answer like any other, a changed status gets no
//! `lifecycle` call of its own, and a task is ready if its test says so. `taskhost policy test` runs the real thing.

mod board;
mod files;
mod host;
mod task;
mod world;

pub use board::{Board, asker};
pub use task::Task;
pub(crate) use world::World;

use crate::{DurationMs, Millis, Status, TaskId};

/// A change that a hook staged.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// See [`Transaction::claim`](crate::Transaction::claim).
    Claim {
        /// Which task.
        id: TaskId,
        /// For how long.
        lease: Option<DurationMs>,
    },
    /// See [`Transaction::release`](crate::Transaction::release).
    Release {
        /// Which task.
        id: TaskId,
        /// Not before this time.
        not_before: Option<Millis>,
    },
    /// See [`Transaction::set_status`](crate::Transaction::set_status).
    SetStatus {
        /// Which task.
        id: TaskId,
        /// What it becomes.
        to: Status,
        /// Why.
        why: String,
    },
    /// See [`Transaction::reconsider`](crate::Transaction::reconsider).
    Reconsider {
        /// Which task.
        id: TaskId,
    },
    /// See [`Transaction::remember`](crate::Transaction::remember).
    Remember {
        /// Under which key.
        key: String,
        /// What; nothing to forget it.
        value: Option<Vec<u8>>,
    },
}
