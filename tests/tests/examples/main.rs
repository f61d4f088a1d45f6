//! The example policies, and policies in every language that try to reach what is not theirs.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod clocks;
mod isolation;
mod mistakes;
mod table;
