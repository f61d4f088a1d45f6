//! Faults: each kind of operation meets a failing disk at each of its operations in turn.
//!
//! - [`faults`]: the part; it takes `damage` in. [`fault`]: one kind of operation. [`replay`]: one of its cases again.
//!
//! An operation fails, a write is short, the disk is full, a sync fails and its pages are lost. Then either everything is
//! examined at once, as after `kill -9` and in some states that a power failure may leave; or the one that met the fault
//! goes on before it is; or somebody who opens the board late works there, and then it goes on. The errors themselves
//! aren't looked at: they may be any. What was acknowledged must be there, and everything else whole or not at all.
//!
//! Every fault comes at every operation where it does something of its own, however little time there is, with others or
//! without them: a sync is lost only at a sync, and only an append is short. Where a sync has lost something, it comes in
//! every one of these ways. Until the time is over, the rest follows, then more states of the disk and more damage, round
//! by round (`rounds`).
//!
//! A case is named such as `fault/claim/17/3/late/5`: the operation, where the fault came, which one of [`FAULTS`],
//! who goes on ([`Next`]), and the state of the disk (or `killed`; `evicted` if after that the pages that a failed sync had
//! lost were read from the disk again, in the same boot).

use std::io;

use parking_lot::Mutex;
use taskhost_board::Store as _;
use taskhost_store_file::simulation::{Breadth, Counted, Dice, Effect, Fault, World};

use crate::crash::{Seen, fingerprint, harm};
use crate::damage::{damage_at, recoveries_at};
use crate::examine::examine;
use crate::operations::{self, Act, Operation};
use crate::rounds::{Round, first, further};
use crate::stage::{Done, Stage, text};
use crate::{Bug, Count, Effort, Harm, Outcome, Part};

/// What goes wrong, and what comes of it: elsewhere it does the same as a failing disk.
const FAULTS: [(&str, Fault, Effect); 4] = [
    ("a failed sync", Fault::LostSync, Effect::PagesLost),
    ("a short write", Fault::ShortWrite, Effect::WrittenByHalf),
    (
        "a full disk",
        Fault::Fail(io::ErrorKind::StorageFull),
        Effect::Failed(io::ErrorKind::StorageFull),
    ),
    ("a failing disk", Fault::Fail(io::ErrorKind::Other), Effect::Failed(io::ErrorKind::Other)),
];

/// The part.
pub fn faults() -> Part {
    Part {
        name: "faults",
        does: "every operation meets a failing disk at every step, and every file is damaged in every way",
        share: 2,
        run,
    }
}

/// What a round consists of.
enum Unit {
    Faults(&'static Operation, Seen),
    Damage,
    Recoveries,
}

fn run(effort: &Effort, bug: Option<Bug>) -> Outcome {
    let (damages, recoveries) = (Mutex::default(), Mutex::default());
    // The longest ones first, so that none is left for one thread alone in the end.
    let units: Vec<Unit> = [Unit::Damage, Unit::Recoveries]
        .into_iter()
        .chain(operations::all().map(|operation| Unit::Faults(operation, Seen::default())))
        .collect();
    let mut outcome = first(&units, effort, |unit| match unit {
        Unit::Faults(operation, seen) => faults_of(operation, effort, bug, Round::FIRST, seen),
        Unit::Damage => damage_at(effort, bug, Round::FIRST, &mut damages.lock()),
        Unit::Recoveries => recoveries_at(effort, bug, Round::FIRST, &mut recoveries.lock()),
    });
    further("faults", &units, effort, &mut outcome, |round, unit| match unit {
        Unit::Faults(operation, seen) => faults_of(operation, effort, bug, round, seen),
        Unit::Damage => damage_at(effort, bug, round, &mut damages.lock()),
        Unit::Recoveries => recoveries_at(effort, bug, round, &mut recoveries.lock()),
    });
    outcome
}

/// Lets one kind of operation meet every fault. An unknown name is something wrong.
pub fn fault(operation: &str, effort: &Effort, bug: Option<Bug>) -> Outcome {
    match operations::named(operation) {
        Some(operation) => faults_of(operation, effort, bug, Round::FIRST, &Seen::default()),
        None => nothing(operation),
    }
}

fn nothing(name: &str) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.wrong(Harm::Broken, format!("there is no operation or case `{name}`"));
    outcome
}

/// Runs one case again.
pub(crate) fn replay(case: &str, effort: &Effort, bug: Option<Bug>) -> Outcome {
    let Some(case) = Case::parse(case) else { return nothing(case) };
    let mut outcome = Outcome::default();
    let base = match (case.operation.set)(bug) {
        Ok(base) => base,
        Err(why) => {
            outcome.wrong(Harm::Broken, why);
            return outcome;
        }
    };
    Faulty { effort, outcome: &mut outcome, seen: &Seen::default() }.run(&base, &case);
    outcome
}

/// One fault, and what is looked at afterwards; no `state` stands for all.
#[derive(Clone)]
struct Case {
    operation: &'static Operation,
    at: u64,
    fault: usize,
    next: Next,
    round: Round,
    state: Option<String>,
}

/// Who goes on after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Nobody,
    /// The one that met it, if it had the board open; else somebody reads what there is.
    Itself,
    /// Somebody who opens the board late, and then the one that met it.
    Others,
}

impl Next {
    const ALL: [Self; 3] = [Self::Nobody, Self::Itself, Self::Others];

    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "at once",
            Self::Itself => "again",
            Self::Others => "late",
        }
    }
}

impl Case {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("fault/")?;
        let mut parts = rest.rsplitn(5, '/');
        let state = parts.next()?.to_owned();
        let round = Round::parse(&state).map_or(Round::FIRST, |(round, _)| round);
        let next = parts.next()?;
        let next = Next::ALL.into_iter().find(|known| known.name() == next)?;
        let fault = parts.next()?.parse().ok().filter(|fault| *fault < FAULTS.len())?;
        let at = parts.next()?.parse().ok()?;
        let operation = operations::named(parts.next()?)?;
        Some(Self { operation, at, fault, next, round, state: Some(state) })
    }

    fn name(&self, state: &str) -> String {
        let (operation, next) = (self.operation.name, self.next.name());
        format!("fault/{operation}/{}/{}/{next}/{state}", self.at, self.fault)
    }
}

fn faults_of(
    operation: &'static Operation,
    effort: &Effort,
    bug: Option<Bug>,
    round: Round,
    seen: &Seen,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut faulty = Faulty { effort, outcome: &mut outcome, seen };
    if let Err(why) = fault_everywhere(operation, bug, round, &mut faulty) {
        outcome.wrong(Harm::Broken, format!("{}: {why}", operation.name));
    }
    outcome
}

fn fault_everywhere(
    operation: &'static Operation,
    bug: Option<Bug>,
    round: Round,
    faulty: &mut Faulty<'_>,
) -> Done {
    let effort = faulty.effort;
    let base = (operation.set)(bug)?;
    let undisturbed = (Counted::All, u64::MAX, Fault::Stop);
    let count = meet(operation, &base, undisturbed, Next::Nobody)?.operations;
    if count < operation.points_alone_min() {
        return Err(format!("only {count} operations of the disk were counted"));
    }
    let mut dice = Dice::new(effort.seed, operation.name);
    for at in 0..count {
        for fault in 0..FAULTS.len() {
            // The others of the first round's come in the second.
            let drawn =
                if (dice.below(2) == 0) == round.is_odd() { Next::Others } else { Next::Nobody };
            let case = Case { operation, at, fault, next: drawn, round, state: None };
            let has_lost = faulty.run(&base, &case);
            // What a failed sync lost is missed by some of those who go on, and not by others.
            for next in Next::ALL.into_iter().filter(|next| has_lost && *next != drawn) {
                faulty.run(&base, &Case { next, ..case.clone() });
            }
            let is_enough = effort.first_only && !faulty.outcome.wrong.is_empty();
            if is_enough || (!round.is_first() && effort.is_over()) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What came of an operation that met a fault.
struct Met {
    stage: Stage,
    is_acknowledged: bool,
    /// How many operations of the disk there were.
    operations: u64,
    /// What came of the fault.
    effect: Option<Effect>,
}

fn meet(
    operation: &Operation,
    base: &Stage,
    (counted, at, fault): (Counted, u64, Fault),
    next: Next,
) -> Result<Met, String> {
    let stage = base.copy();
    let process = stage.world.process();
    let (is_acknowledged, desk) = match operation.act {
        Act::Alone(act) => {
            process.plan(counted, at, fault);
            (act(&stage, &process).is_ok(), None)
        }
        Act::AtDesk(act) => {
            let desk = stage.desk_of(process.clone())?;
            process.plan(counted, at, fault);
            (act(&desk).is_ok(), Some(desk))
        }
    };
    let (operations, effect) = (process.operations(counted), process.struck());
    // Whether they get anywhere is seen by what they were told.
    if next == Next::Others {
        let _ = stage.desk().and_then(|late| late.add("late", &[]));
    }
    if next != Next::Nobody {
        let _ = match &desk {
            Some(desk) => desk.add("again", &[]),
            None => stage.desk().and_then(|late| late.witnessed.snapshot().map(drop).map_err(text)),
        };
    }
    drop(desk);
    Ok(Met { stage, is_acknowledged, operations, effect })
}

struct Faulty<'a> {
    effort: &'a Effort,
    outcome: &'a mut Outcome,
    /// What of the operation was examined already.
    seen: &'a Seen,
}

impl Faulty<'_> {
    /// Runs a case; whether a sync has lost something in it.
    fn run(&mut self, base: &Stage, case: &Case) -> bool {
        let (_, fault, own) = FAULTS[case.fault];
        let met = match meet(case.operation, base, (Counted::All, case.at, fault), case.next) {
            Ok(met) => met,
            Err(why) => {
                self.wrong(case, "0", "before it began", &why);
                return false;
            }
        };
        if met.effect != Some(own) {
            return false;
        }
        let has_lost = met.stage.world.has_lost();
        // Later rounds come to the same ones, and look at more states; what was lost comes in every way in the first.
        let is_new = case.round.is_first() || !(case.round.is_repeated() || has_lost);
        let is_wanted = |state: &str| case.state.as_deref().is_none_or(|wanted| wanted == state);
        if is_new {
            self.outcome.count(Count::Faults, 1);
            self.outcome.count(Count::FaultsReported, u64::from(!met.is_acknowledged));
            for what in met.stage.world.order_violations() {
                self.wrong(case, "killed", "in what was recorded", &what);
            }
        }
        let said = fingerprint(&met.stage, met.is_acknowledged);
        for (number, survivor) in met.stage.world.states(&self.breadth(case)).iter().enumerate() {
            let state = case.round.state(number);
            if is_wanted(&state) && self.seen.add(survivor.fingerprint() ^ said) {
                let after = format!("power failure, {}", survivor.what);
                self.look(case, &met, World::booted(survivor), &state, &after);
            }
        }
        if is_new && has_lost && is_wanted("evicted") {
            let world = met.stage.world.copy();
            world.evict();
            self.look(case, &met, world, "evicted", "killed, what was lost dropped from memory");
        }
        if is_new && is_wanted("killed") {
            self.look(case, &met, met.stage.world.clone(), "killed", "killed");
        }
        has_lost
    }

    fn look(
        &mut self,
        case: &Case,
        met: &Met,
        world: std::sync::Arc<World>,
        state: &str,
        after: &str,
    ) {
        self.outcome.count(Count::DiskStates, 1);
        for what in examine(case.operation, &met.stage.left(world), met.is_acknowledged) {
            self.wrong(case, state, after, &what);
        }
    }

    fn breadth(&self, case: &Case) -> Breadth {
        let seed = case.round.dice(self.effort, &case.name("*")).roll();
        let (sampled, most) = (case.round.wide(8), case.round.wide(4));
        Breadth { complete_max: case.round.wide(64), sampled, most, seed }
    }

    fn wrong(&mut self, case: &Case, state: &str, after: &str, what: &str) {
        let late = match case.next {
            Next::Nobody => "",
            Next::Itself => ", then it went on",
            Next::Others => ", then others came",
        };
        let (operation, at, seed) = (case.operation.name, case.at, self.effort.seed);
        let (fault, case) = (FAULTS[case.fault].0, case.name(state));
        let text = format!(
            "{operation}, {fault} at operation {at}{late}, {after}: {what} (replay: '{case}' {seed})"
        );
        self.outcome.wrong(harm(what), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each fault was counted at each operation: a lost sync at a read too, where it does the same as a failing disk, and
    /// all of them again in each round.
    #[test]
    fn a_fault_counts_where_it_does_something_of_its_own_and_once() {
        let operation = operations::named("heartbeat").unwrap();
        let effort = Effort::new(1, std::time::Duration::from_secs(600));
        let base = (operation.set)(None).unwrap();
        let met =
            |at, fault| meet(operation, &base, (Counted::All, at, fault), Next::Nobody).unwrap();
        let effect = |at, fault| met(at, fault).effect;
        let undisturbed = (Counted::All, u64::MAX, Fault::Stop);
        let count = meet(operation, &base, undisturbed, Next::Nobody).unwrap().operations;
        assert_eq!(effect(count, Fault::Stop), None);

        let of = |fault, own| (0..count).filter(|at| effect(*at, fault) == Some(own)).count();
        let own = FAULTS.map(|(_, fault, own)| of(fault, own));
        let [syncs, appends, full, failing] = own;
        assert!(syncs > 0 && appends > 0 && syncs + appends < failing, "{own:?}");
        assert_eq!((full, failing), (count as usize, count as usize));

        let seen = Seen::default();
        let in_round = |round: &str| {
            let round = Round::parse(&format!("{round}.0")).unwrap().0;
            faults_of(operation, &effort, None, round, &seen).counted(Count::Faults)
        };
        let all = own.iter().sum::<usize>() as u64;
        let has_lost = |at: &u64| met(*at, Fault::LostSync).stage.world.has_lost();
        let lost = (0..count).filter(has_lost).count() as u64;
        assert!(lost > 0);
        // The second one has others come late where the first has none; what was lost comes in all three ways at once.
        assert_eq!(["0", "1", "2"].map(in_round), [all + 2 * lost, all - lost, 0]);
    }
}
