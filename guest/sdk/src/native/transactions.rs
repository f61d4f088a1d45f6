//! Staging changes.

use std::fmt;

use super::{NO_HANDLES, ask};
use crate::mock::Step;
use crate::{DurationMs, Millis, Status};

/// Why a step was not staged.
#[derive(Debug, Clone, PartialEq)]
pub enum StepError {
    /// There is no such task, or the hook may not take this step at all: the text says which.
    Invalid(String),
    /// The task's status, holder or reservation forbids it.
    Conflict(String),
    /// The bound on staged steps, on memory or on a value's size is reached.
    Limit(String),
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for StepError {}

/// Staging.
#[derive(Debug)]
pub struct Transaction(());

impl Transaction {
    pub(super) const HERE: Self = Self(());

    #[doc(hidden)]
    pub fn from_handle(_handle: u32) -> Self {
        unreachable!("{NO_HANDLES}")
    }

    pub fn id(&self) -> String {
        ask(|host| host.id())
    }

    pub fn claim(&self, id: &str, lease: Option<DurationMs>) -> Result<(), StepError> {
        ask(|host| host.stage(Step::Claim { id: id.to_owned(), lease }))
    }

    pub fn release(&self, id: &str, not_before: Option<Millis>) -> Result<(), StepError> {
        ask(|host| host.stage(Step::Release { id: id.to_owned(), not_before }))
    }

    pub fn set_status(&self, id: &str, to: Status, why: &str) -> Result<(), StepError> {
        ask(|host| host.stage(Step::SetStatus { id: id.to_owned(), to, why: why.to_owned() }))
    }

    pub fn reconsider(&self, id: &str) -> Result<(), StepError> {
        ask(|host| host.stage(Step::Reconsider { id: id.to_owned() }))
    }

    pub fn remember(&self, key: &str, value: Option<&[u8]>) -> Result<(), StepError> {
        let value = value.map(<[u8]>::to_vec);
        ask(|host| host.stage(Step::Remember { key: key.to_owned(), value }))
    }
}
