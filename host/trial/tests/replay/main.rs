//! Histories that are replayed: on boards in memory, decided by the least policy there is, without WebAssembly.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod again;
mod assumed;
mod candidates;
mod figures;
mod moody;
mod town;
