//! What must hold when all processes of a case have ended.
//!
//! - every entry that was answered is there once, was synced before it was answered, and stands behind all that was
//!   answered before it was asked for;
//! - tokens grow, a task is claimed only while nobody holds it, and changes no more once it has ended (`fold`), and
//!   the board shows all that its history says, and nothing else (`rebuilt`);
//! - a claim is ended only by its holder;
//! - the doctor finds nothing;
//! - what a reader saw, and all that was answered, outlives a power failure.

use std::collections::BTreeMap;

use taskhost_board::{Change, Command, Entry, Name, Sequence, TaskId, Token};
use taskhost_store_file::simulation::World;
use taskhost_store_file::{FileStore, OpenOptions};

use super::case::{Case, Told};
use super::dice::Dice;
use crate::crash::harm;
use crate::examine;
use crate::outcome::{Harm, Wrong};

/// How many of the states that a power failure may leave are looked at, at most.
const STATES: usize = 4;

/// Checks a case whose processes have all ended; says how many states of a disk were looked at.
pub(super) fn check(case: &Case, dice: &mut Dice) -> u64 {
    let mut wrong = Vec::new();
    for violation in case.world.order_violations() {
        wrong.push((Harm::Broken, violation));
    }
    let told = case.told.lock();
    real_time(&told, &mut wrong);
    if case.turns.power_failed() {
        drop(told);
        let states = after_power_failure(case, dice, &mut wrong);
        blame(case, wrong, "after the power failed, ");
        return states;
    }
    drop(told);
    // Whatever was answered is durable by now. Before anybody comes and mends what was left.
    let mut here = Vec::new();
    let states = if dice.below(4) == 0 { after_power_failure(case, dice, &mut here) } else { 0 };
    blame(case, here, "had the power failed at the end, ");
    // Whoever comes next mends what was left, and has no bug.
    let options = OpenOptions { planted: None, ..case.options() };
    let told = case.told.lock();
    match case.world.process().open(options) {
        Ok(store) => board(&store, &told, &mut wrong),
        Err(error) => wrong.push((Harm::Lost, format!("the board can't be opened: {error}"))),
    }
    drop(told);
    blame(case, wrong, "");
    states
}

fn blame(case: &Case, wrong: Vec<(Harm, String)>, when: &str) {
    let wrong = wrong.into_iter();
    let all = wrong.map(|(harm, what)| Wrong { harm, what: format!("{when}{what}") });
    case.told.lock().wrong.extend(all);
}

fn after_power_failure(case: &Case, dice: &mut Dice, wrong: &mut Vec<(Harm, String)>) -> u64 {
    let mut survivors = case.world.survivors();
    let told = case.told.lock();
    let count = survivors.len().min(STATES);
    for _ in 0..count {
        let survivor = survivors.swap_remove(dice.below(survivors.len() as u64) as usize);
        let mut here = Vec::new();
        match World::booted(&survivor).process().open(OpenOptions::default()) {
            Ok(store) => board(&store, &told, &mut here),
            Err(error) => here.push((Harm::Lost, format!("the board can't be opened: {error}"))),
        }
        wrong.extend(
            here.into_iter().map(|(harm, why)| (harm, format!("with {}: {why}", survivor.what))),
        );
    }
    count as u64
}

/// A board against what was told about it.
fn board(store: &FileStore, told: &Told, wrong: &mut Vec<(Harm, String)>) {
    for why in told.testimony.contradictions(store) {
        let harm = match () {
            () if why.contains("is missing") => Harm::Lost,
            () if why.contains("nobody made") => Harm::Silent,
            () => Harm::Broken,
        };
        wrong.push((harm, why));
    }
    let history = examine::history(store).unwrap_or_else(|error| {
        wrong.push((Harm::Lost, format!("the history can't be read: {error}")));
        Vec::new()
    });
    let mut holders = Holders { ended: &told.ended, ..Holders::default() };
    history.iter().for_each(|(sequence, entry)| holders.follow(*sequence, entry, wrong));
    let last = history.last().map(|(sequence, _)| *sequence).unwrap_or_default();
    // Where its beginning may be missing, the history doesn't say everything.
    if !told.testimony.may_trim {
        match examine::against(&history, store) {
            Ok(differences) => wrong.extend(differences.into_iter().map(|why| (harm(&why), why))),
            Err(error) => wrong.push((Harm::Lost, format!("the board can't be read: {error}"))),
        }
    }
    let claims = holders.claims;
    if claims < told.claims_least {
        let least = told.claims_least;
        let why = format!(
            "somebody was told that nothing was left, for which there must be {least} claims, not {claims}"
        );
        wrong.push((Harm::Lost, why));
    }
    if last < told.seen {
        let why = format!("entry {} was read by somebody, and the last is {last}", told.seen);
        wrong.push((Harm::Lost, why));
    }
}

/// Who holds what, as the history goes on, and who ended it.
#[derive(Default)]
struct Holders<'a> {
    ended: &'a [(Sequence, TaskId, Token)],
    claims: u64,
    held: BTreeMap<TaskId, (Name, Token)>,
}

impl Holders<'_> {
    fn follow(&mut self, sequence: Sequence, entry: &Entry, wrong: &mut Vec<(Harm, String)>) {
        for change in &entry.changes {
            match change {
                Change::Claimed { id, claim } => {
                    self.claims += 1;
                    self.held.insert(id.clone(), (claim.agent.clone(), claim.token));
                }
                Change::Finished { id, .. } | Change::Released { id, .. } => {
                    let holder = self.held.remove(id);
                    let of_this =
                        |ended: &&(Sequence, TaskId, Token)| ended.0 == sequence && ended.1 == *id;
                    let shown = self.ended.iter().find(of_this).map(|(.., token)| *token);
                    let token = holder.as_ref().map(|(_, token)| *token);
                    let is_holders =
                        matches!(entry.request.command, Command::Complete | Command::Fail);
                    let is_anothers =
                        is_holders && holder.map(|(name, _)| name) != entry.request.agent;
                    if is_anothers || (shown.is_some() && shown != token) {
                        let why =
                            format!("entry {sequence}: `{id}` is ended by one who doesn't hold it");
                        wrong.push((Harm::Doubled, why));
                    }
                }
                Change::Recovered { id, .. }
                | Change::Retried { id, .. }
                | Change::Reopened { id, .. }
                | Change::Blocked { id, .. } => {
                    self.held.remove(id);
                }
                _ => {}
            }
        }
    }
}

/// What was asked for after something else was answered comes later in the history.
fn real_time(told: &Told, wrong: &mut Vec<(Harm, String)>) {
    for reader in told.spans.iter() {
        let Some(saw) = reader.saw else { continue };
        let before = told.spans.iter().filter(|span| span.ended < reader.began);
        let least = before.flat_map(|span| span.sequences.iter().chain(&span.saw)).max();
        if least.is_some_and(|least| saw < *least) {
            let what = &reader.what;
            wrong.push((
                Harm::Silent,
                format!("`{what}` saw up to {saw}, after {least:?} was answered"),
            ));
        }
    }
    let mut spans: Vec<_> = told.spans.iter().filter(|span| !span.sequences.is_empty()).collect();
    spans.sort_by_key(|span| span.ended);
    for (at, earlier) in spans.iter().enumerate() {
        for later in spans[at + 1..].iter().filter(|later| later.began > earlier.ended) {
            let (last, first) = (earlier.sequences.iter().max(), later.sequences.iter().min());
            if last >= first {
                let why = format!(
                    "`{}` was answered with {last:?} before `{}` began, which has {first:?}",
                    earlier.what, later.what
                );
                wrong.push((Harm::Broken, why));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use taskhost_board::{Cause, Claim, Request, Status, Store as _};
    use taskhost_store_file::simulation::Testimony;

    use super::*;
    use crate::stage::{Desk, Stage, far, id};

    fn ended(status: Status) -> Change {
        Change::Finished {
            id: id("task"),
            status,
            verb: None,
            reason: None,
            result: None,
            error: None,
        }
    }

    /// Commits what no command would.
    fn commit(desk: &Desk, change: Change) {
        let opened = desk.store.begin(far()).unwrap();
        let request = Request::of(Command::Upkeep);
        let time = opened.now().wall;
        opened.commit(Entry { time, request, seed: 1, changes: vec![change] }).unwrap();
    }

    /// What is wrong with a board on which a task was claimed, and then these things happened to it.
    fn wrong_after(happened: impl Fn(&Claim) -> Vec<Change>) -> Vec<(Harm, String)> {
        let stage = Stage::with_board(None).unwrap();
        let desk = stage.desk().unwrap();
        desk.add("task", &[]).unwrap();
        desk.claim_task("ann", "task").unwrap();
        let claim = desk.engine.task(&id("task")).unwrap().claim.unwrap();
        happened(&claim).into_iter().for_each(|change| commit(&desk, change));
        let testimony = Testimony::of(&desk.store).unwrap();
        let mut wrong = Vec::new();
        board(&desk.store, &Told { testimony, ..Told::default() }, &mut wrong);
        wrong
    }

    fn again(claim: &Claim) -> Change {
        let claim = Claim { token: claim.token.next(), ..claim.clone() };
        Change::Claimed { id: id("task"), claim: Box::new(claim) }
    }

    /// A release or a rescue that overwrote a completion, a claim of a task that was cancelled, and a cancellation of
    /// what was completed all passed, because it was only known who held a task, not whether it had ended.
    #[test]
    fn what_happens_to_a_task_that_has_ended_is_found() {
        let released = || Change::Released { id: id("task"), reason: None };
        let rescued = || Change::Recovered {
            id: id("task"),
            cause: Cause::LeaseOver,
            reason: None,
            not_before: None,
        };
        let done = || ended(Status::Completed);
        for (wrong, what) in [
            (
                wrong_after(|_| vec![done(), released()]),
                "had ended as completed and became pending",
            ),
            (wrong_after(|_| vec![done(), rescued()]), "had ended as completed and became pending"),
            (
                wrong_after(|claim| vec![ended(Status::Cancelled), again(claim)]),
                "had ended as cancelled and became in_progress",
            ),
            (
                wrong_after(|_| vec![done(), ended(Status::Cancelled)]),
                "had ended as completed and became cancelled",
            ),
            (wrong_after(|claim| vec![again(claim)]), "was claimed while ann held it"),
        ] {
            let [(Harm::Doubled, why)] = &wrong[..] else { panic!("{wrong:?}, not {what}") };
            assert!(why.contains(what), "{why}");
        }
        let once = wrong_after(|_| vec![done()]);
        assert!(once.is_empty(), "{once:?}");
    }
}
