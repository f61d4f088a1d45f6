//! What a board promises, shown on one in memory, and what only one in memory shows.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod image;
mod memory;

mod contract {
    taskhost_contract::suite!(&crate::memory::KIND);
}
