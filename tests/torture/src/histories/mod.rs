//! Histories: real processes do random things to one board, and what they were answered must have an order.
//!
//! - [`part`]: makes histories and checks them. [`check_file`]: checks one again that was kept.
//! - `worker`, `crew`: the processes, killed and stopped in whatever they do, while others compact, change the policy's
//!   settings and delete the index. `requests`: what they ask. `real`: how a real board is asked.
//! - [`History`], `words`: what was asked and answered. [`check`], `search`: whether it has an order, by `model`.
//!   `shrink`, [`told`]: where it has none, for people.
//!
//! At the end of each history everybody pauses, and what the board holds then is the last answer of it and the
//! beginning of the next one.

pub(crate) mod bugs;
mod crew;
mod drive;
mod model;
mod real;
mod requests;
mod search;
mod shrink;
#[cfg(test)]
mod tests;
mod told;
mod words;
pub mod worker;

use std::path::Path;

use anyhow::{Context as _, Result};
use taskhost_simulated::Part;

pub use search::{Clash, Searched, Verdict, check};
pub use told::told;
pub use words::History;

/// How far an order is looked for before that is given up.
pub const STEPS_MAX: u64 = 1_000_000;

/// Real processes, and histories of what they were answered.
pub fn part() -> Part {
    Part {
        name: "histories",
        does: "real processes ask one board, and their answers must have an order",
        share: 3,
        run: drive::run,
    }
}

/// Checks a history that was written to a file, and says what came of it.
///
/// # Errors
///
/// If the file can't be read, or the history has no order.
pub fn check_file(path: &Path) -> Result<String> {
    let text =
        std::fs::read(path).with_context(|| format!("`{}` can't be read", path.display()))?;
    let history: History = serde_json::from_slice(&text)
        .with_context(|| format!("`{}` is no history", path.display()))?;
    let searched = check(&history, STEPS_MAX);
    let calls = history.calls.len();
    match searched.verdict {
        Verdict::Ordered => {
            Ok(format!("{calls} requests have an order, found in {} steps", searched.steps))
        }
        Verdict::Undecided => Ok(format!("undecided after {} steps", searched.steps)),
        Verdict::Clash(clash) => {
            let (short, clash) = shrink::shrunk(&history, *clash);
            anyhow::bail!("{calls} requests have no order\n{}", told(&short, &clash))
        }
    }
}
