//! Tasks that were printed, read again: for bindings that hold a task as JSON and translate it further.

use serde::Deserialize;
use taskhost_board::{
    AgentKind, Assignee, BootId, Claim, Json, Lease, Millis, Name, Readiness, SessionId, Status,
    Task, TaskId, Token,
};

use crate::parse_time;

#[derive(Deserialize)]
struct Printed {
    id: TaskId,
    #[serde(rename = "type")]
    task_type: Name,
    status: Status,
    reason: Option<String>,
    parent: Option<TaskId>,
    after: Vec<TaskId>,
    priority: i32,
    labels: Vec<Name>,
    needs: Vec<Name>,
    assignee: Option<Assignee>,
    data: Json,
    key: Option<String>,
    attempts: u32,
    claim: Option<PrintedClaim>,
    #[serde(default)]
    result: Option<Json>,
    error: Option<String>,
    not_before: Option<String>,
    created_at: String,
    updated_at: String,
    completed_at: Option<String>,
}

#[derive(Deserialize)]
struct PrintedClaim {
    agent: Name,
    kind: AgentKind,
    hostname: Option<Name>,
    session: SessionId,
    token: Token,
    since: String,
    lease_until: String,
}

/// The task that was printed as `text`, the JSON of a [`WireTask`](crate::WireTask). What isn't printed isn't known: its
/// place in the order of creation is 0, and of its claim there is no boot.
///
/// # Errors
///
/// If it isn't one, in a sentence.
pub fn read_task(text: &str) -> Result<Task, String> {
    let printed: Printed = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let time = |text: String| parse_time(&text).map_err(|error| error.to_string());
    let claim = printed.claim.map(|claim| -> Result<Claim, String> {
        let (since, until) = (time(claim.since)?, time(claim.lease_until)?);
        Ok(Claim {
            agent: claim.agent,
            kind: claim.kind,
            hostname: claim.hostname,
            session: claim.session,
            living: false,
            process: None,
            token: claim.token,
            since,
            lease: Lease { until, boot: BootId(String::new()), boot_ms: 0 },
            lease_ms: until.0.saturating_sub(since.0),
        })
    });
    let completed_at: Option<Millis> = printed.completed_at.map(time).transpose()?;
    Ok(Task {
        id: printed.id,
        task_type: printed.task_type,
        status: printed.status,
        reason: printed.reason,
        parent: printed.parent,
        after: printed.after,
        priority: printed.priority,
        labels: printed.labels,
        needs: printed.needs,
        assignee: printed.assignee,
        data: printed.data,
        key: printed.key,
        attempts: printed.attempts,
        failures: 0,
        claim: claim.transpose()?,
        closed: None,
        result: printed.result,
        error: printed.error,
        not_before: printed.not_before.map(time).transpose()?,
        created_at: time(printed.created_at)?,
        updated_at: time(printed.updated_at)?,
        completed_at,
        born: 0,
        readiness: Readiness::Unasked,
    })
}
