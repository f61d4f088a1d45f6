//! What a board does when something goes wrong at an exact moment, in a simulated world.
//!
//! - [`Part`]: one way of looking for trouble; it is given an [`Effort`] and a [`Bug`] to behave by, or none, and gives
//!   an [`Outcome`]: what it tried, counted, and what went wrong.
//! - [`schedules`]: several processes, with somebody else deciding at every operation who goes on; [`again`] goes
//!   through one order of events once more.
//!
//! Nothing here starts a process or touches a file. What needs real ones stands in `tests/torture`, which runs these
//! parts too.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can't go on should stop"))]

mod outcome;
mod schedules;

pub use outcome::{Bug, Count, Effort, Harm, Outcome, Part, Wrong};
pub use schedules::{again, schedules};
