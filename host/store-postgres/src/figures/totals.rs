//! [`Totals`]: all that was recorded, as it stands in a row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use taskhost_board::{Figures, Histogram, Measure, Tally};

type Named<T> = BTreeMap<Cow<'static, str>, T>;

/// What was recorded, by the words that JSON has for it: other versions may record what isn't known here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Totals {
    times: Named<Histogram>,
    counts: Named<u64>,
    memory: Named<u64>,
}

impl Totals {
    pub(super) fn record(&mut self, what: Measure, took: Duration) {
        self.times.entry(Cow::Borrowed(what.as_str())).or_default().record(took);
    }

    pub(super) fn memory(&mut self, what: Measure, bytes: u64) {
        let most = self.memory.entry(Cow::Borrowed(what.as_str())).or_default();
        *most = bytes.max(*most);
    }

    pub(super) fn count(&mut self, what: Tally) {
        *self.counts.entry(Cow::Borrowed(what.as_str())).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (what, times) in &other.times {
            self.times.entry(what.clone()).or_default().add(times);
        }
        for (what, count) in &other.counts {
            *self.counts.entry(what.clone()).or_default() += count;
        }
        for (what, bytes) in &other.memory {
            let most = self.memory.entry(what.clone()).or_default();
            *most = (*bytes).max(*most);
        }
    }

    /// What came since they were `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let times = self.times.iter().map(|(what, times)| match before.times.get(what) {
            Some(earlier) => (what.clone(), times.since(earlier)),
            None => (what.clone(), times.clone()),
        });
        let counts = self.counts.iter().map(|(what, count)| {
            let earlier = before.counts.get(what).copied().unwrap_or_default();
            (what.clone(), count.saturating_sub(earlier))
        });
        Self { times: times.collect(), counts: counts.collect(), memory: self.memory.clone() }
    }

    pub(super) fn figures(&self) -> Figures {
        let times = |what: Measure| {
            let times = self.times.get(what.as_str()).map(Histogram::distribution);
            (what, times.unwrap_or_default())
        };
        let count =
            |what: Tally| (what, self.counts.get(what.as_str()).copied().unwrap_or_default());
        let memory = |what: Measure| {
            self.memory.get(what.as_str()).map(|bytes| (what, *bytes)).filter(|(_, b)| *b > 0)
        };
        Figures {
            times: Measure::ALL.into_iter().map(times).collect(),
            counts: Tally::ALL.into_iter().map(count).collect(),
            memory: Measure::HOOKS.into_iter().filter_map(memory).collect(),
        }
    }
}
