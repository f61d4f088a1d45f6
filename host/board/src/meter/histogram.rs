//! [`Histogram`]: how lengths of time are distributed, in little room.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Distribution;
use super::buckets::{bucket, upper};

/// How many lengths of time were in each bucket; all of them in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Histogram {
    sum: u64,
    max: u64,
    buckets: BTreeMap<usize, u64>,
}

impl Histogram {
    /// Of the counts of each bucket, the sum and the longest of all of them.
    pub fn of(buckets: impl IntoIterator<Item = u64>, sum: u64, max: u64) -> Self {
        let buckets = buckets.into_iter().enumerate().filter(|(_, count)| *count > 0);
        Self { sum, max, buckets: buckets.collect() }
    }

    /// Takes note of one more.
    pub fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum = self.sum.saturating_add(micros);
        self.max = self.max.max(micros);
        *self.buckets.entry(bucket(micros)).or_default() += 1;
    }

    /// Adds all of another one.
    pub fn add(&mut self, other: &Self) {
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
    }

    /// What came since it was `before`. Of the longest it is only known that it was no longer than this one's.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let left = self.buckets.iter().map(|(bucket, count)| {
            let earlier = before.buckets.get(bucket).copied().unwrap_or_default();
            (*bucket, count.saturating_sub(earlier))
        });
        let buckets = left.filter(|(_, count)| *count > 0).collect();
        Self { sum: self.sum.saturating_sub(before.sum), max: self.max, buckets }
    }

    /// How they are distributed: at most 6.25 % too long where they are told by their share, never too short.
    pub fn distribution(&self) -> Distribution {
        let count: u64 = self.buckets.values().sum();
        Distribution {
            count,
            mean: if count == 0 { 0.0 } else { self.sum as f64 / count as f64 },
            p50: self.no_longer_than(count, 500),
            p90: self.no_longer_than(count, 900),
            p99: self.no_longer_than(count, 990),
            p999: self.no_longer_than(count, 999),
            max: self.max,
        }
    }

    /// So many of a thousand took no longer than this.
    fn no_longer_than(&self, count: u64, of_thousand: u128) -> u64 {
        let enough = (u128::from(count) * of_thousand).div_ceil(1000);
        let mut seen: u128 = 0;
        for (bucket, count) in &self.buckets {
            seen += u128::from(*count);
            if seen >= enough {
                return upper(*bucket).min(self.max);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        micros.into_iter().for_each(|micros| histogram.record(Duration::from_micros(micros)));
        histogram
    }

    #[test]
    fn shares_are_never_told_too_short_and_hardly_too_long() {
        let told = of(1..=10_000).distribution();
        assert_eq!((told.count, told.max, told.mean), (10_000, 10_000, 5_000.5));
        let shares = [(told.p50, 5_000), (told.p90, 9_000), (told.p99, 9_900), (told.p999, 9_990)];
        for (told, exact) in shares {
            assert!((exact..=exact + exact / 16).contains(&told), "{told} for {exact}");
        }
        assert_eq!(of([7]).distribution().p50, 7);
        assert_eq!(of([]).distribution(), Distribution::default());
    }

    #[test]
    fn what_is_told_apart_is_together_what_it_was() {
        let (early, late) = (of(0..500), of(300..2_000));
        let mut all = early.clone();
        all.add(&late);
        assert_eq!(all, of((0..500).chain(300..2_000)));
        let mut again = early.clone();
        again.add(&all.since(&early));
        assert_eq!(again, all);
        let text = serde_json::to_string(&all).expect("a histogram is written");
        assert_eq!(serde_json::from_str::<Histogram>(&text).expect("and read"), all);
    }
}
