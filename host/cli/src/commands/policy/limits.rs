//! The limits of a policy on a board: its own, the board's, and what holds.

use std::time::Duration;

use serde::Serialize;
use taskhost::domain::{Limits, PolicyPin};
use taskhost::{HookLimits, OWN_DEADLINE, OWN_MEMORY, OWN_STEPS, OwnLimits, PolicyLimits};

use crate::output::line;
use crate::parse;

/// `value` is what was set, if anything was; `holds` is the smaller of that and what the `board` allows.
#[derive(Debug, Serialize)]
pub struct Limit {
    name: &'static str,
    value: Option<String>,
    board: String,
    holds: String,
}

/// The limits of the policy `pin` on a board with these limits.
pub fn limits(pin: &PolicyPin, board: &PolicyLimits) -> Vec<Limit> {
    // They were checked when they were set; what another version set is nothing here.
    let own = OwnLimits::of(pin).unwrap_or_default();
    let most = HookLimits::default().on(board);
    let steps = Limits::default().steps_of(board);
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    vec![
        limit(OWN_DEADLINE, own.deadline.map(ms), ms(most.deadline), parse::show_duration),
        limit(OWN_MEMORY, own.memory_bytes, most.memory_bytes_max as u64, parse::show_bytes),
        limit(OWN_STEPS, own.steps.map(u64::from), steps.into(), |steps| steps.to_string()),
    ]
}

fn limit(name: &'static str, own: Option<u64>, board: u64, show: fn(u64) -> String) -> Limit {
    let holds = own.map_or(board, |own| own.min(board));
    Limit { name, value: own.map(show), board: show(board), holds: show(holds) }
}

/// Writes them as settings.
pub fn write(out: &mut String, limits: &[Limit]) {
    for Limit { name, value, board, holds } in limits {
        let whose = match value {
            None => "the board's".to_owned(),
            Some(value) if value == holds => format!("its own, and the board's is {board}"),
            Some(value) => format!("the board's, and its own is {value}"),
        };
        line(out, format_args!("  {name}={holds}    ({whose})"));
    }
}
