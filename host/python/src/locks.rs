//! Locks that Python holds: those of a board and its tasks, and those on any file.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::error::{raised, unlocked};
use crate::guarded::Guarded;
use crate::parse::seconds;

/// How long a wait goes on before it is looked whether Ctrl-C was pressed.
pub const SLICE: Duration = Duration::from_millis(500);

/// The lock of a task, or of a whole board, taken by hand.
#[pyclass(frozen, module = "taskhost._native")]
pub struct HandLock {
    held: Guarded<Mutex<Option<Box<dyn taskhost::HandLock>>>>,
}

impl HandLock {
    pub fn new(lock: Box<dyn taskhost::HandLock>) -> Self {
        Self { held: Guarded::new(Mutex::new(Some(lock))) }
    }
}

#[pymethods]
impl HandLock {
    /// Lets it go; in a forked child, nothing.
    fn release(&self) {
        if let Ok(held) = self.held.get() {
            drop(held.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

/// A file that can be locked.
#[pyclass(frozen, module = "taskhost._native")]
pub struct LockFile {
    file: Guarded<taskhost::LockFile>,
}

#[pymethods]
impl LockFile {
    #[new]
    fn new(py: Python<'_>, path: PathBuf, allow_unsafe_file_system: bool) -> PyResult<Self> {
        let file = py.detach(|| taskhost::LockFile::at(&path, allow_unsafe_file_system));
        let file = file.map_err(|error| unlocked(py, &error))?;
        Ok(Self { file: Guarded::new(file) })
    }

    /// Waits for the lock, at most so many seconds.
    fn lock(&self, py: Python<'_>, timeout: f64) -> PyResult<PathLock> {
        let timeout = seconds(timeout)?;
        let file = self.file.get()?;
        let began = Instant::now();
        loop {
            let left = timeout.saturating_sub(began.elapsed());
            match py.detach(|| file.lock(left.min(SLICE))) {
                Ok(lock) => {
                    return Ok(PathLock { held: Guarded::new(Mutex::new(Some(lock))) });
                }
                Err(taskhost::PathLockError::Timeout { path, .. }) => {
                    py.check_signals()?;
                    let waited = began.elapsed();
                    if waited >= timeout {
                        return Err(unlocked(
                            py,
                            &taskhost::PathLockError::Timeout { path, waited },
                        ));
                    }
                }
                Err(error) => return Err(unlocked(py, &error)),
            }
        }
    }
}

/// A lock on a file, while it is held.
#[pyclass(frozen, module = "taskhost._native")]
pub struct PathLock {
    held: Guarded<Mutex<Option<taskhost::PathLock>>>,
}

#[pymethods]
impl PathLock {
    /// Lets it go; in a forked child, nothing.
    fn release(&self) {
        if let Ok(held) = self.held.get() {
            drop(held.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

/// Waits for a lock of a board in slices, so that Ctrl-C is heard.
pub fn in_slices(
    py: Python<'_>,
    timeout: Duration,
    mut take: impl FnMut(Instant) -> Result<Box<dyn taskhost::HandLock>, taskhost::Error> + Send,
) -> PyResult<HandLock> {
    let began = Instant::now();
    loop {
        let left = timeout.saturating_sub(began.elapsed());
        let error = match py.detach(|| take(Instant::now() + left.min(SLICE))) {
            Ok(lock) => return Ok(HandLock::new(lock)),
            Err(error) => error,
        };
        py.check_signals()?;
        let timed_out = error.problem().kind == taskhost::ProblemKind::LockTimeout;
        if !timed_out || began.elapsed() >= timeout {
            return Err(raised(py, &error));
        }
    }
}
