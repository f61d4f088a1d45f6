//! What several rounds of the same measurement come to.

use serde::Serialize;

/// The middle of several figures, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The figure in the middle.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
}

impl Spread {
    /// Of figures of which there is at least one.
    pub fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(low), Some(high)) = (sorted.first(), sorted.last()) else {
            return Self { median: f64::NAN, low: f64::NAN, high: f64::NAN };
        };
        let half = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[half]
        } else {
            f64::midpoint(sorted[half - 1], sorted[half])
        };
        Self { median, low: *low, high: *high }
    }

    /// Of each figure to the other one of its round: what moved both in one round moves their ratio less.
    pub fn of_ratios(figures: &[f64], others: &[f64]) -> Self {
        let ratios: Vec<f64> =
            figures.iter().zip(others).map(|(figure, other)| figure / other).collect();
        Self::of(&ratios)
    }
}
