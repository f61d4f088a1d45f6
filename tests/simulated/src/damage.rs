//! Damage: what rots, what somebody overwrites, removes or puts back from an older copy; and recoveries of the same
//! board that are cut short one after the other.
//!
//! - [`damage`]: every file of a board, damaged in every way, before and after a restart of the machine.
//!   [`recoveries`]: two in a row, each stopped at each of its steps.
//!
//! Whatever was done, the board either says the same as before, or is refused with the place, or reports it: by a notice
//! or by the doctor. Only this may be lost without anybody being able to tell, after a restart alone, when nothing but
//! the files is left, and as `journal` in the store states it:
//!
//! - the oldest part of the history, which may have been removed on purpose: the doctor notes with which entry it begins;
//! - the very last batch, where a changed bit looks like an end that a crash has torn: then the bytes are set aside and
//!   reported. The batch is one entry here, since each was synced before the next came;
//! - the end of a journal that was cut: what is left is the journal as it once was. If it was cut within a line, that line
//!   is set aside and reported.
//!
//! Large values and policies' files aren't damaged here: they are people's plain files, without checksums.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use taskhost_board::{Digest, Finding, Keeper as _, Sequence};
use taskhost_store_file::simulation::{Counted, Dice, Fault};
use taskhost_store_file::{FileStore, Notice};

use crate::crash::harm;
use crate::examine::{contradictions, examine, work_on};
use crate::operations::{self, board};
use crate::rounds::Round;
use crate::stage::{STANDARD, Stage, text};
use crate::{Bug, Count, Effort, Harm, Outcome};

/// No recovery has more changes than this.
const STEPS_MAX: u64 = 64;

type Files = BTreeMap<String, Vec<u8>>;

const JOURNAL: &str = "journal-2.jsonl";
const SNAPSHOT: &str = "tasks-2.jsonl";
const HISTORY: &str = "history/journal-1.jsonl";
const POINTER: &str = "board.json";

/// Something done to a board's files.
struct Damage {
    what: String,
    /// The new content of files; none if it is gone.
    files: Vec<(String, Option<Vec<u8>>)>,
    /// The first entry that may be lost after a restart of the machine.
    may_lose: Option<Sequence>,
}

/// A board that nobody has open, and what it was like earlier.
struct Subject {
    stage: Stage,
    files: Files,
    earlier: Files,
    /// The files of another board.
    foreign: Files,
    last: Sequence,
}

/// The damages that were tried in earlier rounds, by what was done.
pub(crate) type Damages = BTreeSet<String>;
/// The recoveries that were, by the operation, and where the two were stopped; the second nowhere if it came to its end.
pub(crate) type Recoveries = BTreeSet<(&'static str, u64, Option<u64>)>;

/// Damages every file in every way, in some of its places.
pub fn damage(effort: &Effort, bug: Option<Bug>) -> Outcome {
    damage_at(effort, bug, Round::FIRST, &mut Damages::default())
}

/// The same in the places of this round.
pub(crate) fn damage_at(
    effort: &Effort,
    bug: Option<Bug>,
    round: Round,
    tried: &mut Damages,
) -> Outcome {
    let mut outcome = Outcome::default();
    let subject = match Subject::new(bug) {
        Ok(subject) => subject,
        Err(why) => {
            outcome.wrong(Harm::Broken, format!("the board to be damaged: {why}"));
            return outcome;
        }
    };
    for damage in subject.damages(round, &mut round.dice(effort, "damage")) {
        if tried.contains(&damage.what) {
            continue;
        }
        if !round.is_first() && effort.is_over() {
            break;
        }
        for is_restarted in [false, true] {
            subject.look(&damage, is_restarted, &mut outcome);
            if effort.first_only && !outcome.wrong.is_empty() {
                return outcome;
            }
        }
        tried.insert(damage.what);
    }
    outcome
}

impl Subject {
    fn new(bug: Option<Bug>) -> Result<Self, String> {
        let stage = board(bug)?;
        let earlier = stage.world.files();
        let desk = stage.desk()?;
        desk.store.compact(crate::stage::far()).map_err(text)?;
        for number in 0..4 {
            desk.add(&format!("later-{number}"), &[])?;
        }
        let mut middle = stage.world.files();
        desk.add("last", &[])?;
        let last =
            stage.testimony.lock().acknowledged.last().map(|(at, _)| *at).unwrap_or_default();
        drop(desk);
        let foreign = {
            let other = board(None)?;
            let desk = other.desk()?;
            desk.add("theirs-early", &[])?;
            desk.store.compact(crate::stage::far()).map_err(text)?;
            desk.add("theirs", &[])?;
            other.world.files()
        };
        middle.insert(POINTER.into(), earlier[POINTER].clone());
        let files = stage.world.files();
        Ok(Self { stage, files, earlier: middle, foreign, last })
    }

    /// The files whose content is checked.
    fn names(&self) -> Vec<String> {
        let policy = format!("policies/{}.wasm", Digest::of(STANDARD));
        vec![POINTER.into(), SNAPSHOT.into(), JOURNAL.into(), HISTORY.into(), policy]
    }

    fn damages(&self, round: Round, dice: &mut Dice) -> Vec<Damage> {
        let mut damages = Vec::new();
        for name in self.names() {
            let content = &self.files[&name];
            for bit in chosen(content.len() * 8, 100, round, dice) {
                let mut flipped = content.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let what = format!("bit {bit} of `{name}` flipped");
                damages.push(self.one(&name, what, Some(flipped)));
            }
            for block in chosen(content.len().div_ceil(64), 12, round, dice) {
                let mut zeroed = content.clone();
                let end = (block * 64 + 64).min(zeroed.len());
                zeroed[block * 64..end].fill(0);
                let what = format!("zeros over bytes {} to {end} of `{name}`", block * 64);
                damages.push(self.one(&name, what, Some(zeroed)));
            }
            for length in chosen(content.len(), 60, round, dice) {
                damages.push(self.cut(&name, length));
            }
            damages.push(self.one(&name, format!("`{name}` removed"), None));
            for (from, others) in
                [("an older copy", &self.earlier), ("another board", &self.foreign)]
            {
                if let Some(other) = others.get(&name).filter(|other| *other != content) {
                    damages.push(self.other(&name, from, other.clone()));
                }
            }
        }
        damages.extend(self.swapped());
        damages.extend(self.changed_lines());
        damages
    }

    fn one(&self, name: &str, what: String, content: Option<Vec<u8>>) -> Damage {
        let journal = content.as_deref().filter(|_| name == JOURNAL);
        let may_lose = journal.map(|journal| self.end_of(journal));
        Damage { what, files: vec![(name.to_owned(), content)], may_lose }
    }

    /// The first entry of the journal after which no line is left as it was, that could tell of those before it.
    fn end_of(&self, journal: &[u8]) -> Sequence {
        let is_left = |line: &&[u8]| journal.windows(line.len()).any(|window| window == *line);
        let lines: Vec<&[u8]> =
            self.files[JOURNAL].split_inclusive(|byte| *byte == b'\n').collect();
        let end = lines.iter().rposition(is_left).map_or(0, |at| at + 1);
        Sequence(self.last.0 + 1 - (lines.len() - end) as u64)
    }

    /// The last entry that is in the history and not in the journal.
    fn base(&self) -> Sequence {
        let lines = self.files[JOURNAL].iter().filter(|byte| **byte == b'\n').count() as u64;
        Sequence(self.last.0 - lines)
    }

    fn cut(&self, name: &str, length: usize) -> Damage {
        let content = self.files[name][..length].to_vec();
        self.one(name, format!("`{name}` cut to {length} bytes"), Some(content))
    }

    fn other(&self, name: &str, from: &str, content: Vec<u8>) -> Damage {
        self.one(name, format!("`{name}` of {from} put in its place"), Some(content))
    }

    /// Each file in the place of each other one.
    fn swapped(&self) -> Vec<Damage> {
        let names = self.names();
        let mut damages = Vec::new();
        for (at, one) in names.iter().enumerate() {
            for other in &names[at + 1..] {
                let files = [(one, other), (other, one)]
                    .map(|(to, from)| (to.clone(), Some(self.files[from].clone())));
                let what = format!("`{one}` and `{other}` swapped");
                let journal = files.iter().find(|(name, _)| name == JOURNAL);
                let may_lose =
                    journal.and_then(|(_, content)| Some(self.end_of(content.as_deref()?)));
                damages.push(Damage { what, files: files.into(), may_lose });
            }
        }
        damages
    }

    /// Lines of the journal that are gone, there twice, out of order, or somebody else's.
    fn changed_lines(&self) -> Vec<Damage> {
        let lines: Vec<&[u8]> =
            self.files[JOURNAL].split_inclusive(|byte| *byte == b'\n').collect();
        let count = lines.len();
        let theirs: Vec<&[u8]> =
            self.foreign[JOURNAL].split_inclusive(|byte| *byte == b'\n').collect();
        let older: Vec<&[u8]> =
            self.files[HISTORY].split_inclusive(|byte| *byte == b'\n').collect();
        let mut damages = Vec::new();
        let mut add = |what: String, lines: Vec<&[u8]>| {
            damages.push(self.one(JOURNAL, what, Some(lines.concat())));
        };
        for from in 0..count - 1 {
            for to in from + 1..count {
                let what = format!("lines {} to {to} of `{JOURNAL}` gone", from + 1);
                add(what, [&lines[..from], &lines[to..]].concat());
            }
            let mut swapped = lines.clone();
            swapped.swap(from, from + 1);
            add(format!("lines {} and {} of `{JOURNAL}` swapped", from + 1, from + 2), swapped);
        }
        for at in 0..=count {
            for (whose, line) in
                [("another board", theirs[0]), ("generation 1", older[0]), ("itself", lines[0])]
            {
                let what = format!("a line of {whose} put before line {} of `{JOURNAL}`", at + 1);
                add(what, [&lines[..at], &[line], &lines[at..]].concat());
            }
        }
        damages
    }

    fn look(&self, damage: &Damage, is_restarted: bool, outcome: &mut Outcome) {
        outcome.count(Count::Faults, 1);
        let stage = self.stage.copy();
        for (name, content) in &damage.files {
            stage.world.tamper(name, content.clone());
        }
        if is_restarted {
            stage.world.restart();
        }
        let may_lose = damage.may_lose.filter(|_| is_restarted);
        let found = self.verdict(&stage, damage, may_lose);
        outcome.count(Count::FaultsReported, u64::from(found == Ok(true)));
        let when = if is_restarted { "after a restart" } else { "in the same boot" };
        for what in found.err().unwrap_or_default() {
            let harm = match harm(&what) {
                Harm::Broken => Harm::Silent,
                other => other,
            };
            outcome.wrong(harm, format!("{}, {when}: {what}", damage.what));
        }
    }

    /// Whether the damage was reported; everything that is wrong, if it wasn't and did harm.
    fn verdict(
        &self,
        stage: &Stage,
        damage: &Damage,
        may_lose: Option<Sequence>,
    ) -> Result<bool, Vec<String>> {
        let process = stage.world.process();
        let store = match process.open(stage.options()) {
            Ok(store) => store,
            Err(error) if error.to_string().contains('`') => return Ok(true),
            Err(error) => return Err(vec![format!("refused without a place: {error}")]),
        };
        let found = contradictions(stage, &store);
        // Whoever reads what can't be read is told at once; the doctor tells only who asks, which excuses nothing that is
        // missing or that nobody wrote.
        if found.iter().any(|what| what.contains("can't be read")) {
            return Ok(true);
        }
        let is_report = |what: &&String| what.starts_with("the doctor: ");
        let (reports, silent): (Vec<&String>, Vec<&String>) = found.iter().partition(is_report);
        if silent.is_empty() && !reports.is_empty() {
            return Ok(true);
        }
        let notices = store.notices();
        if silent.is_empty() {
            work_on(stage).map_err(|why| vec![format!("it can't be worked on: {why}")])?;
            return Ok(!notices.is_empty());
        }
        let silent: Vec<String> = silent.into_iter().cloned().collect();
        // The doctor notes where the history begins: it can't know whether somebody was meant to remove the rest.
        let is_short = |finding: &Finding| finding.what.contains("begins with entry");
        let is_short = store.doctor().findings.iter().any(is_short);
        let is_noted = may_lose.is_some() || is_short;
        let first = may_lose.unwrap_or(Sequence(u64::MAX));
        let from = if is_short { self.base() } else { Sequence(0) };
        if !is_noted || !self.is_an_end(stage, &store, damage, from..first) {
            return Err(silent);
        }
        work_on(stage).map_err(|why| vec![format!("it can't be worked on: {why}")])?;
        Ok(is_short || !notices.is_empty())
    }

    /// Whether all of these entries are there, so that what is lost is the end of the journal after them, and whether what
    /// was there in its place is kept aside and reported.
    fn is_an_end(
        &self,
        stage: &Stage,
        store: &FileStore,
        damage: &Damage,
        kept: Range<Sequence>,
    ) -> bool {
        let mut entries = Vec::new();
        let mut each = |sequence, entry| {
            entries.push((sequence, entry));
            true
        };
        if taskhost_board::Store::history(store, Sequence(0), &mut each).is_err() {
            return false;
        }
        let testimony = stage.testimony.lock();
        let mut acknowledged = testimony.acknowledged.iter();
        let is_all_there = acknowledged
            .all(|entry| entry.0 <= kept.start || entry.0 >= kept.end || entries.contains(entry));
        drop(testimony);
        let damaged = damage.files.iter().find(|(name, _)| name == JOURNAL);
        let damaged = damaged.and_then(|(_, content)| content.as_deref());
        let damaged = damaged.unwrap_or(&self.files[JOURNAL]);
        let files = stage.world.files();
        let left = &files[JOURNAL];
        let dropped = damaged.get(left.len()..).unwrap_or_default();
        let is_set_aside = store.notices().iter().any(|notice| {
            matches!(notice, Notice::TornEnd { kept_in, bytes, is_certain: false, .. }
                if files.get(kept_in).is_some_and(|kept| kept == dropped)
                    && *bytes == dropped.len() as u64)
        });
        // Nothing follows the last entry as a cut leaves it.
        is_all_there && damaged.starts_with(left) && (dropped.is_empty() || is_set_aside)
    }
}

/// All numbers below a bound, or some that are drawn by lot, the first and the last among them.
fn chosen(bound: usize, some: usize, round: Round, dice: &mut Dice) -> Vec<usize> {
    let some = round.wide(some);
    if bound <= some {
        return (0..bound).collect();
    }
    let mut chosen: Vec<usize> = (0..some).map(|_| dice.below(bound)).collect();
    chosen.extend([0, bound - 1]);
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// Recoveries of the same board one after the other, each stopped before each of its changes, and then the last one; of
/// the second ones, some.
pub fn recoveries(effort: &Effort, bug: Option<Bug>) -> Outcome {
    recoveries_at(effort, bug, Round::FIRST, &mut Recoveries::default())
}

/// The same, and all of those that are left in the rounds after the first.
pub(crate) fn recoveries_at(
    effort: &Effort,
    bug: Option<Bug>,
    round: Round,
    tried: &mut Recoveries,
) -> Outcome {
    let mut outcome = Outcome::default();
    let recovering = operations::all().filter(|operation| operation.name.starts_with("recovery"));
    for operation in recovering {
        let into = (&mut outcome, &mut *tried);
        if let Err(why) = recover_twice(operation, effort, bug, round, into) {
            outcome.wrong(Harm::Broken, format!("{}: {why}", operation.name));
        }
    }
    outcome
}

fn recover_twice(
    operation: &'static operations::Operation,
    effort: &Effort,
    bug: Option<Bug>,
    round: Round,
    (outcome, tried): (&mut Outcome, &mut Recoveries),
) -> Result<(), String> {
    let base = (operation.set)(bug)?;
    let mut dice = round.dice(effort, operation.name);
    for first in 0.. {
        let once = base.copy();
        let is_over = !stopped(&once, first);
        for second in 0.. {
            if !round.is_first() && effort.is_over() {
                return Ok(());
            }
            let is_left_out = round.is_first() && second > 0 && dice.below(3) > 0;
            let is_known = tried.contains(&(operation.name, first, Some(second)));
            if is_left_out || is_known {
                if second > STEPS_MAX {
                    break;
                }
                continue;
            }
            let twice = once.copy();
            let was_stopped = stopped(&twice, second);
            let stop = was_stopped.then_some(second);
            let is_new = tried.insert((operation.name, first, stop));
            // What came to its end twice met no fault.
            outcome.count(Count::Faults, u64::from(is_new && (was_stopped || !is_over)));
            for what in if is_new { examine(operation, &twice, false) } else { Vec::new() } {
                let name = operation.name;
                let text = format!(
                    "{name}, stopped before change {first}, done by another who was stopped before \
                     change {second}: {what}"
                );
                outcome.wrong(harm(&what), text);
            }
            if !was_stopped {
                break;
            }
        }
        if is_over {
            return Ok(());
        }
    }
    Ok(())
}

/// Opens the board in a process that is stopped before this change; whether it was.
fn stopped(stage: &Stage, at: u64) -> bool {
    let process = stage.world.process();
    process.plan(Counted::Changes, at, Fault::Stop);
    let opened = process.open(stage.options());
    drop(opened);
    process.is_stopped()
}
