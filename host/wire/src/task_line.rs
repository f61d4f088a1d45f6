//! A task to be added, as a JSON object in the names that tasks have everywhere.

use serde::Deserialize;
use serde_json::Value;
use taskhost_board::{AgentKind, Assignee, Json, Millis, Name, NewTask, TaskId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(rename = "type")]
    task_type: Name,
    id: Option<TaskId>,
    parent: Option<TaskId>,
    #[serde(default)]
    after: Vec<TaskId>,
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    labels: Vec<Name>,
    #[serde(default)]
    needs: Vec<Name>,
    assignee: Option<Value>,
    #[serde(default)]
    data: Json,
    key: Option<String>,
    not_before: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssigneeFields {
    name: Name,
    #[serde(default)]
    kind: AgentKind,
    hostname: Option<Name>,
    by: Option<Name>,
}

/// Parses a line of `add --from`.
///
/// # Errors
///
/// What is wrong with it, and in which column where that is known.
pub fn parse_task(text: &[u8]) -> Result<NewTask, String> {
    let fields: Fields = serde_json::from_slice(text).map_err(|error| reason(&error))?;
    Ok(NewTask {
        id: fields.id,
        task_type: fields.task_type,
        parent: fields.parent,
        after: fields.after,
        priority: fields.priority,
        labels: fields.labels,
        needs: fields.needs,
        assignee: fields.assignee.map(assignee).transpose()?,
        data: fields.data,
        key: fields.key,
        not_before: fields.not_before.as_deref().map(time).transpose()?,
    })
}

/// A name, or an object as tasks have it.
fn assignee(value: Value) -> Result<Assignee, String> {
    let value = match value {
        Value::String(name) => serde_json::json!({ "name": name }),
        other => other,
    };
    let fields: AssigneeFields =
        serde_json::from_value(value).map_err(|error| format!("`assignee`: {error}"))?;
    Ok(Assignee { name: fields.name, kind: fields.kind, hostname: fields.hostname, by: fields.by })
}

fn time(text: &str) -> Result<Millis, String> {
    crate::parse_time(text).map_err(|_| {
        format!("`{text}` isn't a time in RFC 3339: write one such as `2030-01-31T09:00:00Z`")
    })
}

/// What serde says, without its own count of lines: each line is a text of its own to it.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place)
        .map_or(text.clone(), |reason| format!("{reason} (column {})", error.column()))
}
