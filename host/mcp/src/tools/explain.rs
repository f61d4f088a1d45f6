//! `board_explain`: why a task can't be claimed by this agent, or what it would get.

use serde::Deserialize;
use taskhost::{Filter, TaskId};
use taskhost_answers::{Explained, Prospects};

use super::{Answer, Call, Tool, answer, failure};
use crate::arguments;
use crate::server::Arguments;

pub const TOOL: Tool = Tool {
    name: "board_explain",
    description: "Why you can or can't claim the task `id`, and where its waiting begins. Without `id`: what you hold, \
what you would get next, and why not the rest.",
    properties: r#"{"id": {"type": "string"}}"#,
    required: &[],
    reads_only: true,
    run,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    id: Option<TaskId>,
}

fn run(call: &Call<'_>, arguments: Arguments) -> Answer {
    let Which { id } = arguments::read(arguments)?;
    let agent = call.session()?.agent();
    match id {
        Some(id) => {
            let explained = Explained::new(call.board(), &id, Some(agent));
            answer(&explained.map_err(|error| failure(&error))?)
        }
        None => {
            let prospects = Prospects::new(call.board(), agent, &Filter::default());
            answer(&prospects.map_err(|error| failure(&error))?)
        }
    }
}
