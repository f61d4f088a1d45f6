//! Everything that could lose a task or give it twice, tried and counted.
//!
//! - [`parts`]: the ways of looking for trouble, those in a simulated world first.
//! - [`Table`]: what they did and found, together; [`machine`]: where.

pub mod machine;
mod table;

pub use table::Table;
use taskhost_simulated::Part;

/// All parts, in the order in which they are run.
pub fn parts() -> Vec<Part> {
    vec![taskhost_simulated::schedules()]
}
