//! A PostgreSQL of one's own, for tests, the benchmarks and the demo, from the programs of Debian's package (or any other):
//! no client library is linked.
//!
//! - [`Server`]: one that was started for a purpose, with [`Options`], as durable as any. It can be killed and started again.
//! - [`Access`]: how a server is reached: addresses of databases and boards, and [`Access::psql`] to look into tables.
//! - [`shared`] and [`fresh_board`]: one server for a whole run of tests.
//! - [`Cutter`]: stands between a client and a server, and cuts, holds up or loses what they say, at a moment that is planned.
//! - [`Programs`]: PostgreSQL's own.
//!
//! A server never outlives whoever started it, however they end: a process of its own waits for that, stops it and removes its
//! files (`janitor.sh`).

#![expect(clippy::panic, reason = "a test that can't go on should stop and say why")]

mod access;
mod cutter;
mod processes;
mod programs;
mod server;

pub use access::Access;
pub use cutter::{Cutter, Ending, Fault, Trigger};
pub use programs::Programs;
pub use server::{Options, Server};

use std::sync::OnceLock;

/// The variable that names the server of a whole run of tests: the address of a database, with a superuser. What tests make
/// there they leave there.
pub const VARIABLE: &str = "TASKHOST_TEST_POSTGRES";

/// The server that all tests use which don't harm it: the one that [`VARIABLE`] names, as under `cargo xtask test`, or one
/// that this process starts for itself.
///
/// # Panics
///
/// If there is none, and none can be started.
pub fn shared() -> &'static Access {
    /// Never dropped: its janitor notices when this process ends.
    static OWN: OnceLock<Server> = OnceLock::new();
    static SHARED: OnceLock<Access> = OnceLock::new();
    SHARED.get_or_init(|| match std::env::var(VARIABLE) {
        Ok(url) => Access::parse(&url).unwrap_or_else(|error| panic!("{VARIABLE}: {error:#}")),
        Err(_) => {
            let start = || Server::start(Options::default());
            OWN.get_or_init(|| start().unwrap_or_else(|error| panic!("{error:#}"))).access().clone()
        }
    })
}

/// The address of a board on the shared server, as `--board` takes it. No other test has its name, and nobody has made it yet.
///
/// # Panics
///
/// As [`shared`].
pub fn fresh_board() -> String {
    shared().fresh_board()
}

/// Sixteen digits that nobody else has.
pub(crate) fn random_name() -> String {
    let number = getrandom::u64().unwrap_or_else(|error| panic!("no random numbers: {error}"));
    format!("{number:016x}")
}
