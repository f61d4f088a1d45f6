//! One clock for all processes, by which it can be told whether one thing ended before another began.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since some moment of this boot: the same for every process, and never back.
pub(crate) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64) * 1_000_000_000 + now.tv_nsec as u64
}

/// The value below which `quantile` (0 to 1) of the sorted `values` are.
pub(crate) fn quantile(sorted: &[u64], quantile: f64) -> u64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0 };
    sorted[((last as f64) * quantile).round() as usize]
}

/// Nanoseconds as milliseconds, for people.
pub(crate) fn ms(ns: u64) -> String {
    format!("{:.1} ms", ns as f64 / 1e6)
}
