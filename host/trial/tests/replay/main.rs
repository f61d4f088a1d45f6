//! Histories that are replayed: on boards in memory, decided by the least policy there is, without WebAssembly.

mod again;
mod assumed;
mod figures;
mod moody;
mod town;
