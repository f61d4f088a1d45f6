//! What an agent can do, a file for each.
//!
//! Names begin with `board_`, so that nobody takes them for the protocol's own tasks. Descriptions and schemas are read
//! by every agent in every session, so they are short: all of them together stay under 6,000 characters.

mod add;
mod context;
mod explain;
mod finish;
mod heartbeat;
mod list;
mod next;
mod review;
mod show;

use std::sync::Arc;

use rmcp::model::{Tool as Listed, ToolAnnotations};
use serde::Serialize;
use serde_json::{Map, Value};
use taskhost::domain::Error as BoardError;
use taskhost::wire::WireClaim;
use taskhost::{Board, Error, Session, TaskId};
use taskhost_answers::{Envelope, Failure};

use crate::seat::Seat;
use crate::server::Arguments;

/// What a tool answers: a JSON object, or what went wrong.
pub type Answer = Result<Value, Failure>;

/// One tool.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    description: &'static str,
    /// The properties of its arguments, as JSON Schema.
    properties: &'static str,
    required: &'static [&'static str],
    reads_only: bool,
    run: fn(&Call<'_>, Arguments) -> Answer,
}

/// All of them.
pub static ALL: [Tool; 9] = [
    next::TOOL,
    heartbeat::TOOL,
    finish::TOOL,
    add::TOOL,
    show::TOOL,
    list::TOOL,
    explain::TOOL,
    context::TOOL,
    review::TOOL,
];

/// The tool of this name.
pub fn find(name: &str) -> Option<&'static Tool> {
    ALL.iter().find(|tool| tool.name == name)
}

/// All of them, as clients list them.
pub fn list() -> Vec<Listed> {
    ALL.iter().map(Tool::listed).collect()
}

impl Tool {
    /// Does what is asked.
    pub fn call(&self, call: &Call<'_>, arguments: Arguments) -> Answer {
        (self.run)(call, arguments)
    }

    fn listed(&self) -> Listed {
        let mut schema = Map::new();
        schema.insert("type".into(), "object".into());
        let properties = serde_json::from_str(self.properties);
        schema.insert("properties".into(), properties.unwrap_or_default());
        if !self.required.is_empty() {
            schema.insert("required".into(), self.required.into());
        }
        schema.insert("additionalProperties".into(), false.into());
        let mut annotations = ToolAnnotations::new();
        if self.reads_only {
            annotations = annotations.read_only(true);
        } else {
            annotations = annotations.destructive(false);
        }
        Listed::new(self.name, self.description, Arc::new(schema)).with_annotations(annotations)
    }
}

/// Who asks.
pub struct Call<'a> {
    /// Where they sit.
    pub seat: &'a Seat,
    /// What their client calls itself.
    pub client: Option<&'a str>,
    /// Whether they have stopped waiting for the answer.
    pub is_cancelled: &'a dyn Fn() -> bool,
}

impl<'a> Call<'a> {
    fn board(&self) -> &'a Board {
        self.seat.board()
    }

    fn session(&self) -> Result<&'a Session, Failure> {
        self.seat.session(self.client).map_err(|error| failure(&error))
    }

    /// Why a request about a claim is refused. Where no token was said or kept, the claim is another session's: whose
    /// it is tells the agent more than that a token is missing.
    fn refused(&self, id: &TaskId, error: &Error) -> Failure {
        let mut failure = failure(error);
        if !matches!(error, Error::Board(BoardError::TokenNeeded { .. })) {
            return failure;
        }
        let claim = self.board().task(id).ok().and_then(|task| task.claim);
        let Some(claim) = claim.as_ref().map(WireClaim::from) else {
            failure.message = format!(
                "nobody holds `{id}`, and this session has no token for it: `board_show` says how it stands"
            );
            return failure;
        };
        failure.message = format!(
            "`{id}` is claimed by `{}`, not by this session: leave it to them, or say the `token` if the claim is yours",
            claim.agent
        );
        for (name, value) in
            [("holder", claim.agent), ("since", claim.since), ("lease_until", claim.lease_until)]
        {
            failure.details.insert(name.into(), value.into());
        }
        failure
    }
}

/// What an error is answered with.
fn failure(error: &Error) -> Failure {
    let mut failure = Failure::new(error);
    // The command line's options are nothing to who speaks to a server.
    for (command, tool) in [
        ("`--token`", "`token`"),
        ("`taskhost list`", "`board_list`"),
        ("`taskhost explain ", "`board_explain "),
    ] {
        failure.message = failure.message.replace(command, tool);
    }
    failure
}

/// The answer as it goes out.
fn answer<T: Serialize>(body: &T) -> Answer {
    serde_json::to_value(Envelope::new(body))
        .map_err(|error| Failure::usage(format!("the answer can't be written as JSON: {error}")))
}

/// The failure as it goes out.
pub fn failed(failure: &Failure) -> Value {
    #[derive(Serialize)]
    struct Failed<'a> {
        error: &'a Failure,
    }
    serde_json::to_value(Envelope::new(&Failed { error: failure })).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most that every agent of every session is made to read.
    const CHARACTERS_MAX: usize = 6_000;

    #[test]
    fn descriptions_and_schemas_are_short() {
        let whole = serde_json::to_string(&list()).unwrap();
        assert!(whole.chars().count() < CHARACTERS_MAX, "{} characters", whole.chars().count());
    }

    #[test]
    fn every_schema_is_one_and_has_what_it_requires() {
        for tool in &ALL {
            assert!(tool.name.starts_with("board_"), "{}", tool.name);
            let properties: Map<String, Value> = serde_json::from_str(tool.properties).unwrap();
            for name in tool.required {
                assert!(properties.contains_key(*name), "{}: {name}", tool.name);
            }
        }
    }
}
