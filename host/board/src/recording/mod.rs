//! A decision that failed or was refused, kept so that it can be made again elsewhere.
//!
//! - [`Recorder`]: takes notes while hooks run, and hands over the first [`Recording`] that there is reason to keep.
//! - [`Recording`]: one call of a hook: what it was asked, what it found staged, what the board answered while it ran,
//!   what came of it, and the policies by their digests. Written as one JSON object ([`SCHEMA`]).
//! - [`Rerun`]: the same call again, answered from the notes; what it came to is a [`Came`].
//! - `copy` is the board itself, which a recording has if it is small: a policy that is mended mostly asks for more than
//!   the one that failed.
//! - `desk` is where a hook's questions go meanwhile, `notes` what is written down of them, `powers` the same for locks
//!   and files.
//!
//! Invariants:
//!
//! - taking notes changes no answer, and nothing is noted where no recorder is asked for;
//! - the notes of one call have a bound ([`NOTES_BYTES_MAX`]); past it nothing is kept, rather than a part;
//! - a recording is handed over when the hooks are closed, when the board's lock is free again;
//! - when a call is run again, what isn't in the recording isn't answered, and what came is called unknown then: it is never
//!   taken for the policy's failure.
//!
//! Only the call that failed is kept, not the ones before it in its transaction: what those staged is, and they were
//! lent the same instance only in so far as a policy may keep something in its globals, on which no decision may depend.
//! A failure that shows only once several hooks have run (a claim that a later hook took away again) isn't any one
//! call's, and isn't kept.

mod bytes;
mod copy;
mod desk;
mod notes;
mod powers;
mod recorder;
mod rerun;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::transaction::Standing;
use crate::{
    Agent, Cause, Change, Choice, Digest, Event, FailureKind, Filter, Hooked, Hooks, Millis,
    PolicyFailure, PolicyLimits, PolicySet, TaskId, Transaction, Verdict,
};
use bytes::Bytes;
pub use copy::COPIED_TASKS_MAX;
use copy::Copied;
pub use notes::{NOTES_BYTES_MAX, Notes};
pub use recorder::{OnKept, Recorder};
pub use rerun::{Answer, Came, Reran, Rerun};

/// The form in which recordings are written. A newer one isn't read.
pub const SCHEMA: u32 = 1;
/// The largest recording, in bytes.
pub const RECORDING_BYTES_MAX: usize = 64 << 20;
/// Components up to this size, in bytes, are in the recording itself; larger ones are named by their digest.
pub const EMBEDDED_BYTES_MAX: usize = 1 << 20;

/// What a hook was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookCall {
    /// May this pending task be claimed?
    Readiness {
        /// The task.
        task: TaskId,
    },
    /// Which task does the asker get?
    Assignment {
        /// Who asks.
        asker: Agent,
        /// For what.
        filter: Filter,
        /// With which lease, in milliseconds.
        lease_ms: Option<u64>,
    },
    /// Something happened to a task.
    Lifecycle {
        /// The task.
        task: TaskId,
        /// What happened.
        event: Event,
        /// What was said about it.
        detail: String,
    },
    /// A claim's holder is late or dead.
    Recovery {
        /// The task.
        task: TaskId,
        /// Which of the two.
        cause: Cause,
    },
}

impl HookCall {
    /// The hook's name.
    pub fn hook(&self) -> &'static str {
        match self {
            Self::Readiness { .. } => "readiness",
            Self::Assignment { .. } => "assignment",
            Self::Lifecycle { .. } => "lifecycle",
            Self::Recovery { .. } => "recovery",
        }
    }

    /// The task that it was called for, if it was one.
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Assignment { .. } => None,
            Self::Readiness { task }
            | Self::Lifecycle { task, .. }
            | Self::Recovery { task, .. } => Some(task),
        }
    }

    fn call(&self, hooks: &mut dyn Hooks, tx: Transaction) -> Hooked<Answer> {
        fn said<T>(hooked: Hooked<T>, answer: impl FnOnce(T) -> Answer) -> Hooked<Answer> {
            Hooked { tx: hooked.tx, answer: hooked.answer.map(answer) }
        }
        match self {
            Self::Readiness { task } => said(hooks.classify(tx, task), Answer::Readiness),
            Self::Assignment { asker, filter, lease_ms } => {
                said(hooks.choose(tx, asker, filter, *lease_ms), Answer::Assignment)
            }
            Self::Lifecycle { task, event, detail } => {
                said(hooks.on_event(tx, task, *event, detail), Answer::Lifecycle)
            }
            Self::Recovery { task, cause } => {
                said(hooks.recover(tx, task, *cause), Answer::Recovery)
            }
        }
    }
}

/// Why a call is worth keeping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The policy refused, with this reason.
    Refused(String),
    /// The policy failed.
    Failed(Failure),
}

/// How a policy failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In which way.
    pub kind: FailureKind,
    /// The policy's name.
    pub policy: String,
    /// In which hook.
    pub hook: String,
    /// What went wrong.
    pub detail: String,
}

impl From<&PolicyFailure> for Failure {
    fn from(failure: &PolicyFailure) -> Self {
        // Nothing is recorded of a component that is no policy, so there are no mismatches.
        let PolicyFailure { kind, policy, hook, detail, mismatches: _, task: _ } = failure.clone();
        Self { kind, policy, hook: hook.to_owned(), detail }
    }
}

impl Ending {
    /// Whether both are the same refusal, or failures of the same kind in the same hook. What is said about a failure
    /// may differ: it may tell times, or name places in a component that was built anew.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refused(one), Self::Refused(other)) => one == other,
            (Self::Failed(one), Self::Failed(other)) => {
                one.kind == other.kind && one.hook == other.hook
            }
            (Self::Refused(_), Self::Failed(_)) | (Self::Failed(_), Self::Refused(_)) => false,
        }
    }
}

/// One call of a hook, with everything that it takes to make it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// [`SCHEMA`]; what tells a recording from other JSON.
    recording: u32,
    /// The version of taskhost that recorded it.
    pub taskhost: String,
    /// What was asked.
    pub call: HookCall,
    /// What came of it.
    pub ending: Ending,
    /// What the policies wrote to their logs during the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Whether it was a dry run, of which nothing could come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry: bool,
    /// The policies that were asked, and their settings.
    pub policies: PolicySet,
    /// What they could use.
    pub limits: PolicyLimits,
    transaction: Standing,
    /// What was staged before the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub staged: Vec<Change>,
    /// What the board answered during the call.
    pub notes: Notes,
    /// The board itself, if it was small, for what another build of the policy asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    board: Option<Copied>,
    /// The small ones of the components.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    components: BTreeMap<Digest, Bytes>,
}

/// The decision read, or was preceded by, more than a recording may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it read more than a recording holds ({} MiB)", NOTES_BYTES_MAX >> 20)]
pub struct TooLarge;

/// A file isn't a recording that can be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRecording {
    /// It is something else.
    #[error("it isn't a recording: `--record` makes one")]
    Foreign,
    /// It was written by a newer version.
    #[error(
        "its form is {found}, and this version reads {SCHEMA}: use a newer taskhost to replay it"
    )]
    Newer {
        /// Its form.
        found: u32,
    },
    /// It was changed or cut.
    #[error("it is a recording, but a damaged one: {0}")]
    Damaged(serde_json::Error),
}

impl Recording {
    /// Reads what [`Recording::encode`] wrote.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidRecording> {
        #[derive(Deserialize)]
        struct Form {
            recording: u32,
        }
        /// How a recording begins, whatever became of the rest.
        const BEGINNING: &[u8] = br#"{"recording":"#;
        match serde_json::from_slice::<Form>(text) {
            Ok(Form { recording }) if recording > SCHEMA => {
                Err(InvalidRecording::Newer { found: recording })
            }
            // A list of the right numbers would do as one too.
            Ok(_) if !text.trim_ascii_start().starts_with(b"{") => Err(InvalidRecording::Foreign),
            Ok(_) => serde_json::from_slice(text).map_err(InvalidRecording::Damaged),
            Err(error) if text.starts_with(BEGINNING) => Err(InvalidRecording::Damaged(error)),
            Err(_) => Err(InvalidRecording::Foreign),
        }
    }

    /// One JSON object, on one line.
    pub fn encode(&self) -> Result<Vec<u8>, TooLarge> {
        // Nothing in it can't be written as JSON; if something ever can't, nothing is kept.
        let mut text = serde_json::to_vec(self).map_err(|_| TooLarge)?;
        text.push(b'\n');
        if text.len() > RECORDING_BYTES_MAX { Err(TooLarge) } else { Ok(text) }
    }

    /// When the decision was made.
    pub fn at(&self) -> Millis {
        self.transaction.now().wall
    }

    /// The transaction in which it was made.
    pub fn transaction(&self) -> &str {
        self.transaction.id()
    }

    /// Puts a component into the recording, if it is small enough.
    pub fn embed(&mut self, component: Vec<u8>) {
        if component.len() <= EMBEDDED_BYTES_MAX {
            self.components.insert(Digest::of(&component), Bytes(component));
        }
    }

    /// A component that is in the recording.
    pub fn component(&self, digest: Digest) -> Option<&[u8]> {
        self.components.get(&digest).map(|bytes| bytes.0.as_slice())
    }
}

/// Why a choice is a refusal.
fn refused_choice(choice: &Choice) -> Option<&str> {
    match choice {
        Choice::Refused(why) => Some(why),
        Choice::Staged | Choice::Nothing(_) => None,
    }
}

/// Why a verdict is a refusal.
fn refused_event(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Refused(why) => Some(why),
        Verdict::Accept | Verdict::Review | Verdict::Retry(_) => None,
    }
}
