//! Every kind of operation on a board, each on a board that has something for it to do.
//!
//! - [`Operation`]: how its board is made, what is done, and what is to be said about it beyond what holds for every
//!   board. [`all`] lists them.
//! - `commands`: what agents and people ask for; `prepared`: the same on boards prepared for it. `keeping`: what keeps a board: making, switching, mending, moving it.
//!   `beside`: what stands beside the journal.

mod beside;
mod commands;
mod keeping;
mod prepared;

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
    let commands = commands::COMMANDS.iter().chain(prepared::PREPARED);
    commands.chain(keeping::KEEPING).chain(beside::BESIDE)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use taskhost_board::Command;

    use super::*;
    use crate::examine;

    /// The operations that give a command. Whoever adds a command adds an operation that is stopped everywhere.
    fn operations_of(command: Command) -> &'static [&'static str] {
        match command {
            Command::Add => &["add", "add many at once", "add many in batches"],
            Command::Claim => &["claim", "claim of what a late holder had", "session start"],
            Command::Heartbeat => &["heartbeat"],
            Command::Complete => &["complete, and what follows", "complete, to be reviewed"],
            Command::Fail => &["fail", "fail, and another attempt"],
            Command::Release => &["release", "release by an operator"],
            Command::PolicySet => &["policy set", "policy settings"],
            Command::Assign => &["assign"],
            Command::Unassign => &["unassign"],
            Command::Update => &["update"],
            Command::Cancel => &["cancel, and what follows"],
            Command::Retry => &["retry"],
            Command::Block => &["block"],
            Command::Unblock => &["unblock"],
            Command::Review => &["review, accepted", "review, sent back"],
            Command::Archive => &["archive"],
            Command::ConfigSet => &["board settings"],
            Command::MetaSet => &["meta set"],
            Command::Upkeep => &[
                "rescue of claims whose leases are over",
                "rescue of a dead holder's claim",
                "end of a task whose attempts are used up",
            ],
        }
    }

    /// What an operation does if nothing stops it: the commands of the entries that it makes.
    fn given_by(operation: &Operation) -> BTreeSet<Command> {
        let stage = (operation.set)(None).unwrap();
        let desk = stage.desk().unwrap();
        let before = examine::history(&desk.store).unwrap().len();
        match operation.act {
            Act::AtDesk(act) => act(&desk).unwrap(),
            Act::Alone(_) => panic!("`{}` is no command", operation.name),
        }
        let history = examine::history(&desk.store).unwrap();
        history[before..].iter().map(|(_, entry)| entry.request.command).collect()
    }

    #[test]
    fn every_command_is_given_by_operations_that_make_entries_of_it() {
        for command in Command::ALL {
            let operations = operations_of(command);
            assert!(!operations.is_empty(), "{command:?} is tried nowhere");
            for name in operations {
                let given = given_by(named(name).unwrap());
                assert!(given.contains(&command), "`{name}` gave {given:?}, not {command:?}");
            }
        }
    }

    /// What the changes of a claim's end are called in the history.
    #[test]
    fn claims_of_the_late_and_the_dead_are_really_taken_back() {
        for (name, what) in [
            (
                "rescue of claims whose leases are over",
                "Recovered { id: TaskId(\"first\"), cause: LeaseOver",
            ),
            ("rescue of a dead holder's claim", "cause: HolderDead"),
            (
                "claim of what a late holder had",
                "Recovered { id: TaskId(\"first\"), cause: LeaseOver",
            ),
            (
                "end of a task whose attempts are used up",
                "Finished { id: TaskId(\"first\"), status: Failed",
            ),
            ("fail, and another attempt", "Retried {"),
            ("complete, to be reviewed", "status: InReview"),
        ] {
            let operation = named(name).unwrap();
            let stage = (operation.set)(None).unwrap();
            let desk = stage.desk().unwrap();
            if let Act::AtDesk(act) = operation.act {
                act(&desk).unwrap();
            }
            let last = format!("{:?}", examine::history(&desk.store).unwrap().last());
            assert!(last.contains(what), "`{name}` made {last}");
        }
    }
}
