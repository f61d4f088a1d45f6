//! Commands that find something on a board only once it was prepared for them: what was reserved, parked or left for
//! review, and claims whose holders are late or dead.

use std::time::Duration;

use taskhost_board::{Action, Finish, NewTask};

use super::beside::start_session;
use super::commands::{assign, change};
use super::{Operation, board};
use crate::Bug;
use crate::family::{RETRIED, REVIEWED};
use crate::stage::{Desk, Done, Stage, far, name, new_task, text};

/// Longer than a lease is.
const LONG: Duration = Duration::from_secs(60 * 60);

pub(super) const PREPARED: &[Operation] = &[
    Operation {
        set: |bug| with(bug, |desk| change(desk, "second", assign())),
        ..Operation::command(
            "unassign",
            |desk| change(desk, "second", Action::Unassign(None)),
            (37, 280),
        )
    },
    Operation {
        set: |bug| with(bug, |desk| change(desk, "second", block())),
        ..Operation::command(
            "unblock",
            |desk| change(desk, "second", Action::Unblock { reason: Some("go on".into()) }),
            (37, 310),
        )
    },
    Operation {
        set: |bug| with(bug, |desk| claimed(desk, REVIEWED)),
        ..Operation::command("complete, to be reviewed", complete, (37, 330))
    },
    Operation {
        set: to_review,
        ..Operation::command("review, accepted", |desk| review(desk, true), (37, 290))
    },
    Operation {
        set: to_review,
        ..Operation::command("review, sent back", |desk| review(desk, false), (37, 300))
    },
    Operation {
        set: |bug| with(bug, |desk| claimed(desk, RETRIED)),
        ..Operation::command(
            "fail, and another attempt",
            |desk| desk.finish("eve", TASK, &Finish::Fail(Some("once more".into()))),
            (37, 315),
        )
    },
    Operation::command(
        "release by an operator",
        |desk| change(desk, "first", Action::Release { reason: Some("they are ill".into()) }),
        (37, 300),
    ),
    Operation {
        set: late,
        ..Operation::command("rescue of claims whose leases are over", upkeep, (37, 315))
    },
    Operation {
        set: late,
        ..Operation::command(
            "claim of what a late holder had",
            |desk| desk.claim_task("eve", "first").map(drop),
            (37, 400),
        )
    },
    Operation {
        set: dead,
        ..Operation::command("rescue of a dead holder's claim", upkeep, (37, 355))
    },
    Operation {
        set: late_again,
        ..Operation::command("end of a task whose attempts are used up", upkeep, (37, 285))
    },
];

/// What some of them are about.
const TASK: &str = "prepared";

/// A board on which this was done before.
fn with(bug: Option<Bug>, prepare: fn(&Desk) -> Done) -> Result<Stage, String> {
    let stage = board(bug)?;
    prepare(&stage.desk()?)?;
    Ok(stage)
}

fn block() -> Action {
    Action::Block { reason: Some("a question".into()), proof: None, force: false }
}

/// A task of this type that somebody holds, and one that comes after it.
fn claimed(desk: &Desk, of_type: &str) -> Done {
    let task = NewTask { task_type: name(of_type), ..new_task(TASK, &[]) };
    let tasks = [task, new_task("after-it", &[TASK])];
    desk.engine.add(&tasks, far()).map_err(text)?;
    desk.claim_task("eve", TASK).map(drop)
}

fn complete(desk: &Desk) -> Done {
    desk.finish("eve", TASK, &Finish::Complete(None))
}

fn to_review(bug: Option<Bug>) -> Result<Stage, String> {
    with(bug, |desk| {
        claimed(desk, REVIEWED)?;
        complete(desk)
    })
}

fn review(desk: &Desk, accept: bool) -> Done {
    change(desk, TASK, Action::Review { accept, reason: Some("somebody looked at it".into()) })
}

fn upkeep(desk: &Desk) -> Done {
    match desk.engine.upkeep(far()).map_err(text)? {
        true => Ok(()),
        false => Err("there was nothing to do".into()),
    }
}

/// The leases of all claims are over.
fn late(bug: Option<Bug>) -> Result<Stage, String> {
    let stage = board(bug)?;
    stage.world.advance(LONG);
    Ok(stage)
}

/// And one of them is taken back, and late again.
fn late_again(bug: Option<Bug>) -> Result<Stage, String> {
    let stage = late(bug)?;
    let desk = stage.desk()?;
    upkeep(&desk)?;
    desk.claim_task("eve", "first")?;
    stage.world.advance(LONG);
    Ok(stage)
}

/// Somebody who was seen to live has claimed, and died.
fn dead(bug: Option<Bug>) -> Result<Stage, String> {
    with(bug, start_session)
}
