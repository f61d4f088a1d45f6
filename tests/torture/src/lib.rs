//! Everything that could lose a task or give it twice, tried and counted.
//!
//! - [`parts`]: the ways of looking for trouble, those in a simulated world first.
//! - [`Table`]: what they did and found, together; [`machine`]: where.
//! - [`histories`]: one of the parts; what it needs is open to the program, which runs itself again as a worker.
//! - [`place`]: where boards are tried.

pub mod dice;
pub mod histories;
pub mod machine;
pub mod place;
mod table;

pub use table::Table;
use taskhost_simulated::{Part, crashes, faults, schedules};

/// All parts, in the order in which they are run.
pub fn parts() -> Vec<Part> {
    vec![crashes(), faults(), schedules(), histories::part()]
}
