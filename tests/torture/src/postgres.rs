//! A board in PostgreSQL while everything fails that can: its workers, their connections, and the server.
//!
//! [`soak`] does it and compares what was acknowledged with the history; here it is counted with the rest.

use std::time::{Duration, Instant};

use taskhost_faults::soak::{self, Report};
use taskhost_simulated::{Bug, Count, Effort, Harm, Outcome, Part};
use taskhost_test_postgres::Programs;

use crate::program::beside;
use crate::unlooked::not_looked_at;

/// For how long it fails in the full programme.
const FULL_TIME: Duration = Duration::from_secs(20 * 60);
/// Until the server has failed once.
const LEAST_TIME: Duration = Duration::from_secs(6);
/// What is counted with the other parts' of its kind; the rest is told by its name.
const COUNTED: [(&str, Count); 3] = [
    ("claims", Count::Claims),
    ("workers killed", Count::Kills),
    ("workers stopped for a while", Count::Stops),
];

pub(crate) fn part() -> Part {
    Part {
        name: "postgres",
        does: "kills the workers of a board in PostgreSQL and the server, and cuts connections",
        share: 3,
        run,
    }
}

fn run(effort: &Effort, _bug: Option<Bug>) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(error) = Programs::find() {
        not_looked_at(&mut outcome, "a board in PostgreSQL", &format!("{error:#}"));
        return outcome;
    }
    let left = effort.until.saturating_duration_since(Instant::now());
    let time = if effort.is_full { FULL_TIME } else { left.max(LEAST_TIME) };
    let report = beside("faults")
        .map_err(Into::into)
        .and_then(|program| soak::run(&program, time, effort.seed));
    match report {
        Ok(report) => count(&mut outcome, report, effort.seed),
        Err(error) => outcome.wrong(Harm::Broken, format!("seed {}: {error:#}", effort.seed)),
    }
    outcome
}

fn count(outcome: &mut Outcome, report: Report, seed: u64) {
    for (what, times) in report.done {
        match COUNTED.iter().find(|(name, _)| *name == what) {
            Some((_, count)) => outcome.count(*count, times),
            None => outcome.figure(what, times.to_string()),
        }
    }
    for wrong in report.wrong {
        outcome.wrong(Harm::Broken, format!("seed {seed}: {wrong}"));
    }
}
