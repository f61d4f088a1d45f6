//! What must hold when all processes of a case have ended.
//!
//! - every entry that was answered is there once, was synced before it was answered, and stands behind all that was
//!   answered before it was asked for;
//! - tokens grow, a task is claimed only while nobody holds it, and ended only by its holder;
//! - the doctor finds nothing;
//! - what a reader saw, and all that was answered, outlives a power failure.

use std::collections::BTreeMap;

use taskhost_board::{Change, Command, Entry, Name, Sequence, Store as _, TaskId, Token};
use taskhost_store_file::simulation::World;
use taskhost_store_file::{FileStore, OpenOptions};

use super::case::{Case, Told};
use super::dice::Dice;
use crate::outcome::{Harm, Wrong};

/// How many of the states that a power failure may leave are looked at.
const STATES: u64 = 4;

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
    let survivors = case.world.survivors();
    let told = case.told.lock();
    for _ in 0..STATES {
        let survivor = &survivors[dice.below(survivors.len() as u64) as usize];
        let mut here = Vec::new();
        match World::booted(survivor).process().open(OpenOptions::default()) {
            Ok(store) => board(&store, &told, &mut here),
            Err(error) => here.push((Harm::Lost, format!("the board can't be opened: {error}"))),
        }
        wrong.extend(
            here.into_iter().map(|(harm, why)| (harm, format!("with {}: {why}", survivor.what))),
        );
    }
    STATES
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
    let mut last = Sequence(0);
    let mut holders = Holders { ended: &told.ended, ..Holders::default() };
    let read = store.history(Sequence(0), &mut |sequence, entry| {
        if sequence != last.next() {
            let why = format!("entry {sequence} follows entry {last}");
            wrong.push((Harm::Doubled, why));
        }
        last = sequence;
        holders.follow(sequence, &entry, wrong);
        true
    });
    if let Err(error) = read {
        wrong.push((Harm::Lost, format!("the history can't be read: {error}")));
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

/// Who holds what, as the history goes on.
#[derive(Default)]
struct Holders<'a> {
    ended: &'a [(Sequence, TaskId, Token)],
    token: Token,
    claims: u64,
    held: BTreeMap<TaskId, (Name, Token)>,
}

impl Holders<'_> {
    fn follow(&mut self, sequence: Sequence, entry: &Entry, wrong: &mut Vec<(Harm, String)>) {
        for change in &entry.changes {
            match change {
                Change::Claimed { id, claim } => {
                    if claim.token <= self.token {
                        let why = format!(
                            "entry {sequence}: token {} comes after {}",
                            claim.token, self.token
                        );
                        wrong.push((Harm::Doubled, why));
                    }
                    self.token = claim.token;
                    self.claims += 1;
                    let mine = (claim.agent.clone(), claim.token);
                    if let Some((holder, _)) = self.held.insert(id.clone(), mine) {
                        let why =
                            format!("entry {sequence}: `{id}` is claimed while {holder} holds it");
                        wrong.push((Harm::Doubled, why));
                    }
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
