//! What happens to a board in PostgreSQL when connections are cut, servers killed, agents stopped and hosts cut off:
//! nothing that was acknowledged is lost, and nothing is done twice.
//!
//! - [`Bench`]: a board, and commands of it, beside or through whatever stands between. [`Agent`](taskhost_board::Agent)s
//!   are made by [`agent`].
//! - [`Said`]: what workers say they were told. [`Ledger`]: what the board's history says, beside that.
//! - [`Hand`]: another process that does what it is told, and can be killed, stopped or cut off. [`hand`]: what it does.
//! - [`work`]: what a process does that works by itself, again and again with the same key until it has an answer.
//! - [`soak`]: many such, for as long as one likes, while everything fails that can.

mod bench;
pub mod hand;
mod ledger;
mod other;
mod said;
pub mod soak;
pub mod work;

pub use bench::{Bench, agent, claim, engine, open, options, proof, soon, task_id};
pub use ledger::Ledger;
pub use other::{Hand, is_stopped};
pub use said::Said;
