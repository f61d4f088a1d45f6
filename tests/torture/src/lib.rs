//! Everything that could lose a task or give it twice, tried and counted.
//!
//! - [`parts`]: the ways of looking for trouble, those in a simulated world first.
//! - [`Table`]: what they did and found, together; [`machine`]: where.
//! - [`histories`]: one of the parts; what it needs is open to the program, which runs itself again as a worker.
//! - [`worker`]: what else this program is when another one of it has started it, as parts do that need real processes.
//! - [`place`]: where boards are tried.

#![deny(unsafe_code)]

mod clock;
pub mod dice;
mod fairness;
pub mod histories;
mod kills;
mod liveness;
pub mod machine;
pub mod place;
mod postgres;
mod program;
mod recovery;
mod table;
mod unlooked;
pub mod worker;

pub use table::Table;
use taskhost_simulated::{Part, crashes, faults, schedules};

/// All parts, in the order in which they are run.
pub fn parts() -> Vec<Part> {
    vec![
        crashes(),
        faults(),
        schedules(),
        histories::part(),
        kills::part(),
        kills::full_disk::part(),
        postgres::part(),
        liveness::part(),
        fairness::part(),
        recovery::part(),
    ]
}
