//! `board_heartbeat`: the agent is still at work.

use std::time::Duration;

use serde::Deserialize;
use taskhost::{TaskId, Token};
use taskhost_answers::{Failure, TaskAnswer};

use super::{Answer, Call, Tool, answer};
use crate::arguments::{self, Seconds};
use crate::server::Arguments;

pub const TOOL: Tool = Tool {
    name: "board_heartbeat",
    description: "Extend the lease of a task that you hold, because you are still at work on it.",
    properties: r#"{
        "id": {"type": "string"},
        "lease_s": {"type": "number", "description": "from now; as long as before unless given"},
        "token": {"type": "integer", "description": "only if another session of yours claimed it"}
    }"#,
    required: &["id"],
    reads_only: false,
    run,
};

/// The longest lease that a board gives.
const LEASE_S_MAX: u32 = 30 * 24 * 60 * 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Beat {
    id: TaskId,
    lease_s: Option<Seconds>,
    token: Option<Token>,
}

fn run(call: &Call<'_>, arguments: Arguments) -> Answer {
    let beat: Beat = arguments::read(arguments)?;
    let proof = call.seat.proof(call.session()?, &beat.id, beat.token);
    let held = call.board().heartbeat(&beat.id, &proof, lease(beat.lease_s)?);
    let held = held.inspect_err(|error| call.seat.forget_if_lost(&beat.id, proof.token, error));
    answer(&TaskAnswer::from(&held.map_err(|error| call.refused(&beat.id, &error))?))
}

/// The length of a lease.
pub fn lease(seconds: Option<Seconds>) -> Result<Option<Duration>, Failure> {
    let lease = seconds.map(|seconds| seconds.at_most("lease_s", LEASE_S_MAX)).transpose()?;
    match lease {
        Some(Duration::ZERO) => Err(Failure::usage("`lease_s` is longer than nothing".into())),
        lease => Ok(lease),
    }
}
