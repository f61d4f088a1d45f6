//! What a board promises, shown on one in memory.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod adding;
mod adopting;
mod answers;
mod around;
mod changing;
mod claims;
mod common;
mod compiling;
mod fallback;
mod limits;
mod operating;
mod posted;
mod properties;
mod recording;
mod regressions;
mod resuming;
