//! Every kind of operation on a board, each on a board that has something for it to do.
//!
//! - [`Operation`]: how its board is made, what is done, and what is to be said about it beyond what holds for every
//!   board. [`all`] lists them.
//! - `commands`: what agents and people ask for. `keeping`: what keeps a board: making, switching, mending, moving it.
//!   `beside`: what stands beside the journal.

mod beside;
mod commands;
mod keeping;

use std::sync::Arc;

use taskhost_board::{Finish, Json, Name, NewTask, Owner, Place, Store as _};
use taskhost_store_file::simulation::Process;

use crate::Bug;
use crate::stage::{Desk, Done, Stage, far, id, new_task, text};

/// What a process does.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// It has had the board open for a while.
    AtDesk(fn(&Desk) -> Done),
    /// It begins here.
    Alone(fn(&Stage, &Arc<Process>) -> Done),
}

/// A kind of operation.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// Makes the board, or what else is there before.
    pub(crate) set: fn(Option<Bug>) -> Result<Stage, String>,
    pub(crate) act: Act,
    /// What is done first with what was left, given whether the operation was acknowledged: by itself a board that was
    /// not made yet doesn't become one.
    pub(crate) resume: Option<fn(&Stage, bool) -> Done>,
    /// What must hold beyond what does for every board: the error says what doesn't.
    pub(crate) also: Option<fn(&Stage, &Desk) -> Done>,
    /// Whether other writers may have been stopped before it.
    pub(crate) has_others: bool,
    /// At how many operations it can be stopped at least, with all [`WRITERS`] together, and how many states of the disk
    /// are looked at then at least, with the least effort: so that nobody believes in a check that has stopped checking.
    pub(crate) at_least: (u64, u64),
}

impl Operation {
    /// A command of somebody who has the board open.
    const fn command(name: &'static str, act: fn(&Desk) -> Done, at_least: (u64, u64)) -> Self {
        Self {
            name,
            set: board,
            act: Act::AtDesk(act),
            resume: None,
            also: None,
            has_others: true,
            at_least,
        }
    }

    /// A process that begins on a board of its own.
    const fn alone(
        name: &'static str,
        set: fn(Option<Bug>) -> Result<Stage, String>,
        act: fn(&Stage, &Arc<Process>) -> Done,
        at_least: (u64, u64),
    ) -> Self {
        Self {
            name,
            set,
            act: Act::Alone(act),
            resume: None,
            also: None,
            has_others: false,
            at_least,
        }
    }
}

impl Operation {
    /// At how many operations it can be stopped at least where there are no others.
    pub(crate) fn points_alone_min(&self) -> u64 {
        let among = if self.has_others { WRITERS.len() as u64 } else { 1 };
        self.at_least.0 / among
    }
}

/// Where other writers were stopped, counted in changes: each appends its line (0), puts it into the index (1) and counts
/// it (2), syncs it (3) and says so (4); one that finds another's line unsynced syncs that first.
pub(crate) const WRITERS: [&[u64]; 6] = [&[], &[3], &[3, 3], &[1, 3], &[3, 2, 3], &[4]];

/// Every operation.
pub(crate) fn all() -> impl Iterator<Item = &'static Operation> {
    commands::COMMANDS.iter().chain(keeping::KEEPING).chain(beside::BESIDE)
}

/// The operation of this name.
pub(crate) fn named(name: &str) -> Option<&'static Operation> {
    all().find(|operation| operation.name == name)
}

/// A board on which a little of everything has happened.
pub(crate) fn board(bug: Option<Bug>) -> Result<Stage, String> {
    let stage = Stage::with_board(bug)?;
    let desk = stage.desk()?;
    let child = |task: &str| NewTask { parent: Some(id("family")), ..new_task(task, &[]) };
    let tasks = [
        new_task("first", &[]),
        new_task("third", &["first"]),
        new_task("second", &[]),
        new_task("second-next", &["second"]),
        new_task("second-last", &["second-next"]),
        new_task("family", &[]),
        child("kid-1"),
        child("kid-2"),
        new_task("after-family", &["family"]),
        new_task("done", &[]),
        new_task("broken", &[]),
    ];
    desk.engine.add(&tasks, far()).map_err(text)?;
    for (who, task) in [("early", "first"), ("kin", "kid-2")] {
        desk.claim_task(who, task)?;
    }
    for (who, task, how) in [
        ("ann", "kid-1", Finish::Complete(None)),
        ("bob", "done", Finish::Complete(None)),
        ("cat", "broken", Finish::Fail(Some("it broke".into()))),
    ] {
        desk.claim_task(who, task)?;
        desk.finish(who, task, &how)?;
    }
    let value = Json::parse("{\"n\":1}").map_err(text)?;
    desk.engine.set_meta(&id("about"), Some(&value), None, None, far()).map_err(text)?;
    let contexts = desk.witnessed.contexts();
    contexts.set(&owner(), &id("plan"), b"one plan", far()).map_err(text)?;
    let powers = desk.witnessed.powers();
    let patience = std::time::Duration::from_secs(60);
    powers.replace(Place::Board, "quota", b"7", None, patience).map_err(text)?;
    drop(desk);
    Ok(stage)
}

/// Whose large values the board has.
fn owner() -> Owner {
    Owner::Task(id("first"))
}

/// Somebody who gives orders.
fn somebody() -> Option<Name> {
    Name::new("somebody").ok()
}
