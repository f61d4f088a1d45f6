//! Runs scenarios.

use taskhost_board::{Entry, Error, ReadError};

use crate::fresh::fresh;
use crate::judge;
use crate::laws::Laws;
use crate::scenario::{Line, Scenario, Step};
use crate::subject::{Runner, Subject};
use crate::world::{Came, World};

/// Something in a scenario that isn't as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line in the file, from 1; 0 for the whole.
    pub line: usize,
    /// The step.
    pub step: String,
    /// What is wrong.
    pub what: String,
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// How many steps were taken.
    pub steps: usize,
    /// How many tasks were given to somebody.
    pub given: u32,
    /// What isn't as it should be. After a failure of the policy, or what breaks a law of the board, nothing more is
    /// tried.
    pub faults: Vec<Fault>,
}

/// Runs a scenario twice, once with instances that are used again and once with fresh ones, and compares the two: a
/// policy decides the same in both.
///
/// # Errors
///
/// If the policy can't be run at all, or isn't set so.
pub fn run(scenario: &Scenario, subject: &Subject, runner: &Runner<'_>) -> Result<Outcome, Error> {
    let (mut outcome, reused) = once(scenario, subject, runner)?;
    if !outcome.faults.is_empty() {
        return Ok(outcome);
    }
    let (_, fresh) = once(scenario, subject, &|powers| Ok(fresh(runner(powers)?)))?;
    // What would be wrong with the fresh ones alone is a difference too.
    if let Some((line, found)) = difference(scenario, &reused, &fresh) {
        // A policy that decides by something else would do so too if nothing were fresh.
        let (_, again) = once(scenario, subject, runner)?;
        let why = if again == reused {
            "in a fresh instance; keep nothing in globals that a decision depends on"
        } else {
            "when it was asked the same again; decide by nothing but what the contract gives"
        };
        let what =
            format!("{}; {} {why}", judge::shown(&reused[found].0), judge::shown(&fresh[found].0));
        outcome.faults.push(Fault { line: line.number, step: line.text.clone(), what });
    }
    Ok(outcome)
}

/// What came of each step, and the entries that there were after it.
type Trace = Vec<(Came, Vec<Entry>)>;

fn once(
    scenario: &Scenario,
    subject: &Subject,
    runner: &Runner<'_>,
) -> Result<(Outcome, Trace), Error> {
    let mut world = World::new(subject, &scenario.settings, runner)?;
    let (mut outcome, mut trace, mut laws) = (Outcome::default(), Trace::new(), Laws::default());
    for line in &scenario.lines {
        let fault = |what| Fault { line: line.number, step: line.text.clone(), what };
        let came = world.take(&line.step)?;
        outcome.steps += 1;
        let wrong = match &line.step {
            Step::Expect(state) => judge::holds(state, &world)?,
            _ => judge::came(line.expected.as_ref(), &came),
        };
        let failed = wrong.is_some() && matches!(came, Came::Failed(_));
        outcome.faults.extend(wrong.map(fault));
        let entries = world.store.take_entries();
        let broken = match failed {
            true => None,
            false => laws.look(&line.step, &entries, &came, &world)?,
        };
        let is_over = failed || broken.is_some();
        outcome.faults.extend(broken.map(fault));
        trace.push((came, entries));
        if is_over {
            break;
        }
    }
    outcome.given = world.given.values().sum();
    Ok((outcome, trace))
}

/// The first step of which something else came, and its place.
fn difference<'a>(scenario: &'a Scenario, one: &Trace, other: &Trace) -> Option<(&'a Line, usize)> {
    let mut pairs = one.iter().zip(other);
    let found = pairs.position(|(one, other)| one != other)?;
    scenario.lines.get(found).map(|line| (line, found))
}

impl World {
    pub(crate) fn now(&self) -> Result<u64, ReadError> {
        Ok(taskhost_board::Store::snapshot(&self.store)?.1.wall.0)
    }
}
