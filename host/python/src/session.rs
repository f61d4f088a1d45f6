//! A running agent.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use serde::Serialize;
use taskhost::wire::{self, WireTask};
use taskhost::{ClaimOptions, ClaimOutcome, Filter};

use crate::error::{invalid, raised};
use crate::guarded::Guarded;
use crate::parse::{self, id, names, seconds};

/// How long a claim waits before it is looked whether Ctrl-C was pressed.
const SLICE: Duration = Duration::from_secs(1);

/// A running agent on a board. As long as it is open, its life lock says that it lives, if it has one.
#[pyclass(frozen, module = "taskhost._native")]
pub struct Session {
    inner: Guarded<Mutex<Option<taskhost::Session>>>,
}

#[derive(Serialize)]
struct Claimed {
    task: Option<WireTask>,
    repeated: bool,
    reason: Option<&'static str>,
    detail: Option<String>,
    next_ready_at: Option<String>,
}

impl Session {
    pub fn new(session: taskhost::Session) -> Self {
        Self { inner: Guarded::new(Mutex::new(Some(session))) }
    }

    fn open(&self) -> PyResult<taskhost::Session> {
        let session = self.inner.get()?.lock().unwrap_or_else(PoisonError::into_inner).clone();
        session.ok_or_else(|| invalid("this agent was closed: make another one"))
    }
}

#[pymethods]
impl Session {
    fn id(&self) -> PyResult<String> {
        Ok(self.open()?.agent().session.to_string())
    }

    /// Claims a task, waiting for one at most so many seconds.
    #[expect(clippy::too_many_arguments, reason = "they are the fields of a claim's options")]
    fn claim(
        &self,
        py: Python<'_>,
        task: Option<&str>,
        types: Vec<String>,
        labels: Vec<String>,
        lease: Option<f64>,
        wait: f64,
        key: Option<String>,
    ) -> PyResult<String> {
        let session = self.open()?;
        let filter = Filter {
            types: names(&types)?,
            labels: names(&labels)?,
            capabilities: Vec::new(),
            only: task.map(id).transpose()?,
        };
        let lease = lease.map(seconds).transpose()?;
        let wait = seconds(wait)?;
        let began = Instant::now();
        loop {
            let left = wait.saturating_sub(began.elapsed());
            let options = ClaimOptions {
                filter: filter.clone(),
                lease,
                wait: left.min(SLICE),
                key: key.clone(),
            };
            let outcome = py.detach(|| session.claim_with(&options));
            let is_over = left <= SLICE;
            match outcome {
                Ok(ClaimOutcome::Nothing { .. }) if !is_over => {}
                Ok(outcome) => return parse::write(&answer(outcome)),
                // Whoever waits for a task that another holds waits until that one is done.
                Err(error) if !is_over && is_held(&error) => {}
                Err(error) => return Err(raised(py, &error)),
            }
            py.check_signals()?;
        }
    }

    /// The tasks that this session holds.
    fn held(&self, py: Python<'_>) -> PyResult<String> {
        let session = self.open()?;
        let held = py.detach(|| session.held()).map_err(|error| raised(py, &error))?;
        let tasks: Vec<WireTask> =
            held.iter().map(|claimed| WireTask::from(claimed.task())).collect();
        parse::write(&tasks)
    }

    /// Lets the life lock go, and with it, if it has one, the tasks that it still holds.
    fn close(&self, py: Python<'_>) {
        if let Ok(inner) = self.inner.get() {
            let session = inner.lock().unwrap_or_else(PoisonError::into_inner).take();
            py.detach(|| drop(session));
        }
    }
}

fn is_held(error: &taskhost::Error) -> bool {
    matches!(error, taskhost::Error::Board(taskhost::domain::Error::Held { .. }))
}

fn answer(outcome: ClaimOutcome) -> Claimed {
    match outcome {
        ClaimOutcome::Claimed { task, repeated } => Claimed {
            task: Some(WireTask::from(&*task)),
            repeated,
            reason: None,
            detail: None,
            next_ready_at: None,
        },
        ClaimOutcome::Nothing { why, detail, next_ready_at, .. } => Claimed {
            task: None,
            repeated: false,
            reason: Some(why.as_str()),
            detail,
            next_ready_at: next_ready_at.map(wire::time),
        },
    }
}
