//! What a policy is asked, and what it may answer. The contract itself stands in `wit/`; these are its hooks
//! as the domain sees them, after the answer `standard` has been resolved.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Agent, Digest, Error, Filter, Millis, PolicyLimits, PolicyPin, PolicySet, ReadError, Readiness,
    TaskId, Transaction,
};

/// How a policy failed. A refusal is an answer, not a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// It isn't a policy of this contract.
    InvalidComponent,
    /// It stopped on an error of its own.
    Trap,
    /// It took too long.
    Deadline,
    /// It wanted more memory than it may have.
    Memory,
    /// It staged or answered something that can't be.
    InvalidStep,
}

impl FailureKind {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidComponent => "invalid_component",
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::InvalidStep => "invalid_step",
        }
    }
}

/// A policy failed: nothing of the transaction was committed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("policy `{policy}` failed in `{hook}`{}: {detail}", of_task(task.as_ref()))]
pub struct PolicyFailure {
    /// How.
    pub kind: FailureKind,
    /// Its name, or the short digest where it couldn't say.
    pub policy: String,
    /// In which hook.
    pub hook: &'static str,
    /// About which task it was asked, if it was about one.
    pub task: Option<TaskId>,
    /// What went wrong and what to do about it.
    pub detail: String,
    /// What of a component isn't the contract's, a sentence each; all of it is in `detail` too, as far as there is room.
    pub mismatches: Vec<String>,
}

fn of_task(task: Option<&TaskId>) -> String {
    task.map(|id| format!(" of `{id}`")).unwrap_or_default()
}

/// A hook gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HookError {
    /// The policy failed.
    #[error(transparent)]
    Policy(#[from] PolicyFailure),
    /// The board could not be read, which is not the policy's fault.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What became of a transaction that was lent to a hook.
pub struct Hooked<T> {
    /// The transaction, with what the hook staged.
    pub tx: Transaction,
    /// The answer.
    pub answer: Result<T, HookError>,
}

/// The answer to whether a pending task may be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Classified {
    /// This is how it stands.
    Is(Readiness),
    /// It is to be cancelled, with this reason.
    Cancel(String),
}

/// The answer to something that happened to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The event stands.
    Accept,
    /// For `completed`: in review instead.
    Review,
    /// For `failed`: pending again, from this time on.
    Retry(Option<Millis>),
    /// Nothing of the whole command happens.
    Refused(String),
}

/// The answer to an agent that asks for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A claim was staged.
    Staged,
    /// Nothing for this asker now.
    Nothing(Option<String>),
    /// This asker may not ask so.
    Refused(String),
}

/// What to do with a claim whose holder is late or dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rescue {
    /// Pending again.
    Release,
    /// Leave it until then.
    KeepUntil(Millis),
    /// The task has failed.
    Fail(String),
}

/// A word for what happened to a task, as `lifecycle` hears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are the contract's and are documented there")]
pub enum Event {
    Created,
    Updated,
    Completed,
    Failed,
    Cancelled,
    Released,
    Retried,
    Blocked,
    Unblocked,
    Assigned,
    Reviewed,
    Archived,
}

impl Event {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Released => "released",
            Self::Retried => "retried",
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::Assigned => "assigned",
            Self::Reviewed => "reviewed",
            Self::Archived => "archived",
        }
    }
}

/// The hooks of a board's policies during one transaction.
///
/// Each is lent the transaction and gives it back, whatever happened. Dropping this without [`Hooks::close`]
/// means that nothing was committed.
pub trait Hooks: Send {
    /// May this pending task be claimed? The transaction only reads meanwhile.
    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified>;
    /// Which task does the asker get?
    fn choose(
        &mut self,
        tx: Transaction,
        asker: &Agent,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Hooked<Choice>;
    /// Something happened to a task.
    fn on_event(
        &mut self,
        tx: Transaction,
        task: &TaskId,
        event: Event,
        detail: &str,
    ) -> Hooked<Verdict>;
    /// A claim's holder is late or dead.
    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: crate::Cause) -> Hooked<Rescue>;
    /// What the policies wrote to their logs so far.
    fn take_log(&mut self) -> Vec<String>;
    /// How much memory of their own the policies have that were asked for the last hook, at most, in bytes; 0 where that
    /// isn't known.
    fn memory_bytes(&self) -> u64;
    /// The transaction ended. Instances whose steps were not committed are thrown away, because their
    /// globals may remember what never happened.
    fn close(self: Box<Self>, committed: bool);
}

/// A board's policies, compiled and ready to be asked.
pub trait Policy: Send + Sync {
    /// Begins a transaction's worth of hook calls. `dry` forbids whatever acts at once.
    fn enter(&self, dry: bool) -> Box<dyn Hooks>;
}

/// The type of a policy's setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingType {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A length of time such as `30m`.
    Duration,
    /// One of these words.
    Choice(Vec<String>),
}

impl fmt::Display for SettingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("integer"),
            Self::Boolean => f.write_str("boolean"),
            Self::Duration => f.write_str("duration"),
            Self::Choice(words) => f.write_str(&words.join("|")),
        }
    }
}

/// A setting that a policy reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingDeclaration {
    /// Its name.
    pub name: String,
    /// What values it takes.
    pub setting_type: SettingType,
    /// Its value unless set, as a user would write it.
    pub default: String,
    /// One line about it.
    pub doc: String,
}

/// What a policy says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line.
    pub summary: String,
    /// The settings it reads.
    pub settings: Vec<SettingDeclaration>,
    /// The hooks it has, besides `about`.
    pub hooks: Vec<String>,
}

/// Runs policy components. Compiling is slow, so it is never done while a transaction is open.
pub trait Policies: Send + Sync {
    /// The policies of this set within these limits, if they are compiled in this process.
    fn ready(&self, set: &PolicySet, limits: &PolicyLimits) -> Option<Arc<dyn Policy>>;
    /// Compiles whatever of this set isn't yet; `fetch` brings a component's bytes by its digest.
    fn prepare(
        &self,
        set: &PolicySet,
        limits: &PolicyLimits,
        fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError>;
    /// Checks that these bytes are a policy, and asks it about itself.
    fn check(&self, component: &[u8]) -> Result<Description, PolicyFailure>;
    /// Asks a component about itself that was checked before it came to where it is, so that it needn't be again.
    fn describe(&self, component: &[u8]) -> Result<Description, PolicyFailure>;
    /// Checks a pin's settings against what the component declares; the error says what is allowed.
    fn check_settings(&self, pin: &PolicyPin, about: &Description) -> Result<(), String>;
    /// Checks that the limits in a pin's settings, if there are any, are within those of the board; the error names both.
    fn check_limits(&self, pin: &PolicyPin, board: &PolicyLimits) -> Result<(), String>;
}

impl dyn Policies + '_ {
    /// Checks a pin: that `component`, which is its, is a policy, and that this policy can be set so on a board of these
    /// limits. Gives back what the policy says about itself.
    pub fn check_pin(
        &self,
        pin: &PolicyPin,
        component: &[u8],
        limits: &PolicyLimits,
    ) -> Result<Description, Error> {
        let about = self.check(component)?;
        self.check_settings(pin, &about).map_err(Error::Invalid)?;
        self.check_limits(pin, limits).map_err(Error::Invalid)?;
        Ok(about)
    }
}

/// A board's policies could not be made ready.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PrepareError {
    /// A component could not be fetched.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A component isn't a policy.
    #[error(transparent)]
    Policy(#[from] PolicyFailure),
}
