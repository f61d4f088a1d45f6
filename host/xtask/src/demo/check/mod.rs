//! The checker: proves from the evidence and the history that every crate was done once, in order.
//!
//! - [`check`]: all of it; [`Account`]: what it found.
//! - [`holds`]: the history alone: every task was claimed once and completed by its holder, after what it
//!   comes after.
//! - [`work`]: the evidence against it: every crate was digested once, while its claim was held, by its
//!   holder, after what it depends on.
//! - [`order`]: which tasks were ready at each claim, and so whether it took the one that the policy wants.
//!
//! It knows no files and no processes, and collects every fault instead of stopping at the first.

mod holds;
mod order;
#[cfg(test)]
mod tests;
mod work;

use super::evidence::Evidence;
use super::graph::Crate;
use super::history::Event;
pub use holds::Hold;
pub use order::{Choice, Order};

/// What was proved.
#[derive(Debug)]
pub struct Account<'a> {
    /// The claims, in the order in which they were made, and what each could choose from.
    pub choices: Vec<Choice<'a>>,
    /// How many agents held a claim at one moment, at most.
    pub held_max: usize,
    /// How many were digesting at one moment, at most.
    pub digesting_max: usize,
}

/// Checks the work on `job`.
///
/// # Errors
///
/// If anything is wrong: a sentence for each fault.
pub fn check<'a>(
    job: &'a [Crate],
    evidence: &'a [Evidence],
    history: &'a [Event],
) -> Result<Account<'a>, Vec<String>> {
    let mut faults = Vec::new();
    let holds = holds::replay(job, history, &mut faults);
    work::compare(job, evidence, &holds, &mut faults);
    let choices = order::choices(job, history, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let held = holds.values().map(|hold| (hold.from, hold.until));
    let digesting = evidence.iter().map(|work| (work.started_at, work.finished_at));
    Ok(Account {
        choices,
        held_max: work::at_once_max(held),
        digesting_max: work::at_once_max(digesting),
    })
}
