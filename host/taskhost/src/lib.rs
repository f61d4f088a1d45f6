//! A board of tasks that agents share: each gets work that nobody else has, in an order that a policy decides,
//! and a dead agent's work comes back.
//!
//! ```no_run
//! use taskhost::Board;
//!
//! # fn main() -> Result<(), taskhost::Error> {
//! let board = Board::open(".taskhost")?;
//! let agent = board.agent("worker-1")?;
//! while let Some(claim) = agent.claim()? {
//!     println!("working on {}", claim.id());
//!     claim.complete(None)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Board`]: an open board, and the commands over it; cheap to clone, safe to share between threads.
//! - [`Session`]: a running agent, which holds its life lock: if the process dies, its tasks come back at once.
//! - [`Claimed`]: a task that a session holds; every method presents the claim's fencing token.
//! - [`guide`]: how to embed it: claims and heartbeats, errors, cancellation, traces, and a runtime to copy.
//! - [`wire`]: the JSON that enters and leaves taskhost. [`formats`]: the files of other systems.
//!
//! What an answer stands on is durable before it is given. An error of kind
//! [`CommitError::Unknown`](taskhost_board::CommitError::Unknown) means that nobody knows yet: repeat the request
//! with its key.

mod address;
mod announced;
mod bare;
mod board;
mod contexts;
mod error;
mod foreign;
pub mod guide;
mod looking;
mod migrating;
mod moving;
mod opening;
mod problem;
mod recorded;
mod session;
mod spans;
mod stores;
mod system;
mod tending;

pub use address::{Address, PostgresAddress};
pub use bare::{anatomy, check_policy, examine, examine_policy, policies};
pub use board::{Board, InitOptions, OpenOptions, STANDARD_POLICY};
pub use error::Error;
pub use foreign::{Archived, Imported, check_foreign, reading};
pub use migrating::{MigrateError, Migrated};
pub use moving::repair;
pub use opening::{ImportError, InitError, OpenError};
pub use problem::{Kind as ProblemKind, Problem, of_board as problem_of_board};
pub use recorded::{KeepError, ReadRecordingError, keep_recording, read_recording};
pub use session::{ClaimOptions, Claimed, Session, SessionOptions};
pub use system::hostname;
pub use taskhost_board as domain;
pub use taskhost_board::recording;
pub use taskhost_board::{
    Action, AddOutcome, Agent, AgentKind, Assignee, BoardSettings, Census, Change, ChangeRequest,
    Changed, Claim, ClaimOutcome, Compaction, ContextEntry, ContextFailure, Contexts, Digest,
    DiskUse, Entry, Explanation, ExportError, Filter, Finding, Finish, HandLock, Head, Held,
    InheritedLocks, Json, Keeper, ListQuery, Mark, Measured, Millis, Name, NewTask, NothingWhy,
    Obstacle, OnProgress, Outcome, Owner, PolicyChange, PolicyLimits, PolicySet, PolicyTarget,
    Process, ProcessFigures, Progress, Proof, Prospect, Readiness, Report, Retention, Sequence,
    SessionId, Severity, Status, Task, TaskId, TaskUpdate, Token, Touched, Verb,
};
pub use taskhost_formats as formats;
pub use taskhost_policy::{Anatomy, HookLimits, OWN_DEADLINE, OWN_MEMORY, OWN_STEPS, OwnLimits};
pub use taskhost_store_file::{
    LockFile, Losses, OpenError as DirectoryError, PathLock, PathLockError, Repaired, process,
};
pub use taskhost_wire as wire;
