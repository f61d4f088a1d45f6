//! Orders of events: several processes on one board, each a thread over the simulated world, with somebody else
//! deciding at every operation who goes on.
//!
//! - [`schedules`]: the part. `scenarios`: what the processes do. `check`: what must hold afterwards.
//! - `order`: who goes on when. `case`: one schedule of one scenario, and what happens in it besides.
//!
//! A schedule follows from the seed, the scenario's name and its own number, so that it can be gone through again by
//! itself ([`again`]). Between two operations there is nothing that another process could see, so what is chosen is
//! every order that real processes could have, as far as their memory is in order.

mod case;
mod check;
mod dice;
mod order;
mod scenarios;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use taskhost_store_file::simulation::World;

use crate::outcome::{Bug, Count, Effort, Harm, Outcome, Part};
use case::{Case, Told, draw_mishap, draw_numbers};
use dice::Dice;
use order::{Done, What, Whim};
use scenarios::{ALL, Scenario};

/// Explores orders of events.
pub fn schedules() -> Part {
    Part {
        name: "schedules",
        does: "several processes in chosen orders, stopped, with failing syncs and power failures",
        share: 3,
        run,
    }
}

/// How many schedules of each scenario there are at least.
const LEAST: u64 = 50;
/// How many schedules of a scenario are gone through before the next scenario has its turn.
const ROUND: u64 = 50;
/// What an operation needs of a thread's stack at most, in bytes.
const STACK_BYTES: usize = 1 << 19;
/// How many steps a schedule has at most: one that has more goes in a circle.
const STEPS_MAX: usize = 400_000;

fn run(effort: &Effort, bug: Option<Bug>) -> Outcome {
    let mut outcome = Outcome::default();
    let started = Instant::now();
    let mut orders = Orders::default();
    let mut next = 0;
    // Round by round, so that each scenario has its share of the time.
    while next < LEAST || !effort.is_over() {
        for scenario in ALL {
            if next >= LEAST && effort.is_done(&outcome) {
                break;
            }
            orders.add(&explore(scenario, effort, bug, next..next + ROUND, &mut outcome));
            if effort.first_only && !outcome.wrong.is_empty() {
                return outcome;
            }
        }
        next += ROUND;
    }
    let per_second = outcome.counted(Count::Schedules) as f64 / started.elapsed().as_secs_f64();
    outcome.figure("schedules per second", format!("{per_second:.0}"));
    for (what, count) in orders.named() {
        outcome.figure(what, count.to_string());
    }
    outcome
}

/// Goes through one schedule again, as a failure names it: the scenario's name, the seed and the schedule's number.
pub fn again(scenario: &str, seed: u64, number: u64, bug: Option<Bug>) -> Option<Outcome> {
    let scenario = ALL.iter().find(|known| known.name == scenario)?;
    let mut outcome = Outcome::default();
    let effort = Effort::new(seed, std::time::Duration::ZERO);
    explore(scenario, &effort, bug, number..number + 1, &mut outcome);
    Some(outcome)
}

/// Goes through the schedules of these numbers.
fn explore(
    scenario: &'static Scenario,
    effort: &Effort,
    bug: Option<Bug>,
    numbers: std::ops::Range<u64>,
    outcome: &mut Outcome,
) -> Orders {
    let (seed, first_only) = (effort.seed, effort.first_only);
    let found: Arc<Mutex<(Outcome, Orders)>> = Arc::default();
    let number = Arc::new(AtomicU64::new(numbers.start));
    let end = numbers.end;
    // One that panics ends the run, and the others are gone through in another one.
    while number.load(Ordering::SeqCst) < end {
        let (now, so_far) = (number.clone(), found.clone());
        let whim = Whim::new(Box::new(move || {
            let is_done = first_only && !so_far.lock().0.wrong.is_empty();
            let at = now.load(Ordering::SeqCst);
            (at < end && !is_done).then(|| Dice::of(seed, scenario.name, at).next())
        }));
        let (now, into) = (number.clone(), found.clone());
        let once = move || {
            let at = now.load(Ordering::SeqCst);
            let mut dice = Dice::of(seed, scenario.name, !at);
            // Nothing is locked meanwhile: a thread that panics never lets go.
            let (mut outcome, orders) = one(scenario, &mut dice, bug);
            for wrong in &mut outcome.wrong {
                wrong.what = format!("{}: {}", name_of(scenario, seed, at), wrong.what);
            }
            let mut found = into.lock();
            found.0.merge(outcome);
            found.1.add(&orders);
            drop(found);
            now.store(at + 1, Ordering::SeqCst);
        };
        let ran = catch_unwind(AssertUnwindSafe(|| Runner::new(whim, config()).run(once)));
        if let Err(panic) = ran {
            let at = number.fetch_add(1, Ordering::SeqCst);
            let why = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("it panicked");
            let named = name_of(scenario, seed, at);
            found.lock().0.wrong(Harm::Broken, format!("{named}: {why}"));
        }
        if first_only && !found.lock().0.wrong.is_empty() {
            break;
        }
    }
    let (all, orders) = std::mem::take(&mut *found.lock());
    outcome.merge(all);
    orders
}

fn name_of(scenario: &Scenario, seed: u64, number: u64) -> String {
    let name = scenario.name;
    format!("{name}, schedule {number} of seed {seed} (`again(\"{name}\", {seed}, {number}, …)`)")
}

/// One schedule, from the thread that starts the others.
fn one(scenario: &Scenario, dice: &mut Dice, bug: Option<Bug>) -> (Outcome, Orders) {
    let told: Arc<Mutex<Told>> = Arc::default();
    let (mishap, numbers) = (draw_mishap(dice), draw_numbers(dice));
    let case = Case::new(World::new(), mishap, numbers, bug, told.clone());
    (scenario.start)(&case);
    case.turns.end();
    let states = check::check(&case, dice);
    let (mut outcome, mut orders) = (Outcome::default(), Orders::default());
    outcome.count(Count::Schedules, 1);
    outcome.count(Count::DiskStates, states);
    outcome.count(Count::Faults, case.faults());
    let mut told = told.lock();
    outcome.count(Count::Claims, told.claims);
    outcome.wrong = std::mem::take(&mut told.wrong);
    orders.look_at(&case.turns.done());
    (outcome, orders)
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.silence_warnings = true;
    config
}

/// Which orders of a switch and a writer there were, and how many schedules had them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Orders {
    /// A line was appended after the switch had read the board, and before it asked for the lock.
    before_lock: u64,
    /// A line was appended while the switch waited for the lock.
    while_waiting: u64,
    /// A writer waited for the lock while the switch had it.
    behind: u64,
}

impl Orders {
    fn named(self) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([
            ("schedules with a line between a switch's read and its lock", self.before_lock),
            ("schedules with a line while a switch waited for its lock", self.while_waiting),
            ("schedules with a writer behind a switch that had the lock", self.behind),
        ])
    }

    fn add(&mut self, other: &Self) {
        self.before_lock += other.before_lock;
        self.while_waiting += other.while_waiting;
        self.behind += other.behind;
    }

    fn look_at(&mut self, done: &[Done]) {
        let mut switch = Stage::None;
        let mut seen = Self::default();
        let is_board = |path: &str| path == "board.lock";
        for Done { process, what } in done {
            let is_its = switch.process() == Some(*process);
            match what {
                // A snapshot's temporary name: the board was read.
                What::Made(path) if path.contains("-tasks-") => switch = Stage::Read(*process),
                What::Refused(path) if is_its && is_board(path) => {
                    switch = Stage::Waits(*process);
                }
                What::Locked(path) if is_its && is_board(path) => switch = Stage::Locked(*process),
                What::Unlocked(path) if is_its && is_board(path) => switch = Stage::None,
                What::Appended(path) if !is_its && path.starts_with("journal-") => match switch {
                    Stage::Read(_) => seen.before_lock = 1,
                    Stage::Waits(_) => seen.while_waiting = 1,
                    Stage::Locked(_) | Stage::None => {}
                },
                What::Refused(path) if !is_its && is_board(path) => {
                    if matches!(switch, Stage::Locked(_)) {
                        seen.behind = 1;
                    }
                }
                _ => {}
            }
        }
        self.add(&seen);
    }
}

/// How far a switch has come.
#[derive(Debug, Clone, Copy)]
enum Stage {
    None,
    Read(u64),
    Waits(u64),
    Locked(u64),
}

impl Stage {
    fn process(self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Read(process) | Self::Waits(process) | Self::Locked(process) => Some(process),
        }
    }
}

#[cfg(test)]
mod tests;
