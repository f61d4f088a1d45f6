//! `board_context`: what is kept beside the tasks, so that a later session of the agent, or another one, finds it.

use serde::{Deserialize, Serialize};
use taskhost::{Owner, TaskId, wire};
use taskhost_answers::Failure;

use super::{Answer, Call, Tool, answer, failure};
use crate::arguments;
use crate::server::Arguments;

pub const TOOL: Tool = Tool {
    name: "board_context",
    description: "Notes kept beside a task (`task`), or beside your agent's name: list them, read `key`, or write \
`value` to it. They outlive sessions.",
    properties: r#"{
        "task": {"type": "string"},
        "key": {"type": "string"},
        "value": {"type": "string"},
        "append": {"type": "boolean", "description": "add `value` to what is there"}
    }"#,
    required: &[],
    reads_only: false,
    run,
};

/// The largest value that an agent is given.
const READ_BYTES_MAX: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    task: Option<TaskId>,
    key: Option<TaskId>,
    value: Option<String>,
    #[serde(default)]
    append: bool,
}

#[derive(Serialize)]
struct Kept {
    key: String,
    bytes: u64,
}

#[derive(Serialize)]
struct Value {
    key: String,
    bytes: usize,
    text: String,
}

#[derive(Serialize)]
struct Entries {
    values: Vec<OneEntry>,
    total: usize,
}

#[derive(Serialize)]
struct OneEntry {
    key: String,
    bytes: u64,
    changed_at: String,
}

fn run(call: &Call<'_>, arguments: Arguments) -> Answer {
    let Asked { task, key, value, append } = arguments::read(arguments)?;
    let owner = match task {
        Some(id) => {
            call.board().task(&id).map_err(|error| failure(&error))?;
            Owner::Task(id)
        }
        None => Owner::Agent(call.session()?.agent().name.clone()),
    };
    match (key, value) {
        (None, None) if !append => list(call, &owner),
        (Some(key), None) if !append => read(call, &owner, &key),
        (Some(key), Some(value)) => write(call, &owner, &key, &value, append),
        (None, _) => Err(Failure::usage("say under which `key`".into())),
        (Some(_), None) => Err(Failure::usage("say which `value` to append".into())),
    }
}

fn list(call: &Call<'_>, owner: &Owner) -> Answer {
    let entries = call.board().contexts().list(owner).map_err(|error| failure(&error.into()))?;
    let entries: Vec<OneEntry> = entries
        .iter()
        .map(|entry| OneEntry {
            key: entry.key.to_string(),
            bytes: entry.bytes,
            changed_at: wire::time(entry.changed_at),
        })
        .collect();
    answer(&Entries { total: entries.len(), values: entries })
}

fn read(call: &Call<'_>, owner: &Owner, key: &TaskId) -> Answer {
    // Looked up first, because what is too large isn't to be read at all.
    let listed = call.board().contexts().list(owner).map_err(|error| failure(&error.into()))?;
    if let Some(large) = listed.iter().find(|kept| kept.key == *key && kept.bytes > READ_BYTES_MAX)
    {
        return Err(Failure::usage(format!(
            "`{key}` has {} bytes, and at most 1 MiB is given here: read it with `taskhost context get`",
            large.bytes
        )));
    }
    let found = call.board().contexts().get(owner, key).map_err(|error| failure(&error.into()))?;
    let Some(bytes) = found else {
        let mut missing =
            Failure::usage(format!("there is no value `{key}`: without `key` they are listed"));
        (missing.kind, missing.code) = (taskhost::ProblemKind::Missing, "no_such_value");
        return Err(missing);
    };
    let bytes_total = bytes.len();
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::usage(format!("`{key}` isn't text: read it with `taskhost context get`"))
    })?;
    answer(&Value { key: key.to_string(), bytes: bytes_total, text })
}

fn write(call: &Call<'_>, owner: &Owner, key: &TaskId, value: &str, append: bool) -> Answer {
    let (contexts, deadline) = (call.board().contexts(), call.board().deadline());
    let bytes = if append {
        contexts.append(owner, key, value.as_bytes(), deadline)
    } else {
        contexts.set(owner, key, value.as_bytes(), deadline).map(|()| value.len() as u64)
    };
    let bytes = bytes.map_err(|error| failure(&error.into()))?;
    answer(&Kept { key: key.to_string(), bytes })
}
