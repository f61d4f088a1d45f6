//! The policy that a command is to try away from the board: a component's file, or `standard`.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use taskhost::domain::{Error as BoardError, Policies, Powers};
use taskhost_trial::Subject;

use super::check;

/// Reads it.
pub fn subject(target: &OsStr) -> Result<Subject> {
    let standard = taskhost::STANDARD_POLICY.to_vec();
    Ok(match target.to_str() {
        Some("standard") => Subject::standard(standard),
        _ => Subject::of(check::read(Path::new(target))?, standard),
    })
}

/// Runs policies as boards do.
pub fn runner(powers: Arc<dyn Powers>) -> Result<Arc<dyn Policies>, BoardError> {
    taskhost::policies(powers).map_err(|error| match error {
        taskhost::Error::Board(error) => error,
        other => BoardError::Invalid(other.to_string()),
    })
}
