//! What is worth knowing about an event besides who, when and to what.

use std::fmt;

use serde_json::{Map, Value, json};
use taskhost::domain::PolicySet;
use taskhost::wire::{self, WireAssignee, WireTask};
use taskhost::{Change, Json, Name, Task};

use crate::board_settings;

/// What is worth knowing about this change, as JSON; nothing that it doesn't say.
pub fn of(change: &Change) -> Map<String, Value> {
    let value = match change {
        Change::Added(task) => added(task),
        Change::Claimed { claim, .. } | Change::Resumed { claim, .. } => json!({
            "token": claim.token.0,
            "session": claim.session.as_str(),
            "kind": wire::kind(claim.kind),
            "hostname": claim.hostname.as_ref().map(Name::as_str),
            "lease_until": wire::time(claim.lease.until),
        }),
        Change::Renewed { lease, .. } | Change::Kept { lease, .. } => {
            json!({ "lease_until": wire::time(lease.until) })
        }
        Change::Released { reason, .. }
        | Change::Blocked { reason, .. }
        | Change::Unblocked { reason, .. }
        | Change::Reopened { reason, .. }
        | Change::Accepted { reason, .. } => {
            json!({ "reason": reason })
        }
        Change::Updated { update, .. } => json!({
            "priority": update.priority,
            "labels": update.labels,
            "needs": update.needs,
            "data": update.data.as_ref().map(value_of),
            "not_before": update.not_before.map(wire::time),
        }),
        Change::Archived(task) => json!({
            "type": task.task_type.as_str(),
            "status": task.status.as_str(),
            "result": task.result.as_ref().map(value_of),
            "error": task.error,
        }),
        Change::MetaSet { key, value } => {
            json!({ "key": key.as_str(), "value": value.as_ref().map(value_of) })
        }
        Change::FellBack { hook, kind, detail } => {
            json!({ "hook": hook, "kind": kind, "detail": detail })
        }
        Change::Recovered { cause, reason, not_before, .. } => json!({
            "cause": cause,
            "reason": reason,
            "not_before": not_before.map(wire::time),
        }),
        Change::Retried { error, not_before, .. } => {
            json!({ "error": error, "not_before": not_before.map(wire::time) })
        }
        Change::Finished { reason, result, error, .. } => {
            json!({ "reason": reason, "result": result.as_ref().map(value_of), "error": error })
        }
        Change::Assigned { assignee, .. } => {
            json!({ "assignee": assignee.as_ref().map(WireAssignee::from) })
        }
        Change::PoliciesSet(set) => policies(set),
        Change::SettingsSet(settings) => Value::Object(board_settings::unusual(settings)),
        Change::Answered { .. }
        | Change::Wake { .. }
        | Change::Woken { .. }
        | Change::Remembered { .. }
        | Change::Keyed { .. } => json!({}),
    };
    let Value::Object(mut details) = value else { return Map::new() };
    details.retain(|_, value| !value.is_null());
    details
}

fn added(task: &Task) -> Value {
    let task = WireTask::from(task);
    json!({
        "type": task.task_type,
        "parent": task.parent,
        "after": task.after,
        "priority": task.priority,
        "labels": task.labels,
        "needs": task.needs,
        "assignee": task.assignee,
        "not_before": task.not_before,
    })
}

fn value_of(json: &Json) -> Value {
    serde_json::from_str(json.as_str()).unwrap_or_default()
}

fn policies(set: &PolicySet) -> Value {
    json!({
        "leading": set.leading().digest.to_string(),
        "settings": set.leading().settings,
        "standard": set.standard.digest.to_string(),
        "standard_settings": set.standard.settings,
    })
}

/// The details as the end of a line.
pub fn write(f: &mut fmt::Formatter<'_>, details: &Map<String, Value>) -> fmt::Result {
    for (name, value) in details {
        match value {
            // What is usual isn't worth its place in a line.
            Value::String(kind) if name == "kind" && kind == "agent" => {}
            Value::Number(priority) if name == "priority" && priority.as_i64() == Some(0) => {}
            Value::Array(items) if items.is_empty() => {}
            Value::Object(fields) if fields.is_empty() => {}
            Value::Object(assignee) if name == "assignee" => write_assignee(f, assignee)?,
            Value::Array(items) if matches!(name.as_str(), "labels" | "needs" | "after") => {
                let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                write_text(f, name, &words.join(","))?;
            }
            Value::String(text) => write_text(f, name, text)?,
            other => write!(f, "  {name}={other}")?,
        }
    }
    Ok(())
}

fn write_assignee(f: &mut fmt::Formatter<'_>, assignee: &Map<String, Value>) -> fmt::Result {
    for (name, shown) in [("name", "for"), ("kind", "kind"), ("hostname", "hostname")] {
        match assignee.get(name).and_then(Value::as_str) {
            Some(text) if (name, text) != ("kind", "agent") => write_text(f, shown, text)?,
            _ => {}
        }
    }
    Ok(())
}

fn write_text(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    if text.is_empty() || text.contains([' ', '\n', '"']) {
        write!(f, "  {name}={}", Value::from(text))
    } else {
        write!(f, "  {name}={text}")
    }
}
