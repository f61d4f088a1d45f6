//! Measurements as JSON. Lengths of time are in microseconds, sizes in bytes.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use taskhost::domain::{Distribution, Figures, Measure, Tally};
use taskhost::{DiskUse, Measured, ProcessFigures, wire};

/// `times` has what was measured at least once; `counts` has everything. `memory_bytes_max`: the most linear memory that
/// a policy had when it was asked, by hook.
#[derive(Debug, Serialize)]
pub struct Answer {
    pub since: String,
    pub times: BTreeMap<&'static str, Spread>,
    pub memory_bytes_max: BTreeMap<&'static str, u64>,
    pub counts: BTreeMap<&'static str, u64>,
    pub processes: Vec<OneProcess>,
    pub disk: Disk,
}

/// What one process measured, those that are alive first.
#[derive(Debug, Serialize)]
pub struct OneProcess {
    pub pid: u32,
    pub since: String,
    pub alive: bool,
    pub times: BTreeMap<&'static str, Spread>,
    pub counts: BTreeMap<&'static str, u64>,
}

/// How lengths of time are distributed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Spread {
    pub count: u64,
    pub mean_us: f64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

/// `PART_bytes` of each part that the store has, and `total_bytes`, which counts locks and whatever else is there, too.
#[derive(Debug)]
pub struct Disk(pub DiskUse);

impl Serialize for Disk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = self.0.parts.iter().copied().chain([("total", self.0.total)]);
        serializer.collect_map(parts.map(|(part, bytes)| (format!("{part}_bytes"), bytes)))
    }
}

impl Answer {
    pub fn new(measured: &Measured, disk: DiskUse) -> Self {
        let mut processes: Vec<&ProcessFigures> = measured.processes.iter().collect();
        processes.sort_by_key(|process| (!process.alive, process.since.0, process.pid));
        Self {
            since: wire::time(measured.since),
            times: times(&measured.all),
            memory_bytes_max: measured
                .all
                .memory
                .iter()
                .map(|(hook, bytes)| (hook.as_str(), *bytes))
                .collect(),
            counts: counts(&measured.all),
            processes: processes.into_iter().map(OneProcess::new).collect(),
            disk: Disk(disk),
        }
    }
}

impl OneProcess {
    fn new(process: &ProcessFigures) -> Self {
        Self {
            pid: process.pid,
            since: wire::time(process.since),
            alive: process.alive,
            times: times(&process.figures),
            counts: counts(&process.figures),
        }
    }
}

fn times(figures: &Figures) -> BTreeMap<&'static str, Spread> {
    let measured = Measure::ALL.into_iter().filter_map(|measure| {
        let found = figures.times.get(&measure).filter(|found| found.count > 0)?;
        Some((measure.as_str(), spread(found)))
    });
    measured.collect()
}

fn counts(figures: &Figures) -> BTreeMap<&'static str, u64> {
    let count = |tally: Tally| figures.counts.get(&tally).copied().unwrap_or_default();
    Tally::ALL.into_iter().map(|tally| (tally.as_str(), count(tally))).collect()
}

fn spread(found: &Distribution) -> Spread {
    Spread {
        count: found.count,
        mean_us: found.mean,
        p50_us: found.p50,
        p90_us: found.p90,
        p99_us: found.p99,
        p999_us: found.p999,
        max_us: found.max,
    }
}
