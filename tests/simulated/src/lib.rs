//! What a board does when something goes wrong at an exact moment, in a simulated world.
//!
//! - [`Part`]: one way of looking for trouble; it is given an [`Effort`] and a [`Bug`] to behave by, or none, and gives
//!   an [`Outcome`]: what it tried, counted, and what went wrong.
//! - [`crashes`]: every kind of operation, stopped at every step, with every state that the disk may be left in.
//! - [`faults`]: every kind of operation on a failing disk, every file damaged, recoveries that are cut short.
//! - [`replay`]: one case that went wrong, again and alone:
//!   `cargo run -p taskhost-simulated --example replay -- 'claim/2/7/13' SEED`.
//! - [`schedules`]: several processes, with somebody else deciding at every operation who goes on; [`again`] goes
//!   through one order of events once more.
//!
//! Nothing here starts a process or touches a file. What needs real ones stands in `tests/torture`, which runs these
//! parts too.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can't go on should stop"))]

mod crash;
mod damage;
mod examine;
mod family;
mod fault;
mod fold;
mod operations;
mod outcome;
mod rebuilt;
mod rounds;
mod schedules;
mod stage;

pub use crash::{crash, crashes, operations, replay};
pub use damage::{damage, recoveries};
pub use fault::{fault, faults};
pub use outcome::{Bug, Count, Effort, Harm, Outcome, Part, Wrong};
pub use schedules::{again, schedules};
