//! Tries policies away from any board that people use.
//!
//! - [`Subject`]: what is tried. [`run`]: what it makes of a scenario.
//! - [`scenario`]: small readable files that say what happens on a board and what a policy is to make of it.
//! - [`conformance`]: scenarios that every policy has to pass, whatever it decides.
//! - [`history`] makes a recorded history into work that can be done again, [`mod@replay`] does it again through another
//!   policy, [`report`] says what differs, and [`picture`] draws it; [`course`] is what all of them tell it in.
//! - [`replay_recorded`]: a decision that was recorded on a board, made again.
//! - `world` is the board, `judge` compares what came with what was expected, and `laws` are what must hold of every
//!   board, whatever is decided there.
//!
//! Whatever isn't recorded runs on a board in memory, whose clock stands still until it is told otherwise, and through the same
//! [`taskhost_board::Engine`] as every other board: what is seen here is what a board does.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can't go on should stop"))]

mod board;
pub mod conformance;
pub mod course;
mod fresh;
pub mod history;
mod judge;
mod laws;
pub mod picture;
mod recorded;
pub mod replay;
pub mod report;
mod run;
pub mod scenario;
mod subject;
mod world;

pub use recorded::{Fetch, Instead, Replayed, replay_recorded};
pub use run::{Fault, Outcome, run};
pub use subject::{Runner, Subject, Values};
pub use world::Came;
