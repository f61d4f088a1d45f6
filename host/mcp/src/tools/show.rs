//! `board_show`: one task, and what happened to it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use taskhost::TaskId;
use taskhost_answers::events::Event;
use taskhost_answers::{Failure, History, Shown};

use super::{Answer, Call, Tool, answer, failure};
use crate::arguments;
use crate::server::Arguments;

pub const TOOL: Tool = Tool {
    name: "board_show",
    description: "Everything about one task; with `events`, also its last events, among them questions and answers.",
    properties: r#"{
        "id": {"type": "string"},
        "events": {"type": "integer", "minimum": 0, "maximum": 1000}
    }"#,
    required: &["id"],
    reads_only: true,
    run,
};

/// How many events are shown at most.
const EVENTS_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    id: TaskId,
    #[serde(default)]
    events: usize,
}

#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    shown: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<VecDeque<Event>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events_total: Option<u64>,
}

fn run(call: &Call<'_>, arguments: Arguments) -> Answer {
    let Which { id, events } = arguments::read(arguments)?;
    if events > EVENTS_MAX {
        return Err(Failure::usage(format!("`events` is at most {EVENTS_MAX}, not {events}")));
    }
    let board = call.board();
    let shown = Shown::from(&board.task(&id).map_err(|error| failure(&error))?);
    let history = (events > 0)
        .then(|| History::new(board, events, None, |event| event.is_about(&id)))
        .transpose()
        .map_err(|error| failure(&error))?;
    let (events, events_total) = history.map(|history| (history.events, history.total)).unzip();
    answer(&Outcome { shown, events, events_total })
}
