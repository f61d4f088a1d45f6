//! The domain of taskhost: tasks, claims, and the transactions that change them.
//!
//! - [`Task`], [`Claim`], [`Readiness`]: what a board holds.
//! - [`Change`], [`Entry`]: what happened, in the order it happened; a board is the fold of its entries.
//! - [`View`] reads a board at one instant; [`Transaction`] is a view with staged changes in it, and the
//!   only way to stage one.
//! - [`Store`] keeps a board; [`Policy`] decides. Both are implemented elsewhere and don't know each other. [`Keeper`] is
//!   a store as those want it who look after the whole board.
//! - [`Engine`] runs the commands: it opens a transaction, asks the policy, and commits.
//!
//! Invariants that hold here, whatever a policy answers:
//!
//! - a task has at most one claim, and every write about a claim presents its token;
//! - a finished task never changes;
//! - tokens grow with every claim on the board;
//! - this crate knows no files and no WebAssembly.

mod agent;
mod change;
mod clock;
mod combining;
mod elsewhere;
mod engine;
mod hand;
mod ident;
pub mod image;
mod json;
mod keeper;
pub mod memory;
mod meter;
pub mod plain;
mod policy;
pub mod quantity;
pub mod recording;
mod report;
mod settings;
mod store;
mod task;
mod transaction;
pub mod transfer;
mod view;
mod wrapped;

pub use agent::{Agent, AgentKind, Process, Vital};
pub use change::{Cause, Change, Command, Entry, KeyRecord, Request, TaskUpdate};
pub use clock::{BootId, Instant, Lease, Millis};
pub use combining::{Begun, Combiner, Decided, NoCombiner, PostError, Posting};
pub use elsewhere::{Coming, Elsewhere};
#[cfg(any(test, feature = "planted"))]
pub use engine::PlantedBug;
pub use engine::{
    Action, AddOutcome, Adoption, Arrival, ChangeRequest, Changed, ClaimOutcome, ClaimRequest,
    DerivedPolicies, Engine, Error, Explanation, Finish, Held, Limits, META_BYTES_MAX, NewTask,
    NothingWhy, Obstacle, Outcome, Past, PastClaim, PolicyChange, PolicyTarget, Proof, Prospect,
    Touched, Verb, check_arrival, order_of_birth,
};
pub use hand::{HandLock, InheritedLocks, LOCKS_VARIABLE};
pub use ident::{
    Digest, Generation, InvalidName, Name, NumberTooHigh, Sequence, SessionId, Space, TaskId,
    Token, read_born,
};
pub use json::{InvalidJson, Json};
pub use keeper::{Compaction, DiskUse, ExportError, InitPlan, Keeper, OnProgress, Progress, Still};
pub use meter::{
    BUCKETS, Distribution, Figures, Histogram, Measure, Measured, Meter, NoMeter, ProcessFigures,
    Tally, bucket,
};
pub use policy::{
    Choice, Classified, Description, Event, FailureKind, HookError, Hooked, Hooks, Policies,
    Policy, PolicyFailure, PrepareError, Rescue, SettingDeclaration, SettingType, Verdict,
};
pub use report::{Finding, Report, Severity};
pub use settings::{BoardSettings, PolicyLimits, PolicyPin, PolicySet, Retention};
pub use store::{
    Aim, Ask, BeginError, CONTEXT_BYTES_MAX, Cell, CommitError, Committed, ContextEntry,
    ContextFailure, Contexts, FILE_BYTES_MAX, FileFailure, LifeGuard, LockFailure, Mark, NoPowers,
    NoTaskLocks, Numbers, Opened, Owner, Place, Powers, Store, SwitchError, SwitchPlan, TaskLocks,
};
pub use task::{Assignee, Claim, Closed, Readiness, Status, Task};
pub use transaction::{Access, Asking, StepError, Transaction};
pub use view::{
    ByStatus, Candidate, Census, Counts, Due, Family, Filter, Head, ListQuery, Order, OrderKey,
    Page, ReadError, ReadyQuery, Reservation, View, Wake,
};
pub use wrapped::{Entered, WrappedPolicies};
