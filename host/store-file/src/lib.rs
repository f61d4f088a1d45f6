//! A board kept in files: its lock, journal, index and recovery.
//!
//! - [`FileStore`]: a handle of a board; implements [`taskhost_board::Store`] and [`taskhost_board::Keeper`].
//! - [`OpenOptions`]: how a board is made and opened. [`Notice`]: what the store does by itself.
//! - [`RepairOptions`], [`Repaired`]: what may be done to a damaged board, and what was.
//!
//! ```text
//! board.json                  format, board id, generation: a pointer, replaced by atomic rename   format
//! board.lock                  the board's lock: never deleted, never renamed over                  board_lock, lock
//! tasks-<generation>.jsonl    the snapshot that the generation starts from                         format::snapshot
//! journal-<generation>.jsonl  the truth: a committed entry per line, chained by checksums          format::line
//! index/                      derived: LMDB, and the words that all processes of this boot share   index, words
//! index/slots                 what those who wait for the lock have posted for its holder to do     combine, words::slots
//! index/stats                 what the processes of this boot measured                             figures
//! context/                    large values of tasks and agents                                     contexts
//! history/                    retired journals; torn ends and damaged files that were set aside    history, past, retain
//! policies/<sha256>.wasm      the board's policies
//! policy-files/               what policies keep                                                   powers
//! locks/task_<id>.lock        a task's lock, taken by hand; `.holder` beside it says by whom       hand
//! locks/policy_<name>.lock    what policies lock                                                   powers
//! locks/board-inside.lock     the board's lock for those inside `taskhost lock board`              board_lock
//! locks/context_<n>.lock      changes of large values take turns                                  contexts
//! locks/switch.lock           switches take turns                                                  switch
//! agents/<session>.lock       held for life by a living session                                    life, process
//! ```
//!
//! Files that aren't a board's are locked by the same rules (`path_lock`). Who waits for a change listens to these files (`waiting`). The commit sequence stands in `commit` (`standing` says
//! whether the journal still is the file of its name), the switch of generations in `switch`, `draft` and `publish`
//! (`compact` and `upgrade` say when there is one, `still` how a board is taken elsewhere by one), recovery in `mend` and, after a failed sync, `recover`, an index for a
//! process that may not read the shared one in `own`, what recovery refuses in `repair`, and how boards travel in
//! `export`, `import` and `intake`. Invariants:
//!
//! - the journal is the only truth: everything else but the snapshot it continues can be made anew from it;
//! - only one who holds a `BoardGuard` changes a board;
//! - nothing leaves this crate before what it was decided on is durable;
//! - what was acknowledged is never overwritten: a board that can't be read is refused, with the place.
//!
//! Linux only: `flock` semantics, `/proc`, robust mutexes between processes.

#![deny(unsafe_code)]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can't go on should stop"))]

mod board_lock;
mod boots;
mod combine;
mod commit;
mod compact;
mod contexts;
mod disk;
mod doctor;
mod draft;
mod durable;
mod export;
mod figures;
mod filler;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod hand;
mod history;
mod import;
mod index;
mod init;
mod intake;
mod irregular;
mod journal;
mod keeper;
mod life;
mod lock;
mod mend;
mod newer;
mod options;
mod own;
mod past;
mod path_lock;
#[cfg(any(test, feature = "simulation"))]
mod planted;
mod platform;
mod powers;
mod process;
mod publish;
mod recover;
mod remains;
mod repair;
mod retain;
mod shared;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
mod size_limit;
mod standing;
mod state;
mod still;
mod store;
mod sweep;
mod switch;
#[cfg(test)]
mod tests;
mod upgrade;
mod usage;
mod waiting;
mod words;

pub use hand::FileHandLock;
pub use import::ImportError;
pub use init::{InitError, OpenError};
#[cfg(any(test, feature = "simulation"))]
pub use options::{Clock, PlantedBug};
pub use options::{Notice, OpenOptions};
pub use path_lock::{LockFile, PathLock, PathLockError};
pub use process::{has_ended_here, process};
pub use repair::{Losses, RepairOptions, Repaired};
pub use store::FileStore;
