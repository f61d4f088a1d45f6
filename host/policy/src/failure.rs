//! How a hook call failed, and in whose words the author of the policy is told.
//!
//! [`Abort`] is what an import ends the call with; [`explain`] turns whatever ended a call into the error of
//! the right kind. A board that could not be read is no fault of the policy's and stays a [`ReadError`].

use taskhost_board::{FailureKind, HookError, PolicyFailure, ReadError};
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use crate::contract::Hook;
use crate::limits::HookLimits;
use crate::log::truncated;
use crate::state::State;

/// The longest detail, in bytes: a policy may panic with any text.
const DETAIL_BYTES_MAX: usize = 2000;

/// Where a failure happened if it was before any hook: compiling, checking or instantiating.
pub(crate) const LOADING: &str = "load";

/// An import ended the call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Abort {
    /// The board could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// More bytes than may cross the boundary.
    #[error("too many bytes crossed the boundary")]
    Boundary,
    /// More handles than may be open.
    #[error("too many handles are open")]
    Handles,
    /// A handle that stands for nothing: the bindings let none through.
    #[error("a handle stands for nothing")]
    NoSuchHandle,
    /// An import was called while no hook runs.
    #[error(
        "`{0}` was called while the policy was started or described itself, where there is no board: call it in a hook"
    )]
    NoBoard(&'static str),
    /// WASI was asked to wait.
    #[error(
        "it waited on WASI's `{0}`, which nothing would ever end: a policy's time stands still during a hook"
    )]
    Waiting(&'static str),
    /// An argument that can't be meant.
    #[error("{0}")]
    Misuse(String),
}

/// What a failure is about.
pub(crate) struct About<'a> {
    pub(crate) policy: &'a str,
    pub(crate) hook: &'static str,
}

impl About<'_> {
    pub(crate) fn failure(&self, kind: FailureKind, detail: impl Into<String>) -> PolicyFailure {
        let mut detail = detail.into();
        if detail.len() > DETAIL_BYTES_MAX {
            detail.truncate(truncated(&detail, DETAIL_BYTES_MAX).len());
            detail.push('…');
        }
        let policy = self.policy.to_owned();
        PolicyFailure { kind, policy, hook: self.hook, detail, task: None, mismatches: Vec::new() }
    }

    pub(crate) fn invalid_step(&self, detail: impl Into<String>) -> HookError {
        self.failure(FailureKind::InvalidStep, detail).into()
    }
}

/// The failure that `hook` ended with.
pub(crate) fn explain(
    about: &About<'_>,
    error: &wasmtime::Error,
    state: &State,
    limits: &HookLimits,
) -> HookError {
    if let Some(Abort::Read(error)) = error.downcast_ref() {
        return error.clone().into();
    }
    let (kind, detail) = classify(error, state, limits);
    about.failure(kind, detail).into()
}

/// The failure of a call that came back after its deadline.
pub(crate) fn late(state: &State, limits: &HookLimits) -> (FailureKind, String) {
    let waited = state.waited();
    let waiting = if waited.is_zero() {
        String::new()
    } else {
        format!(", {} ms of it waiting for locks", waited.as_millis())
    };
    let detail = format!(
        "it took longer than {} ms{waiting}: do less in one call, or raise the limit",
        limits.deadline.as_millis()
    );
    (FailureKind::Deadline, detail)
}

fn classify(error: &wasmtime::Error, state: &State, limits: &HookLimits) -> (FailureKind, String) {
    let trap = error.downcast_ref::<Trap>();
    match (error.downcast_ref::<Abort>(), trap) {
        (_, Some(Trap::Interrupt)) => return late(state, limits),
        (Some(Abort::Boundary), _) => return boundary(limits),
        (Some(Abort::Handles), _) => {
            return (
                FailureKind::Memory,
                format!(
                    "it held more than {} handles at a time: drop them sooner",
                    limits.handles_max
                ),
            );
        }
        (Some(Abort::Misuse(text)), _) => return (FailureKind::InvalidStep, text.clone()),
        (Some(abort), _) => return (FailureKind::Trap, abort.to_string()),
        (None, _) => {}
    }
    let text = root_text(error);
    // wasmtime has no public type for this one; a test pins the words.
    if text.contains("fuel allocated for hostcalls") {
        return boundary(limits);
    }
    if state.memory.refused {
        return (
            FailureKind::Memory,
            format!(
                "it wanted more than {} MiB of memory: keep less, or raise the limit",
                limits.memory_bytes_max >> 20
            ),
        );
    }
    if trap == Some(&Trap::StackOverflow) {
        return (
            FailureKind::Trap,
            format!(
                "its calls went deeper than {} KiB of stack: recurse less",
                limits.stack_bytes_max >> 10
            ),
        );
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return (
            FailureKind::Trap,
            format!("it called `exit({})`: a hook ends by answering", exit.0),
        );
    }
    let detail = match state.last_words() {
        Some(words) => format!("{}: {text}", one_line(&words)),
        None => text,
    };
    (FailureKind::Trap, detail)
}

fn boundary(limits: &HookLimits) -> (FailureKind, String) {
    let detail = format!(
        "more than {} MiB passed between it and the host in one call: pass less, or raise the limit",
        limits.boundary_bytes_max >> 20
    );
    (FailureKind::Memory, detail)
}

/// The innermost cause, which is what happened; the outer ones say where in wasmtime.
pub(crate) fn root_text(error: &wasmtime::Error) -> String {
    one_line(&error.root_cause().to_string())
}

/// The whole story, outermost first, as one sentence.
pub(crate) fn chain_text(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(|cause| one_line(&cause.to_string())).collect();
    causes.join(": ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As many mismatches as anybody reads: a component may have any number.
const MISMATCHES_MAX: usize = 100;

/// What a component has that isn't the contract's, a sentence each.
pub(crate) fn mismatched(policy: &str, mismatches: &[String]) -> PolicyFailure {
    let mut told: Vec<String> = mismatches.iter().take(MISMATCHES_MAX).cloned().collect();
    if mismatches.len() > MISMATCHES_MAX {
        told.push(format!("and {} more", mismatches.len() - MISMATCHES_MAX));
    }
    let mut failure = not_a_policy(policy, told.join("; "));
    failure.mismatches = told;
    failure
}

/// The kind and the words as a failure of loading.
pub(crate) fn not_a_policy(policy: &str, detail: impl Into<String>) -> PolicyFailure {
    About { policy, hook: LOADING }.failure(FailureKind::InvalidComponent, detail)
}

impl<'a> About<'a> {
    pub(crate) fn of(policy: &'a str, hook: Hook) -> Self {
        Self { policy, hook: hook.name() }
    }
}
