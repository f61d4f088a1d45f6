//! What a board does when something goes wrong at an exact moment, in a simulated world.
//!
//! - [`Part`]: one way of looking for trouble; it is given an [`Effort`] and a [`Bug`] to behave by, or none, and gives
//!   an [`Outcome`]: what it tried, counted, and what went wrong.
//!
//! - [`schedules`]: several processes, with every operation's turn decided by somebody else; [`again`]: one of them.
//!
//! Nothing here starts a process or touches a file. What needs real ones stands in `tests/torture`, which runs these
//! parts too.

mod outcome;
mod schedules;

pub use outcome::{Bug, Count, Effort, Harm, Outcome, Part, Wrong};
pub use schedules::{again, schedules};
