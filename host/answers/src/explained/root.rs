//! Where a task's waiting begins: a task that itself waits for none, and what stands in its way.

use serde_json::{Map, Value, json};
use taskhost::{Readiness, Status, Task, wire};

/// What holds the task up, as JSON: its id, status, a word for what it is, and more about that.
pub fn json(task: &Task) -> Value {
    let mut json = match task.status {
        Status::Completed | Status::Failed | Status::Cancelled => {
            json!({ "kind": "finished", "reason": task.reason, "error": task.error })
        }
        Status::InReview => json!({
            "kind": "in_review",
            "completed_by": task.closed.as_ref().map(|closed| closed.agent.as_str()),
        }),
        Status::Blocked => json!({ "kind": "blocked", "reason": task.reason }),
        Status::InProgress => task.claim.as_ref().map_or_else(
            || json!({ "kind": "claimed" }),
            |claim| {
                json!({
                    "kind": "claimed",
                    "holder": claim.agent.as_str(),
                    "since": wire::time(claim.since),
                    "lease_until": wire::time(claim.lease.until),
                })
            },
        ),
        Status::Pending => match &task.readiness {
            Readiness::Ready(_) => json!({
                "kind": "ready",
                "assignee": task.assignee.as_ref().map(|who| who.name.as_str()),
                "needs": task.needs,
            }),
            Readiness::Until(time) => json!({ "kind": "until", "time": wire::time(*time) }),
            Readiness::Never(reason) => json!({ "kind": "never", "reason": reason }),
            Readiness::Waiting { why, .. } => json!({ "kind": "waiting", "reason": why }),
            Readiness::Unasked => json!({ "kind": "unasked" }),
        },
    };
    let mut root = Map::new();
    root.insert("id".into(), task.id.as_str().into());
    root.insert("status".into(), task.status.as_str().into());
    root.append(json.as_object_mut().unwrap_or(&mut Map::new()));
    Value::Object(root)
}
