//! What the modules of the same names say of boards in files alone: their locks, their files, their directory.

mod death;
mod hazards;
mod locks;
mod metrics;
mod moving;
mod names;
mod policies;
mod regressions;
mod replays;
mod spans;
mod watching;
