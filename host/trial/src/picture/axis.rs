//! Axes whose ticks read well as lengths of time.
//!
//! - [`Scale`]: an axis with ticks of its own. [`ticks`], [`magnitudes`]: where they are; [`label`]: what they say.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// An axis from 0, with marks at these places. (Those that plotters chooses are round numbers of milliseconds, which
/// no clock shows.)
#[derive(Debug, Clone)]
pub(super) struct Scale {
    pub(super) end: f64,
    pub(super) marks: Vec<f64>,
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let length = f64::from(limit.1 - limit.0);
        limit.0 + (length * value / self.end).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        0.0..self.end
    }
}

impl ValueFormatter<f64> for Scale {
    fn format(value: &f64) -> String {
        label(*value)
    }
}

/// Steps between ticks, in milliseconds: what clocks and calendars have.
const STEPS_MS: [u64; 33] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    604_800_000,
    1_209_600_000,
    2_592_000_000,
    7_776_000_000,
    31_536_000_000,
];

/// The lengths at which an axis of orders of magnitude has ticks, in milliseconds.
const MAGNITUDES_MS: [u64; 11] = [
    1,
    10,
    100,
    1_000,
    10_000,
    60_000,
    600_000,
    3_600_000,
    36_000_000,
    864_000_000 / 10,
    864_000_000,
];

/// Ticks from 0 to `max_ms`, about eight of them.
pub(super) fn ticks(max_ms: u64) -> Vec<f64> {
    let fits = |step: &&u64| max_ms / **step <= 8;
    let last = STEPS_MS[STEPS_MS.len() - 1];
    let step = STEPS_MS.iter().find(fits).copied().unwrap_or(last.max(max_ms / 8));
    (0..=max_ms / step).map(|n| (n * step) as f64).collect()
}

/// The place of a length on an axis of orders of magnitude; what is shorter than a millisecond stands at its beginning.
pub(super) fn magnitude(ms: u64) -> f64 {
    (ms.max(1) as f64).log10()
}

/// Ticks of such an axis.
pub(super) fn magnitudes(max_ms: u64) -> Vec<f64> {
    MAGNITUDES_MS.into_iter().filter(|ms| *ms <= max_ms.max(10)).map(magnitude).collect()
}

/// A length of time as it is written at a tick.
pub(super) fn label(ms: f64) -> String {
    let ms = ms.round() as u64;
    if (1_000..60_000).contains(&ms) && !ms.is_multiple_of(1_000) {
        return format!("{}s", ms as f64 / 1_000.0);
    }
    taskhost_board::quantity::show_duration(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_and_round() {
        assert_eq!(ticks(0), [0.0]);
        assert_eq!(ticks(45_000).len(), 5);
        assert_eq!(label(ticks(45_000)[1]), "10s");
        assert_eq!(label(ticks(4_000)[3]), "1.5s");
        assert_eq!(label(ticks(7 * 3_600_000)[1]), "1h");
        for max in [1, 17, 999, 61_000, 86_400_000, 400 * 86_400_000, u64::MAX / 2] {
            assert!(ticks(max).len() <= 10, "{max}");
        }
    }

    #[test]
    fn magnitudes_begin_with_a_millisecond() {
        assert_eq!(magnitude(0), 0.0);
        let labels: Vec<String> =
            magnitudes(70_000).into_iter().map(|at| label(10_f64.powf(at))).collect();
        assert_eq!(labels, ["1ms", "10ms", "100ms", "1s", "10s", "1m"]);
    }
}
