//! What asking policies takes: how long each hook took, and how much memory.

use std::collections::BTreeMap;

use serde::Serialize;
use taskhost::domain::Measure;
use taskhost::{Measured, wire};

/// What was measured of the hooks that were asked, by all processes since the machine was started, whichever policy it
/// was that they asked. Lengths of time are in microseconds.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct HookFigures {
    pub since: String,
    pub hooks: BTreeMap<&'static str, HookFigure>,
}

/// What was measured of a hook. `memory_bytes_max`: the most linear memory that a policy had when it was asked; absent where that wasn't measured.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct HookFigure {
    pub count: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
    pub memory_bytes_max: Option<u64>,
}

impl HookFigures {
    /// Those that were asked.
    pub fn new(measured: &Measured) -> Self {
        let figures = Measure::HOOKS.into_iter().filter_map(|hook| {
            let times = measured.all.times.get(&hook).filter(|times| times.count > 0)?;
            let figure = HookFigure {
                count: times.count,
                p50_us: times.p50,
                p99_us: times.p99,
                max_us: times.max,
                memory_bytes_max: measured.all.memory.get(&hook).copied(),
            };
            Some((hook.as_str(), figure))
        });
        Self { since: wire::time(measured.since), hooks: figures.collect() }
    }
}
