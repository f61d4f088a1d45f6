//! The JSON that enters and leaves taskhost: what `add --from` reads, what `--json` prints, and what bindings for other
//! languages hand out.
//!
//! - [`WireTask`] and its parts: what leaves; [`read_task`] reads it again. [`parse_task`]: a task to be added, in the same
//!   names.
//!
//! These types are an API of their own, apart from the domain's. A field may be added; none is renamed or taken
//! away without a new [`SCHEMA`].

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can't go on should stop"))]

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod printed;
mod steering;
mod task_line;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use taskhost_board::{AgentKind, Assignee, Claim, Json, Millis, Task};

pub use printed::read_task;
pub use steering::steers;
pub use task_line::parse_task;

/// The version that every JSON object carries as `schema`.
pub const SCHEMA: u32 = 1;

/// A time in RFC 3339, UTC, with milliseconds.
pub fn time(at: Millis) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    match Timestamp::from_millisecond(ms) {
        Ok(time) => format!("{time:.3}"),
        // Beyond the year 9999, where RFC 3339 ends.
        Err(_) => format!("{:.3}", Timestamp::MAX),
    }
}

/// The time that `text` in RFC 3339 says.
pub fn parse_time(text: &str) -> Result<Millis, jiff::Error> {
    let time: Timestamp = text.parse()?;
    Ok(Millis(u64::try_from(time.as_millisecond()).unwrap_or_default()))
}

/// The word for a kind of worker.
pub fn kind(kind: AgentKind) -> &'static str {
    match kind {
        AgentKind::Agent => "agent",
        AgentKind::Host => "host",
        AgentKind::Human => "human",
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields are those of `taskhost_board::Task`, in the names that users see"
)]
pub struct WireTask {
    pub id: String,
    #[serde(rename = "type")]
    pub task_type: String,
    pub status: &'static str,
    pub reason: Option<String>,
    pub parent: Option<String>,
    pub after: Vec<String>,
    pub priority: i32,
    pub labels: Vec<String>,
    pub needs: Vec<String>,
    pub assignee: Option<WireAssignee>,
    pub data: Value,
    pub key: Option<String>,
    pub attempts: u32,
    pub claim: Option<WireClaim>,
    pub result: Option<Value>,
    pub error: Option<String>,
    pub not_before: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub completed_at: Option<String>,
}

/// For whom a task is reserved.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `taskhost_board::Assignee`")]
pub struct WireAssignee {
    pub name: String,
    pub kind: &'static str,
    pub hostname: Option<String>,
    pub by: Option<String>,
}

/// A hold on a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `taskhost_board::Claim`")]
pub struct WireClaim {
    pub agent: String,
    pub kind: &'static str,
    pub hostname: Option<String>,
    pub session: String,
    pub token: u64,
    pub since: String,
    pub lease_until: String,
}

impl From<&Claim> for WireClaim {
    fn from(claim: &Claim) -> Self {
        Self {
            agent: claim.agent.to_string(),
            kind: kind(claim.kind),
            hostname: claim.hostname.as_ref().map(ToString::to_string),
            session: claim.session.to_string(),
            token: claim.token.0,
            since: time(claim.since),
            lease_until: time(claim.lease.until),
        }
    }
}

impl From<&Assignee> for WireAssignee {
    fn from(assignee: &Assignee) -> Self {
        Self {
            name: assignee.name.to_string(),
            kind: kind(assignee.kind),
            hostname: assignee.hostname.as_ref().map(ToString::to_string),
            by: assignee.by.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&Task> for WireTask {
    fn from(task: &Task) -> Self {
        let texts =
            |names: &[taskhost_board::Name]| names.iter().map(ToString::to_string).collect();
        Self {
            id: task.id.to_string(),
            task_type: task.task_type.to_string(),
            status: task.status.as_str(),
            reason: task.reason.clone(),
            parent: task.parent.as_ref().map(ToString::to_string),
            after: task.after.iter().map(ToString::to_string).collect(),
            priority: task.priority,
            labels: texts(&task.labels),
            needs: texts(&task.needs),
            assignee: task.assignee.as_ref().map(WireAssignee::from),
            data: value(&task.data),
            key: task.key.clone(),
            attempts: task.attempts,
            claim: task.claim.as_ref().map(WireClaim::from),
            result: task.result.as_ref().map(value),
            error: task.error.clone(),
            not_before: task.not_before.map(time),
            created_at: time(task.created_at),
            updated_at: time(task.updated_at),
            completed_at: task.completed_at.map(time),
        }
    }
}

fn value(json: &Json) -> Value {
    serde_json::from_str(json.as_str()).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc_and_read_back() {
        let at = Millis(1_700_000_000_123);
        assert_eq!(time(at), "2023-11-14T22:13:20.123Z");
        assert_eq!(parse_time(&time(at)).ok(), Some(at));
    }
}
