//! `taskhost mcp` as the clients of other makers see it: the protocol's own libraries for Python and TypeScript, and its
//! Inspector, each in a process of its own.
//!
//! - [`client`]: a client of either library, driven by a test. [`server`]: how a server is started, and one without a client.
//! - The scripts that the clients run stand in `clients/`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod client;
mod configurations;
mod fleet;
mod inspector;
mod listing;
mod mistakes;
mod people;
mod resources;
mod server;
mod sessions;
mod tools;
