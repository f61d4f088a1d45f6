//! A board in PostgreSQL, in a schema of its own: the same board as one in files, for agents on many machines.
//!
//! What agrees on who won is PostgreSQL: row locks, unique keys, sequences, commits. Nothing here votes, elects or keeps a
//! lease of its own about it.
//!
//! - **Claims run side by side.** What a transaction reads is locked until it ends, so nothing that it decided on changes
//!   before it commits (strict two-phase locking, at the isolation level `READ COMMITTED`). Candidates are offered
//!   with `FOR NO KEY UPDATE SKIP LOCKED`.
//! - **Nobody waits for a task while holding a lock.** What isn't free at once loses the transaction: it is rolled back, and
//!   the next try begins by waiting for all that was lost by, in one order that everybody keeps. Commits may still meet at a
//!   unique key or a wake; the server ends a circle of them after a second, which is a conflict like any other. Hooks are run
//!   again a bounded number of times.
//! - **Policies and settings** rest under a shared advisory lock that every changing transaction holds; who changes them
//!   holds it alone, and begins another epoch, in which nothing commits that was decided in an earlier one.
//! - **Time** is the server's clock.
//!
//! From below:
//!
//! - [`Address`]: where a board is. [`Pool`] and [`Pooled`]: a handle's connections. [`Link`]: one of them, [`Call`] what
//!   is sent over it, [`LinkError`] and [`PoolError`] what goes wrong.
//! - [`Home`]: the connection that holds what lives as long as its process, and hears what others do.
//! - [`Tables`]: how a board's tables are made and brought up. [`key`]: the numbers of advisory locks.
//! - `sql`, `rows`: the statements, and a task as rows. `tx`, `begin`, `commit`: a transaction; `view`, `offers`: what is read
//!   in it; `opened`: how the domain has it.
//! - `export`, `import`: a whole board on its way, at one instant and in one transaction.
//! - `still`: a board that nobody changes, on its way elsewhere.
//! - `figures`: what the board's processes measure.
//! - [`PostgresStore`]: all of it.

mod address;
mod begin;
mod combine;
mod commit;
mod components;
mod connect;
mod contexts;
mod create;
mod desk;
mod doctor;
mod dump;
mod export;
mod fault;
mod figures;
mod hand;
mod history;
mod home;
mod import;
mod keeper;
mod keys;
mod link;
mod lives;
mod migrate;
mod offers;
mod opened;
mod options;
mod per_process;
mod pool;
mod powers;
mod rows;
mod shared;
mod socket;
mod sql;
mod staged;
mod still;
mod store;
mod switch;
mod tls;
mod tx;
mod vacuum;
mod view;

#[cfg(test)]
mod tests;

pub use address::{Address, AddressError};
pub use connect::Server;
pub use create::OpenError;
pub use fault::LinkError;
pub use figures::ThisProcess;
pub use home::{HoldError, Home, LifeHold};
pub use import::ImportError;
pub use keys::{Kind, key};
pub use link::{Call, Link, PATIENCE, Param};
pub use migrate::{MigrateError, Tables};
pub use options::OpenOptions;
pub use pool::{Pool, PoolError, Pooled};
pub use shared::IsProcessDead;
pub use store::PostgresStore;

/// A random number.
fn random() -> u64 {
    // Whoever has no random numbers has a clock: it only has to be another one each time.
    let clock = || std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos() as u64;
    getrandom::u64().unwrap_or_else(|_| clock())
}
