//! A task as people read it.

use taskhost::wire::WireTask;
use taskhost_answers::reserved_for;

use crate::output::line;

/// Writes everything that is known of a task, a line each.
pub fn write(out: &mut String, task: &WireTask) {
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            line(out, format_args!("{name:<12} {}", value.replace('\n', "\n             ")));
        }
    };
    field("id", &task.id);
    field("type", &task.task_type);
    field("status", task.status);
    field("reason", task.reason.as_deref().unwrap_or_default());
    field("parent", task.parent.as_deref().unwrap_or_default());
    field("after", &task.after.join(" "));
    field("priority", &if task.priority == 0 { String::new() } else { task.priority.to_string() });
    field("labels", &task.labels.join(" "));
    field("needs", &task.needs.join(" "));
    field("reserved for", &task.assignee.as_ref().map(reserved_for).unwrap_or_default());
    field("data", &json(Some(&task.data)));
    field("key", task.key.as_deref().unwrap_or_default());
    field("attempts", &if task.attempts == 0 { String::new() } else { task.attempts.to_string() });
    if let Some(claim) = &task.claim {
        let host = claim.hostname.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
        field("claimed by", &format!("{}{host}, session {}", claim.agent, claim.session));
        field("token", &claim.token.to_string());
        field("since", &claim.since);
        field("lease until", &claim.lease_until);
    }
    field("result", &json(task.result.as_ref()));
    // What an earlier attempt said stays with the task, also once a later one has completed it.
    let error = if task.status == "completed" { "last error" } else { "error" };
    field(error, task.error.as_deref().unwrap_or_default());
    field("not before", task.not_before.as_deref().unwrap_or_default());
    field("created", &task.created_at);
    field("updated", &task.updated_at);
    field("ended", task.completed_at.as_deref().unwrap_or_default());
}

fn json(value: Option<&serde_json::Value>) -> String {
    value.filter(|value| !value.is_null()).map(ToString::to_string).unwrap_or_default()
}
