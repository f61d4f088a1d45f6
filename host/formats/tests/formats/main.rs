//! What other systems' files become on a board, and that they come back.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod a2a;
mod common;
mod damaged;
mod manager;
mod mapping;
mod properties;
mod recognising;
mod sqlite;
mod todo2;
