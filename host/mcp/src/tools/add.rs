//! `board_add`: new tasks.

use serde::{Deserialize, Serialize};
use taskhost::wire::{self, WireTask};
use taskhost::{Json, NewTask};
use taskhost_answers::Failure;

use super::{Answer, Call, Tool, answer, failure};
use crate::arguments;
use crate::server::Arguments;

pub const TOOL: Tool = Tool {
    name: "board_add",
    description: "Add tasks, all or none; in any order. `parent`: a task that it is a part of; `after`: what must be \
completed first; `needs`: capabilities an agent must have; `key`: repeated with it, nothing is added twice.",
    properties: r#"{
        "tasks": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {
            "type": "object",
            "properties": {
                "type": {"type": "string", "description": "what kind of work"},
                "id": {"type": "string"},
                "parent": {"type": "string"},
                "after": {"type": "array", "items": {"type": "string"}},
                "priority": {"type": "integer", "description": "higher is first; 0 unless given"},
                "labels": {"type": "array", "items": {"type": "string"}},
                "needs": {"type": "array", "items": {"type": "string"}},
                "assignee": {"type": "string", "description": "only this agent may claim it"},
                "data": {"description": "any JSON: what to do"},
                "key": {"type": "string"},
                "not_before": {"type": "string", "format": "date-time"}
            },
            "required": ["type"],
            "additionalProperties": false
        }}
    }"#,
    required: &["tasks"],
    reads_only: false,
    run,
};

/// How many tasks one call adds at most.
const TASKS_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    tasks: Vec<Json>,
}

/// The tasks in the order in which they were named; `repeated` are those that the same key had added before.
#[derive(Serialize)]
struct Outcome {
    tasks: Vec<WireTask>,
    repeated: Vec<String>,
    total: usize,
}

fn run(call: &Call<'_>, arguments: Arguments) -> Answer {
    let Added { tasks } = arguments::read(arguments)?;
    if tasks.is_empty() || tasks.len() > TASKS_MAX {
        return Err(Failure::usage(format!(
            "`tasks` has 1 to {TASKS_MAX} tasks, not {}",
            tasks.len()
        )));
    }
    let parsed = tasks.iter().enumerate().map(|(index, task)| {
        wire::parse_task(task.as_str().as_bytes())
            .map_err(|why| Failure::usage(format!("`tasks[{index}]`: {why}")))
    });
    let new = parsed.collect::<Result<Vec<NewTask>, Failure>>()?;
    let outcomes = call.board().add(&new).map_err(|error| failure(&error))?;
    let repeated = outcomes.iter().filter(|outcome| outcome.repeated);
    answer(&Outcome {
        repeated: repeated.map(|outcome| outcome.task.id.to_string()).collect(),
        tasks: outcomes.iter().map(|outcome| WireTask::from(&outcome.task)).collect(),
        total: outcomes.len(),
    })
}
