//! What differs between courses of the same work, in figures.
//!
//! - [`Report`]: everything that is told, the same for people and programs; [`Report::of`] makes it.
//! - [`Column`]: one course in figures. [`Spread`]: how lengths of time are distributed.
//! - `difference`: where two courses gave different tasks.
//!
//! Lengths of time are in milliseconds, times in RFC 3339. The same courses give the same report.

mod difference;

use std::collections::BTreeMap;

use serde::Serialize;
use taskhost_board::{Name, Status};

pub use difference::{Given, Pair, Pairs};

use crate::course::Course;
use crate::history::Workload;

/// Everything there is to tell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What it was made from.
    pub history: History,
    /// The history as it was, then what was replayed.
    pub columns: Vec<Column>,
    /// Where the last two of the columns gave different tasks.
    pub differences: Pairs,
}

/// The history that was replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// How many entries it has.
    pub entries: u64,
    /// The first that is kept; older ones aren't if this isn't 1.
    pub begins_with: u64,
    /// When its first entry was written.
    pub from: Option<String>,
    /// When its last entry was written.
    pub to: Option<String>,
    /// How many tasks stood on the board before.
    pub tasks_before: u64,
    /// How many lines of work there were: agents that held one task at a time.
    pub workers: u64,
    /// How often policies or their settings were set meanwhile.
    pub policies_set: u64,
    /// Whether nothing in it was completed or failed, so that how long work takes is guessed.
    pub lengths_are_guessed: bool,
}

/// One course in figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// `recorded`, or what people call the policy.
    pub name: String,
    /// How many tasks were given to somebody.
    pub claims: u64,
    /// How many tasks came onto the board, and where they stood at the end.
    pub tasks: Tasks,
    /// How long tasks were ready before they were claimed, each time.
    pub ready_to_claim: Spread,
    /// How long tasks had been on the board before they were first claimed.
    pub added_to_claim: Spread,
    /// How long tasks had been on the board before they were completed.
    pub added_to_completed: Spread,
    /// From the first thing that happened to the last.
    pub took_ms: u64,
    /// By agent.
    pub agents: Vec<Share>,
    /// By type.
    pub types: Vec<Share>,
    /// What was refused and what failed.
    pub troubles: Vec<Trouble>,
    /// How many changes by operators came to nothing, because the board stood otherwise.
    pub moot: u64,
    /// Whether it was broken off because it went on and on.
    pub is_cut: bool,
}

/// Where tasks stood at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tasks {
    /// How many came onto the board.
    pub arrived: u64,
    /// How many were to come, and were refused.
    pub not_added: u64,
    /// How many stood where; those that were archived as they were last.
    #[serde(flatten)]
    pub by_status: BTreeMap<&'static str, u64>,
    /// How many of the pending ones were ready.
    pub ready: u64,
    /// How long one of them had been ready at most.
    pub ready_max_ms: u64,
}

/// How lengths of time are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    /// At most this long for half of them.
    pub p50_ms: u64,
    /// At most this long for 95 of 100 of them.
    pub p95_ms: u64,
    /// The longest.
    pub max_ms: u64,
}

/// The part of one agent or type.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// The agent's name, or the type.
    pub name: String,
    /// How many tasks it got, or how often tasks of this type were given.
    pub claims: u64,
    /// Its part of all of them, in percent.
    pub percent: f64,
    /// How long an agent held tasks; 0 for a type.
    pub held_ms: u64,
    /// How long the tasks that it got, or those of this type, were ready before.
    pub ready_to_claim: Spread,
}

/// Something that was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// What was asked for.
    pub what: String,
    /// What was said about it.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// The first time.
    pub first_at: String,
}

impl Report {
    /// Makes it of `courses`, each with its name: two policies, or one that is then set against the history itself.
    /// The first `shown` differences are told.
    pub fn of(workload: &Workload, courses: &[(String, Course)], shown: usize) -> Self {
        let recorded = ("recorded".to_owned(), workload.recorded.clone());
        let all: Vec<&(String, Course)> = [&recorded].into_iter().chain(courses).collect();
        let differences = match all.as_slice() {
            [.., a, b] => Pairs::of(a, b, shown),
            _ => Pairs::default(),
        };
        Self {
            history: History::of(workload),
            columns: all.iter().map(|(name, course)| Column::of(name, course)).collect(),
            differences,
        }
    }
}

impl History {
    fn of(workload: &Workload) -> Self {
        let basis = &workload.basis;
        Self {
            entries: basis.entries,
            begins_with: basis.first,
            from: basis.span.map(|(from, _)| taskhost_wire::time(from)),
            to: basis.span.map(|(_, to)| taskhost_wire::time(to)),
            tasks_before: basis.tasks_before,
            workers: workload.workers.len() as u64,
            policies_set: basis.policies_set,
            lengths_are_guessed: workload.attempts.are_guessed(),
        }
    }
}

impl Column {
    fn of(name: &str, course: &Course) -> Self {
        let took = course.span.map_or(0, |(from, to)| to.0.saturating_sub(from.0));
        let trouble = |trouble: &crate::course::Trouble| Trouble {
            what: trouble.what.clone(),
            reason: trouble.reason.clone(),
            count: trouble.count,
            first_at: taskhost_wire::time(trouble.first_at),
        };
        Self {
            name: name.to_owned(),
            claims: course.decisions.len() as u64,
            tasks: Tasks::of(course),
            ready_to_claim: Spread::of_sorted(&course.ready_ms),
            added_to_claim: Spread::of_sorted(&course.first_claim_ms),
            added_to_completed: Spread::of_sorted(&course.completed_ms),
            took_ms: took,
            agents: shares(course, |decision| &decision.agent, &course.held_ms),
            types: shares(course, |decision| &decision.task_type, &BTreeMap::new()),
            troubles: course.troubles.iter().map(trouble).collect(),
            moot: course.moot,
            is_cut: course.is_cut,
        }
    }
}

impl Tasks {
    fn of(course: &Course) -> Self {
        let count = |status: Status| course.at_end.get(&status).copied().unwrap_or_default();
        Self {
            arrived: course.arrived,
            not_added: course.not_added,
            by_status: Status::ALL.iter().map(|one| (one.as_str(), count(*one))).collect(),
            ready: course.ready_at_end,
            ready_max_ms: course.ready_at_end_ms,
        }
    }
}

impl Spread {
    /// How these are distributed, which are sorted.
    pub fn of_sorted(values: &[u64]) -> Self {
        let part = |percent: usize| {
            // The smallest value that so many of a hundred don't exceed.
            let place = (values.len() * percent).div_ceil(100).max(1) - 1;
            values.get(place).copied().unwrap_or_default()
        };
        Self {
            count: values.len() as u64,
            p50_ms: part(50),
            p95_ms: part(95),
            max_ms: values.last().copied().unwrap_or_default(),
        }
    }
}

/// The parts of all, the largest first.
fn shares(
    course: &Course,
    of: impl Fn(&crate::course::Decision) -> &Name,
    held_ms: &BTreeMap<Name, u64>,
) -> Vec<Share> {
    let mut waits: BTreeMap<&Name, Vec<u64>> = BTreeMap::new();
    for decision in &course.decisions {
        waits.entry(of(decision)).or_default().push(decision.waited_ms);
    }
    let all = course.decisions.len();
    let mut shares: Vec<Share> = waits
        .into_iter()
        .map(|(name, mut waits)| {
            waits.sort_unstable();
            Share {
                name: name.to_string(),
                claims: waits.len() as u64,
                percent: (waits.len() as f64 * 1000.0 / all as f64).round() / 10.0,
                held_ms: held_ms.get(name).copied().unwrap_or_default(),
                ready_to_claim: Spread::of_sorted(&waits),
            }
        })
        .collect();
    shares.sort_by(|a, b| b.claims.cmp(&a.claims).then_with(|| a.name.cmp(&b.name)));
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_is_the_smallest_value_that_so_many_do_not_exceed() {
        let spread = |values: &[u64]| {
            let Spread { count, p50_ms, p95_ms, max_ms } = Spread::of_sorted(values);
            (count, p50_ms, p95_ms, max_ms)
        };
        assert_eq!(spread(&[]), (0, 0, 0, 0));
        assert_eq!(spread(&[7]), (1, 7, 7, 7));
        assert_eq!(spread(&[1, 2, 3, 4]), (4, 2, 4, 4));
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(spread(&hundred), (100, 50, 95, 100));
    }
}
