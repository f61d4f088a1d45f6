//! `board_finish`: the agent is done with a task, one way or another.

use serde::Deserialize;
use taskhost::{
    Action, ChangeRequest, Error, Finish, Held, Json, Outcome, Proof, Task, TaskId, Token,
};
use taskhost_answers::{Failure, TaskAnswer};

use super::{Answer, Call, Tool, answer};
use crate::arguments;
use crate::server::Arguments;

pub const TOOL: Tool = Tool {
    name: "board_finish",
    description: "End your claim: `complete` (with a result), `fail` (text: the error), `release` (hand it back; text: \
why) or `block` (park it until it is answered; text: your question for a human). `status` is what became of it: \
`in_review` if somebody else must accept it first.",
    properties: r#"{
        "id": {"type": "string"},
        "outcome": {"enum": ["complete", "fail", "release", "block"]},
        "result": {"description": "any JSON"},
        "text": {"type": "string"},
        "token": {"type": "integer", "description": "only if another session of yours claimed it"}
    }"#,
    required: &["id", "outcome"],
    reads_only: false,
    run,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ending {
    id: TaskId,
    outcome: How,
    result: Option<Json>,
    text: Option<String>,
    token: Option<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    Complete,
    Fail,
    Release,
    Block,
}

fn run(call: &Call<'_>, arguments: Arguments) -> Answer {
    let Ending { id, outcome, result, text, token } = arguments::read(arguments)?;
    match (outcome, &result, &text) {
        (How::Complete, _, Some(_)) => {
            return Err(Failure::usage(
                "a task that is completed has a `result` and no `text`".into(),
            ));
        }
        (How::Fail | How::Release | How::Block, Some(_), _) => {
            return Err(Failure::usage(
                "only a task that is completed has a `result`: say it in `text`".into(),
            ));
        }
        (How::Block, _, None) => {
            return Err(Failure::usage("say in `text` what is to be answered first".into()));
        }
        _ => {}
    }
    let proof = call.seat.proof(call.session()?, &id, token);
    let how = match outcome {
        How::Complete => Finish::Complete(result),
        How::Fail => Finish::Fail(text),
        How::Release => Finish::Release(text),
        How::Block => return block(call, &id, proof, text),
    };
    let held = call.board().finish(&id, &proof, &how);
    ended(call, &id, proof.token, held)
}

fn ended(call: &Call<'_>, id: &TaskId, token: Option<Token>, held: Result<Held, Error>) -> Answer {
    match held {
        Ok(held) => {
            call.seat.forget(id, token);
            answer(&TaskAnswer::from(&held))
        }
        Err(error) => {
            call.seat.forget_if_lost(id, token, &error);
            Err(call.refused(id, &error))
        }
    }
}

fn block(call: &Call<'_>, id: &TaskId, proof: Proof, reason: Option<String>) -> Answer {
    let token = proof.token;
    let request = ChangeRequest {
        ids: vec![id.clone()],
        by: Some(proof.agent.clone()),
        action: Action::Block { reason, proof: Some(proof), force: false },
        together: false,
        dry_run: false,
    };
    let held = call.board().change(&request).and_then(|changed| {
        let repeated = match changed.outcomes.into_iter().next() {
            Some((_, Outcome::Failed(error))) => return Err(error.into()),
            Some((_, Outcome::Already)) => true,
            Some((_, Outcome::Done)) | None => false,
        };
        let task: Option<Task> = changed
            .touched
            .into_iter()
            .rev()
            .find_map(|touched| touched.after.filter(|task| task.id == *id));
        let task = task.map_or_else(|| call.board().task(id), Ok)?;
        Ok(Held { task: Box::new(task), repeated })
    });
    ended(call, id, token, held)
}
