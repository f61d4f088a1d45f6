//! What stands beside the journal: large values, policies' files, locks.

use std::time::Duration;

use taskhost_board::{Keeper as _, Place, Store as _};

use super::{Operation, owner};
use crate::stage::{Desk, Done, claim_request, far, id, text};

pub(super) const BESIDE: &[Operation] = &[
    Operation::command(
        "context set",
        |desk| {
            let contexts = desk.witnessed.contexts();
            contexts.set(&owner(), &id("plan"), &long(), far()).map_err(text)
        },
        (27, 348),
    ),
    Operation::command(
        "context set, the first of its owner",
        |desk| {
            let owner = taskhost_board::Owner::Agent(crate::stage::name("a long/name"));
            let contexts = desk.witnessed.contexts();
            contexts.set(&owner, &id("notes"), b"noted", far()).map_err(text)
        },
        (54, 642),
    ),
    Operation::command(
        "context append",
        |desk| {
            let contexts = desk.witnessed.contexts();
            contexts.append(&owner(), &id("plan"), b" and another", far()).map(drop).map_err(text)
        },
        (27, 340),
    ),
    Operation::command(
        "context remove",
        |desk| {
            let contexts = desk.witnessed.contexts();
            contexts.remove(&owner(), &id("plan"), far()).map(drop).map_err(text)
        },
        (10, 223),
    ),
    Operation::command("a policy's file", replace_file, (54, 632)),
    Operation::command("session start", start_session, (43, 440)),
    Operation {
        also: Some(|_, desk| desk.claim_task("afterwards", "second").map(drop)),
        ..Operation::command("task lock by hand", lock_task, (5, 141))
    },
];

/// A value that is several blocks long.
fn long() -> Vec<u8> {
    b"another plan, and a long one. ".repeat(24)
}

fn replace_file(desk: &Desk) -> Done {
    let powers = desk.witnessed.powers();
    let patience = Duration::from_secs(60);
    powers.replace(Place::Board, "quota", b"6", Some(b"7"), patience).map_err(text)?;
    powers.replace(Place::Board, "another", &long(), None, patience).map_err(text)
}

/// A session that holds its life lock claims, and ends.
pub(super) fn start_session(desk: &Desk) -> Done {
    let mut request = claim_request("alive");
    request.agent.living = true;
    let life = desk.witnessed.live(&request.agent.session).map_err(text)?;
    desk.claim_as(&request).map_err(text)?;
    drop(life);
    Ok(())
}

/// There are no descriptors to hand on in a simulated world, so this ends in an error once everything is done.
fn lock_task(desk: &Desk) -> Done {
    desk.store.hold_task(&id("second"), Some("somebody"), far()).map(drop).map_err(text)
}
