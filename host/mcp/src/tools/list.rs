//! `board_list`: the tasks of the board, a page at a time.

use serde::Deserialize;
use taskhost::{ListQuery, Name, Status, TaskId};
use taskhost_answers::{Failure, Listed};

use super::{Answer, Call, Tool, answer, failure};
use crate::arguments;
use crate::server::Arguments;

pub const TOOL: Tool = Tool {
    name: "board_list",
    description: "Tasks in the order in which they were added, a page at a time. `total` counts all that match; \
`next_cursor` is where the next page begins.",
    properties: r#"{
        "statuses": {"type": "array", "items": {"enum": ["pending", "in_progress", "in_review", "blocked", "completed", "failed", "cancelled"]}},
        "types": {"type": "array", "items": {"type": "string"}},
        "labels": {"type": "array", "items": {"type": "string"}, "description": "all of these"},
        "parent": {"type": "string"},
        "agent": {"type": "string", "description": "what agents of this name hold"},
        "assignee": {"type": "string"},
        "ready": {"type": "boolean", "description": "only what can be claimed now"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 20},
        "cursor": {"type": "string"}
    }"#,
    required: &[],
    reads_only: true,
    run,
};

/// The largest page, and the usual one: agents read all of it.
const LIMIT_MAX: usize = 200;
const LIMIT_USUAL: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    statuses: Vec<Status>,
    #[serde(default)]
    types: Vec<Name>,
    #[serde(default)]
    labels: Vec<Name>,
    parent: Option<TaskId>,
    agent: Option<Name>,
    assignee: Option<Name>,
    #[serde(default)]
    ready: bool,
    limit: Option<usize>,
    cursor: Option<String>,
}

fn run(call: &Call<'_>, arguments: Arguments) -> Answer {
    let wanted: Wanted = arguments::read(arguments)?;
    let limit = wanted.limit.unwrap_or(LIMIT_USUAL);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Failure::usage(format!("`limit` is 1 to {LIMIT_MAX}, not {limit}")));
    }
    let past = wanted.cursor.as_deref().map(str::parse).transpose().map_err(|_| {
        Failure::usage("`cursor` is what `next_cursor` of the page before says".into())
    })?;
    let query = ListQuery {
        statuses: wanted.statuses,
        types: wanted.types,
        labels: wanted.labels,
        parent: wanted.parent,
        agent: wanted.agent,
        assignee: wanted.assignee,
        ready: wanted.ready,
        past,
        limit,
        ..ListQuery::default()
    };
    answer(&Listed::from(&call.board().list(&query).map_err(|error| failure(&error))?))
}
