//! Exceptions: what went wrong, as `taskhost.errors` has it.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde_json::{Map, Value};
use taskhost::{Error, PathLockError, Problem, ProblemKind};

/// The exception for an error.
pub fn raised(py: Python<'_>, error: &Error) -> PyErr {
    raised_as(py, &error.problem(), &error.to_string())
}

/// The exception for a problem that is told by `message`.
pub fn raised_as(py: Python<'_>, problem: &Problem, message: &str) -> PyErr {
    let Problem { kind, code, retryable, mismatches, details } = problem;
    let mut details = details.clone();
    if !mismatches.is_empty() {
        details.insert("mismatches".into(), mismatches.clone().into());
    }
    make(py, kind.as_str(), code, message, *retryable, &details)
}

/// The exception for a lock on a file that wasn't had.
pub fn unlocked(py: Python<'_>, error: &PathLockError) -> PyErr {
    let message = error.to_string();
    match error {
        PathLockError::Timeout { waited, .. } => {
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            let details = Map::from_iter([("waited_ms".to_owned(), Value::from(waited_ms))]);
            make(py, ProblemKind::LockTimeout.as_str(), "lock_timeout", &message, true, &details)
        }
        PathLockError::Io { error, .. } => match error.raw_os_error() {
            // A permission, a missing directory: Python has an exception for each.
            Some(number) => pyo3::exceptions::PyOSError::new_err((number, message)),
            None => pyo3::exceptions::PyOSError::new_err(message),
        },
        PathLockError::Forked(pid) => forked(*pid),
        PathLockError::Directory(open) => match open {
            taskhost::DirectoryError::Io { error, .. } if error.raw_os_error().is_some() => {
                pyo3::exceptions::PyOSError::new_err((error.raw_os_error(), message))
            }
            _ => make(
                py,
                ProblemKind::Unexpected.as_str(),
                "unsafe_file_system",
                &message,
                false,
                &Map::new(),
            ),
        },
    }
}

/// Something was given that can't be meant.
pub fn invalid(why: impl std::fmt::Display) -> PyErr {
    Python::attach(|py| {
        make(py, ProblemKind::Usage.as_str(), "usage", &why.to_string(), false, &Map::new())
    })
}

/// The handle is another process's. The Python part makes another one before it comes to this.
pub fn forked(pid: u32) -> PyErr {
    PyRuntimeError::new_err(format!(
        "this handle was made by process {pid}: make another one after a fork"
    ))
}

fn make(
    py: Python<'_>,
    kind: &str,
    code: &str,
    message: &str,
    retryable: bool,
    details: &Map<String, Value>,
) -> PyErr {
    let made = || {
        let details =
            serde_json::to_string(details).map_err(|e| PyValueError::new_err(e.to_string()))?;
        py.import("taskhost.errors")?
            .getattr("_from_native")?
            .call1((kind, code, message, retryable, details))
    };
    match made() {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}
