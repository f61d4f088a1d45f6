//! Crashes: each kind of operation is stopped before each of its changes of the disk and of shared memory in turn, alone
//! and with other writers' lines still in the page cache, and what is left is opened and examined: as after `kill -9`,
//! and in the states of the disk that a power failure may leave at that moment, or after somebody has opened it.
//!
//! - [`crashes`]: the part. [`crash`]: one kind of operation. [`replay`]: one state of one crash again.
//!
//! Every crash point is gone through, however little time there is. Of the states of a disk all are, where they are few;
//! elsewhere the extreme ones and some that are drawn by lot from the seed. Until the time is over, more states of every
//! crash point follow, round by round (`rounds`).
//!
//! What goes wrong is named by a case, such as `claim/2/7/13`: the operation, which other writers there were, before
//! which change it was stopped, and the number of the disk's state (or `killed`; `later-2` if somebody worked on before the
//! power failed; `3.13` is number 13 of the third round
//! after the first). With the seed, it can be run again alone:
//! `cargo run -p taskhost-simulated --example replay -- 'claim/2/7/13' SEED`.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use parking_lot::Mutex;
use taskhost_store_file::simulation::{Breadth, Counted, Fault, World};

use crate::examine::examine;
use crate::operations::{self, Act, Operation, WRITERS};
use crate::rounds::{Round, first, further};
use crate::stage::{Desk, Done, Stage};
use crate::{Bug, Count, Effort, Harm, Outcome, Part};

/// The part.
pub fn crashes() -> Part {
    Part {
        name: "crashes",
        does: "every operation is stopped at every step, and every state that the disk may be left in is examined",
        share: 3,
        run,
    }
}

fn run(effort: &Effort, bug: Option<Bug>) -> Outcome {
    let subjects: Vec<(&Operation, Seen)> =
        operations::all().map(|operation| (operation, Seen::default())).collect();
    let mut outcome =
        first(&subjects, effort, |(operation, seen)| crash_at(operation, effort, bug, seen));
    let with_others = operations::all().filter(|operation| operation.has_others).count();
    let among = format!("{}, of them {with_others} with writers stopped before", subjects.len());
    outcome.figure("kinds of operation", among);
    let units: Vec<(&Operation, &Seen, usize)> = subjects
        .iter()
        .flat_map(|(operation, seen)| {
            (0..groups_of(operation)).map(move |writers| (*operation, seen, writers))
        })
        .collect();
    further("crashes", &units, effort, &mut outcome, |round, (operation, seen, writers)| {
        let mut outcome = Outcome::default();
        let mut crasher = Crasher { operation, effort, bug, round, outcome: &mut outcome, seen };
        if let Err(why) = crasher.run_with(*writers) {
            outcome.wrong(Harm::Broken, format!("{}: {why}", operation.name));
        }
        outcome
    });
    outcome
}

/// With how many groups of other writers an operation is tried.
fn groups_of(operation: &Operation) -> usize {
    if operation.has_others { WRITERS.len() } else { 1 }
}

/// The names of all kinds of operations.
pub fn operations() -> Vec<&'static str> {
    operations::all().map(|operation| operation.name).collect()
}

/// Stops one kind of operation everywhere. An unknown name is something wrong.
pub fn crash(operation: &str, effort: &Effort, bug: Option<Bug>) -> Outcome {
    match operations::named(operation) {
        Some(operation) => crash_at(operation, effort, bug, &Seen::default()),
        None => nothing(operation),
    }
}

/// Runs one case again: only this state after this crash, or this fault, is examined.
pub fn replay(case: &str, effort: &Effort, bug: Option<Bug>) -> Outcome {
    if case.starts_with("fault/") {
        return crate::fault::replay(case, effort, bug);
    }
    let Some((operation, round, case)) = Case::parse(case) else { return nothing(case) };
    let (mut outcome, seen) = (Outcome::default(), &Seen::default());
    let mut crasher = Crasher { operation, effort, bug, round, outcome: &mut outcome, seen };
    if let Err(why) = crasher.run_case(&case) {
        outcome.wrong(Harm::Broken, why);
    }
    outcome
}

fn nothing(name: &str) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.wrong(Harm::Broken, format!("there is no operation or case `{name}`"));
    outcome
}

/// One crash, and what it left.
#[derive(Debug, Clone, Copy)]
struct Case {
    operation: &'static str,
    writers: usize,
    point: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Every,
    Killed,
    /// Killed, then worked on, and then the power failed.
    Later(usize),
    Number(Round, usize),
}

impl Case {
    fn parse(text: &str) -> Option<(&'static Operation, Round, Self)> {
        let mut parts = text.rsplitn(4, '/');
        let (round, state) = match parts.next()? {
            "killed" => (Round::FIRST, State::Killed),
            state if state.starts_with("later-") => {
                (Round::FIRST, State::Later(state["later-".len()..].parse().ok()?))
            }
            state => {
                let (round, number) = Round::parse(state)?;
                (round, State::Number(round, number))
            }
        };
        let point = parts.next()?.parse().ok()?;
        let writers = parts.next()?.parse().ok().filter(|writers| *writers < WRITERS.len())?;
        let operation = operations::named(parts.next()?)?;
        Some((operation, round, Self { operation: operation.name, writers, point, state }))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/", self.operation, self.writers, self.point)?;
        match self.state {
            State::Every => f.write_str("*"),
            State::Killed => f.write_str("killed"),
            State::Later(number) => write!(f, "later-{number}"),
            State::Number(round, number) => f.write_str(&round.state(number)),
        }
    }
}

fn crash_at(
    operation: &'static Operation,
    effort: &Effort,
    bug: Option<Bug>,
    seen: &Seen,
) -> Outcome {
    let mut outcome = Outcome::default();
    let round = Round::FIRST;
    let mut crasher = Crasher { operation, effort, bug, round, outcome: &mut outcome, seen };
    let everywhere = crasher.run();
    let name = operation.name;
    if let Err(why) = everywhere {
        outcome.wrong(Harm::Broken, format!("{name}: {why}"));
    }
    let (points, states) =
        (outcome.counted(Count::CrashPoints), outcome.counted(Count::DiskStates));
    let (points_min, states_min) = operation.at_least;
    if outcome.wrong.is_empty() && bug.is_none() && (points < points_min || states < states_min) {
        let what = format!(
            "{name}: only {points} crash points and {states} states of the disk were examined, and there must be \
             {points_min} and {states_min}"
        );
        outcome.wrong(Harm::Broken, what);
    }
    outcome
}

/// Something that somebody asks who opens what was left.
type Question = fn(&Desk) -> Done;

/// What is asked, and how that is called.
const QUESTIONS: [(&str, Question); 2] = [("read", Desk::read), ("listed", Desk::list)];

/// Crashes one kind of operation.
struct Crasher<'a> {
    operation: &'static Operation,
    effort: &'a Effort,
    bug: Option<Bug>,
    round: Round,
    outcome: &'a mut Outcome,
    seen: &'a Seen,
}

/// What of one operation was examined already: the same files after the same answers.
#[derive(Default)]
pub(crate) struct Seen(Mutex<BTreeSet<u64>>);

impl Seen {
    /// Whether it is new.
    pub(crate) fn add(&self, fingerprint: u64) -> bool {
        self.0.lock().insert(fingerprint)
    }
}

/// What there is once a process was stopped.
struct Crash {
    stage: Stage,
    is_acknowledged: bool,
}

impl Crasher<'_> {
    fn run(&mut self) -> Result<(), String> {
        (0..groups_of(self.operation)).try_for_each(|writers| self.run_with(writers))
    }

    /// With these other writers, everywhere, or until the time for what isn't promised is over.
    fn run_with(&mut self, writers: usize) -> Result<(), String> {
        let base = self.base(writers)?;
        for point in 0.. {
            if !self.round.is_first() && self.effort.is_over() {
                break;
            }
            let operation = self.operation.name;
            let case = Case { operation, writers, point, state: State::Every };
            let is_over = self.crash(&base, &case)?;
            if is_over || (self.effort.first_only && !self.outcome.wrong.is_empty()) {
                break;
            }
            // Later rounds come to the same ones.
            self.outcome.count(Count::CrashPoints, u64::from(self.round.is_first()));
        }
        Ok(())
    }

    fn run_case(&mut self, case: &Case) -> Result<(), String> {
        let base = self.base(case.writers)?;
        self.crash(&base, case).map(drop)
    }

    fn base(&self, writers: usize) -> Result<Stage, String> {
        let base = (self.operation.set)(self.bug)?;
        base.stop_writers(WRITERS[writers])?;
        Ok(base)
    }

    /// Stops it at one point and examines what is left; `true` if it came to its end before.
    fn crash(&mut self, base: &Stage, case: &Case) -> Result<bool, String> {
        let stage = base.copy();
        let process = stage.world.process();
        let is_acknowledged = match self.operation.act {
            Act::Alone(act) => {
                process.plan(Counted::Changes, case.point, Fault::Stop);
                act(&stage, &process).is_ok()
            }
            Act::AtDesk(act) => {
                let desk = stage.desk_of(process.clone())?;
                process.plan(Counted::Changes, case.point, Fault::Stop);
                act(&desk).is_ok()
            }
        };
        let is_over = !process.is_stopped();
        self.examine(&Crash { stage, is_acknowledged }, case);
        Ok(is_over)
    }

    /// Examines what the crash left: all of it, or what the case names.
    fn examine(&mut self, crash: &Crash, case: &Case) {
        let world = &crash.stage.world;
        let is_first = case.state == State::Every && self.round.is_first();
        if is_first || case.state == State::Killed {
            for what in world.order_violations() {
                self.wrong(case, "in what was recorded", &what);
            }
        }
        let said = fingerprint(&crash.stage, crash.is_acknowledged);
        for (number, survivor) in world.states(&self.breadth(case)).iter().enumerate() {
            let case = match case.state {
                State::Every => Case { state: State::Number(self.round, number), ..*case },
                State::Number(_, wanted) if wanted == number => *case,
                _ => continue,
            };
            if self.seen.add(survivor.fingerprint() ^ said) {
                let after = format!("power failure, {}", survivor.what);
                self.look(&case, crash, World::booted(survivor), &after);
            }
        }
        if is_first || matches!(case.state, State::Later(_)) {
            self.look_later(crash, case);
        }
        if is_first || case.state == State::Killed {
            let case = Case { state: State::Killed, ..*case };
            self.look(&case, crash, world.clone(), "killed");
        }
    }

    /// Killed, and then somebody opens the board and is told something before the power fails: whoever mends what was left
    /// has to make it durable first, and so has whoever reads what stands beside the journal.
    fn look_later(&mut self, crash: &Crash, case: &Case) {
        let mut number = 0;
        for (what, ask) in QUESTIONS {
            let later = crash.stage.copy();
            // What doesn't open was no board yet; what should have opened is found as killed.
            let Ok(desk) = later.desk() else { return };
            if ask(&desk).is_err() {
                return;
            }
            drop(desk);
            let breadth = Breadth { complete_max: 4, sampled: 0, most: 4, seed: self.effort.seed };
            let later = Crash { stage: later, is_acknowledged: crash.is_acknowledged };
            let said = fingerprint(&later.stage, later.is_acknowledged);
            for survivor in &later.stage.world.states(&breadth) {
                let state = State::Later(number);
                number += 1;
                let is_wanted = case.state == State::Every || case.state == state;
                if is_wanted && self.seen.add(survivor.fingerprint() ^ said) {
                    let case = Case { state, ..*case };
                    let after = format!("killed, opened, {what}, power failure, {}", survivor.what);
                    self.look(&case, &later, World::booted(survivor), &after);
                }
            }
        }
    }

    fn look(&mut self, case: &Case, crash: &Crash, world: Arc<World>, after: &str) {
        self.outcome.count(Count::DiskStates, 1);
        let left = crash.stage.left(world);
        for what in examine(self.operation, &left, crash.is_acknowledged) {
            self.wrong(case, after, &what);
        }
    }

    fn breadth(&self, case: &Case) -> Breadth {
        let purpose = format!("{}/{}/{}", case.operation, case.writers, case.point);
        let seed = self.round.dice(self.effort, &purpose).roll();
        let (width, sampled) = (self.round.wide(32), self.round.wide(12));
        Breadth { complete_max: width, sampled, most: width, seed }
    }

    fn wrong(&mut self, case: &Case, after: &str, what: &str) {
        let writers = match WRITERS[case.writers] {
            [] => String::new(),
            stops => format!(" with writers that were stopped before {stops:?}"),
        };
        let (operation, point, seed) = (case.operation, case.point, self.effort.seed);
        let text = format!(
            "{operation}{writers}, stopped before change {point}, {after}: {what} (replay: '{case}' {seed})"
        );
        self.outcome.wrong(harm(what), text);
    }
}

/// Which harm a contradiction is.
pub(crate) fn harm(what: &str) -> Harm {
    const LOST: [&str; 4] = ["is missing", "was answered before", "was told of", "may only be"];
    const DOUBLED: [&str; 6] =
        ["twice", "was given after", "are held", "follows entry", "had ended", "was claimed while"];
    if LOST.iter().any(|lost| what.contains(lost)) {
        Harm::Lost
    } else if DOUBLED.iter().any(|doubled| what.contains(doubled)) {
        Harm::Doubled
    } else {
        Harm::Broken
    }
}

/// What was asked and said until then: the same state of a disk may be right after one answer and wrong after another.
pub(crate) fn fingerprint(stage: &Stage, is_acknowledged: bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    is_acknowledged.hash(&mut hasher);
    format!("{:?}", stage.testimony.lock()).hash(&mut hasher);
    hasher.finish()
}
