//! What comes from Python, checked.

use std::time::Duration;

use pyo3::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use taskhost::{AgentKind, Json, Name, Process, Status, TaskId};

use crate::error::invalid;

pub fn id(text: &str) -> PyResult<TaskId> {
    TaskId::new(text).map_err(invalid)
}

pub fn name(text: &str) -> PyResult<Name> {
    Name::new(text).map_err(invalid)
}

pub fn names(texts: &[String]) -> PyResult<Vec<Name>> {
    texts.iter().map(|text| name(text)).collect()
}

pub fn kind(text: &str) -> PyResult<AgentKind> {
    match text {
        "agent" => Ok(AgentKind::Agent),
        "host" => Ok(AgentKind::Host),
        "human" => Ok(AgentKind::Human),
        _ => Err(invalid(format!("`{text}` is no kind of worker: say `agent`, `host` or `human`"))),
    }
}

pub fn status(text: &str) -> PyResult<Status> {
    let known = Status::ALL.into_iter().find(|status| status.as_str() == text);
    known.ok_or_else(|| {
        let all: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        invalid(format!("`{text}` is no status: say one of {}", all.join(", ")))
    })
}

/// A JSON text that is carried, not looked into.
pub fn json(text: &str) -> PyResult<Json> {
    Json::parse(text).map_err(invalid)
}

/// A JSON text in a shape that only this package's own Python makes.
pub fn read<T: DeserializeOwned>(text: &str) -> PyResult<T> {
    serde_json::from_str(text).map_err(invalid)
}

pub fn write<T: Serialize>(value: &T) -> PyResult<String> {
    serde_json::to_string(value).map_err(invalid)
}

/// A time to wait, in seconds. What is beyond any clock is for ever.
pub fn seconds(seconds: f64) -> PyResult<Duration> {
    const EVER: f64 = 1e9;
    if seconds.is_nan() || seconds < 0.0 {
        return Err(invalid(format!("{seconds} is no number of seconds: say 0 or more")));
    }
    Ok(Duration::from_secs_f64(seconds.min(EVER)))
}

/// A living process, whose end proves its agent's.
pub fn process(pid: i32) -> PyResult<Process> {
    let positive = u32::try_from(pid).ok().filter(|pid| *pid > 0);
    let pid = positive.ok_or_else(|| invalid(format!("{pid} is no number of a process")))?;
    taskhost::process(pid).map_err(invalid)
}
