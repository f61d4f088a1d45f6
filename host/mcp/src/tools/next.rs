//! `board_next`: the agent gets a task that nobody else has.

use std::time::{Duration, Instant};

use serde::Deserialize;
use taskhost::{ClaimOptions, ClaimOutcome, Filter, Name, Session, TaskId, Token};
use taskhost_answers::{ClaimAnswer, Claimed, Failure};

use super::heartbeat::lease;
use super::{Answer, Call, Tool, answer, failure};
use crate::arguments::{self, Seconds};
use crate::server::Arguments;

pub const TOOL: Tool = Tool {
    name: "board_next",
    description: "Claim the next ready task, or the task `id`. Nobody else gets it until you finish it, your session \
ends or its lease runs out. `task` is null if there is none now; `reason` says why.",
    properties: r#"{
        "id": {"type": "string", "description": "this task only"},
        "types": {"type": "array", "items": {"type": "string"}, "description": "any of these"},
        "labels": {"type": "array", "items": {"type": "string"}, "description": "all of these"},
        "wait_s": {"type": "number", "minimum": 0, "maximum": 50, "description": "wait so long for one"},
        "lease_s": {"type": "number", "description": "seconds it is yours without a heartbeat"},
        "key": {"type": "string", "description": "repeated with the same key: the same claim again"},
        "token": {"type": "integer", "description": "with `id`: take up again the claim that an earlier session of yours made"}
    }"#,
    required: &[],
    reads_only: false,
    run,
};

/// The longest wait: many clients give up on a request after a minute.
const WAIT_S_MAX: u32 = 50;
/// How long a request that was cancelled may go on waiting.
const LOOK_UP: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    id: Option<TaskId>,
    #[serde(default)]
    types: Vec<Name>,
    #[serde(default)]
    labels: Vec<Name>,
    wait_s: Option<Seconds>,
    lease_s: Option<Seconds>,
    key: Option<String>,
    token: Option<Token>,
}

fn run(call: &Call<'_>, arguments: Arguments) -> Answer {
    let wanted: Wanted = arguments::read(arguments)?;
    let session = call.session()?;
    if let Some(token) = wanted.token {
        return resume(call, session, &wanted, token);
    }
    let wait = wanted.wait_s.map(|wait| wait.at_most("wait_s", WAIT_S_MAX)).transpose()?;
    let options = ClaimOptions {
        lease: lease(wanted.lease_s)?,
        filter: Filter {
            only: wanted.id,
            types: wanted.types,
            labels: wanted.labels,
            ..Filter::default()
        },
        wait: Duration::ZERO,
        key: wanted.key,
    };
    let outcome = claim(call, session, options, wait.unwrap_or_default())?;
    if let ClaimOutcome::Claimed { task, .. } = &outcome {
        call.seat.remember(task);
    }
    answer(&ClaimAnswer::from(&outcome))
}

/// Waits a little at a time, because nobody may be there any more to be given a task.
fn claim(
    call: &Call<'_>,
    session: &Session,
    mut options: ClaimOptions,
    wait: Duration,
) -> Result<ClaimOutcome, Failure> {
    let began = Instant::now();
    // Without room to wait, there is nothing at once.
    let waiting = call.seat.wait();
    let wait = if waiting.is_some() { wait } else { Duration::ZERO };
    loop {
        if (call.is_cancelled)() {
            return Err(Failure::usage("the request was cancelled".into()));
        }
        let left = wait.saturating_sub(began.elapsed());
        options.wait = left.min(LOOK_UP);
        let outcome = session.claim_with(&options);
        let is_cancelled = (call.is_cancelled)();
        if let (Ok(ClaimOutcome::Claimed { task, repeated: false }), true) =
            (&outcome, is_cancelled)
        {
            // If it can't be handed back now, it comes back with its lease, or with the session's end.
            let _ =
                session.claimed((**task).clone()).release(Some("the request was cancelled".into()));
        }
        let is_over = is_cancelled || left <= LOOK_UP;
        match outcome {
            Ok(ClaimOutcome::Nothing { .. }) if !is_over => {}
            // Of a task that was asked for by its id, the holder may let go while the asker waits.
            Err(taskhost::Error::Board(taskhost::domain::Error::Held { .. })) if !is_over => {}
            outcome => return outcome.map_err(|error| failure(&error)),
        }
    }
}

fn resume(call: &Call<'_>, session: &Session, wanted: &Wanted, token: Token) -> Answer {
    let Some(id) = &wanted.id else {
        return Err(Failure::usage(
            "`token` takes up a claim again: say of which task, with `id`".into(),
        ));
    };
    let is_plain = wanted.types.is_empty()
        && wanted.labels.is_empty()
        && wanted.wait_s.is_none()
        && wanted.key.is_none();
    if !is_plain {
        return Err(Failure::usage("with `token` there are only `id` and `lease_s`".into()));
    }
    let resumed = session.resume(id, token, lease(wanted.lease_s)?).map_err(|e| failure(&e))?;
    call.seat.remember(resumed.task());
    answer(&Claimed::again(resumed.task()))
}
