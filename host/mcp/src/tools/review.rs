//! `board_review`: what others left open is decided: work in review, and questions.

use serde::Deserialize;
use taskhost::{Action, ChangeRequest, TaskId};
use taskhost_answers::{ChangeAnswer, Failure};

use super::{Answer, Call, Tool, answer, failure};
use crate::arguments;
use crate::server::Arguments;

pub const TOOL: Tool = Tool {
    name: "board_review",
    description: "Decide on a task: `accept` or `send_back` work that is in review (not your own), or `answer` the \
question that it was blocked with, so that it can be claimed again.",
    properties: r#"{
        "id": {"type": "string"},
        "verdict": {"enum": ["accept", "send_back", "answer"]},
        "text": {"type": "string", "description": "the answer, or what is to be done again"}
    }"#,
    required: &["id", "verdict"],
    reads_only: false,
    run,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    id: TaskId,
    verdict: Verdict,
    text: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Accept,
    SendBack,
    Answer,
}

fn run(call: &Call<'_>, arguments: Arguments) -> Answer {
    let Decision { id, verdict, text } = arguments::read(arguments)?;
    if verdict != Verdict::Accept && text.is_none() {
        return Err(Failure::usage("say in `text` what the next agent is to know".into()));
    }
    let action = match verdict {
        Verdict::Accept => Action::Review { accept: true, reason: text },
        Verdict::SendBack => Action::Review { accept: false, reason: text },
        Verdict::Answer => Action::Unblock { reason: text },
    };
    let request = ChangeRequest {
        ids: vec![id],
        action,
        by: Some(call.session()?.agent().name.clone()),
        together: false,
        dry_run: false,
    };
    let changed = call.board().change(&request).map_err(|error| failure(&error))?;
    let mut outcome = ChangeAnswer::new(call.board(), &request, &changed);
    match outcome.error.take() {
        Some(error) => Err(error),
        // An answer that nobody had asked for would be lost in silence.
        None if verdict == Verdict::Answer && !outcome.already.is_empty() => Err(Failure::usage(
            "it isn't blocked, so there is no question to answer: `board_show` says how it stands"
                .into(),
        )),
        None => answer(&outcome),
    }
}
