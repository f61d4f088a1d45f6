//! Spans over the operations of this library, for whoever listens through `tracing`.
//!
//! - [`operation`]: begins an [`Operation`], the span `taskhost.NAME` at level debug, whose target is `taskhost`.
//! - [`Parts`]: hears from the store how long an operation waited for locks, held the board's, synced and asked hooks.
//!
//! Fields: `board` (its address as it was opened, without a password); `agent`, `session`, `task`, `token` where the operation is about them;
//! `outcome`, in a word, or `error`, the code of [`Problem`](crate::Problem); and how long its parts took together, in
//! microseconds. Never what is in tasks, results, errors, reasons, keys or values: these may be secrets.
//!
//! Invariants: while nobody listens, an operation costs a look at a flag, and no field is made; nothing is handed to a
//! listener while a lock of the board is held, so that a slow one keeps only this thread waiting.

use std::cell::Cell;
use std::time::Duration;

use taskhost_board::{ContextFailure, Measure, Meter, Tally};
use tracing::Span;

use crate::Error;
use crate::problem::of_context;

/// Begins an operation on the board at this address, the fields after it as `tracing` takes them.
macro_rules! operation {
    ($name:literal, $address:expr $(, $($field:tt)+)?) => {
        $crate::spans::Operation::begin(tracing::debug_span!(
            target: "taskhost",
            $name,
            board = %$address,
            $($($field)+,)?
            outcome = tracing::field::Empty,
            error = tracing::field::Empty,
            lock_wait_us = tracing::field::Empty,
            lock_hold_us = tracing::field::Empty,
            sync_us = tracing::field::Empty,
            hooks_us = tracing::field::Empty,
        ))
    };
}
pub(crate) use operation;

/// An error that has a word of its own.
pub(crate) trait Coded {
    fn code(&self) -> &'static str;
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        self.problem().code
    }
}

impl Coded for ContextFailure {
    fn code(&self) -> &'static str {
        of_context(self).code
    }
}

/// An operation that somebody may be told of.
pub(crate) struct Operation {
    span: Span,
}

impl Operation {
    pub(crate) fn begin(span: Span) -> Self {
        Self { span }
    }

    /// Does it, and takes note of the error if there is one.
    pub(crate) fn run<T, E: Coded>(self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.run_told(work, |_, _| ())
    }

    /// The same, and takes note of what came out.
    pub(crate) fn run_told<T, E: Coded>(
        self,
        work: impl FnOnce() -> Result<T, E>,
        tell: impl FnOnce(&Span, &T),
    ) -> Result<T, E> {
        if self.span.is_disabled() {
            return work();
        }
        let entered = self.span.enter();
        let parts = Parts::listen();
        let answer = work();
        parts.tell(&self.span);
        match &answer {
            Ok(done) => tell(&self.span, done),
            Err(error) => {
                self.span.record("error", error.code());
            }
        }
        drop(entered);
        answer
    }

    /// Does what can't fail.
    pub(crate) fn run_surely<T>(self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }
}

/// Writes a field that was left empty, if it is known: nothing is written as blanks.
pub(crate) fn note<V: tracing::Value>(span: &Span, field: &'static str, value: Option<V>) {
    if let Some(value) = value {
        span.record(field, value);
    }
}

/// How long the parts of an operation took together, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    lock_wait: Option<u64>,
    lock_hold: Option<u64>,
    sync: Option<u64>,
    hooks: Option<u64>,
}

thread_local! {
    /// What the operation of this thread has spent so far; nothing while nobody listens.
    static SPENT: Cell<Option<Spent>> = const { Cell::new(None) };
}

/// Adds up for the operation that is going on in this thread. An operation within another one has its own sums.
pub(crate) struct Parts;

impl Parts {
    fn listen() -> Listening {
        Listening { outer: SPENT.replace(Some(Spent::default())) }
    }
}

impl Meter for Parts {
    fn record(&self, what: Measure, took: Duration) {
        let Some(mut spent) = SPENT.get() else { return };
        let sum = match what {
            Measure::LockWait => &mut spent.lock_wait,
            Measure::LockHold => &mut spent.lock_hold,
            Measure::Sync => &mut spent.sync,
            Measure::Readiness | Measure::Assignment | Measure::Lifecycle | Measure::Recovery => {
                &mut spent.hooks
            }
        };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        *sum = Some(sum.unwrap_or_default().saturating_add(micros));
        SPENT.set(Some(spent));
    }

    fn count(&self, _what: Tally) {}
}

/// Until it is dropped, the parts of this thread's operation are added up.
struct Listening {
    outer: Option<Spent>,
}

impl Listening {
    fn tell(&self, span: &Span) {
        let Spent { lock_wait, lock_hold, sync, hooks } = SPENT.get().unwrap_or_default();
        for (field, micros) in [
            ("lock_wait_us", lock_wait),
            ("lock_hold_us", lock_hold),
            ("sync_us", sync),
            ("hooks_us", hooks),
        ] {
            note(span, field, micros);
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        SPENT.set(self.outer);
    }
}
