//! `tail`: the longest claims while somebody compacts the board, or sets its policy, again and again.

use std::time::Duration;

use anyhow::Result;

use super::{percentile, turns};
use crate::bench::{Bench, Size, remove};
use crate::companion::{Companion, Does};
use crate::contender::{Contender as _, Taskhost};
use crate::figure::{Figure, Goal, Series, Unit};
use crate::fleet::{Fleet, Load, Run};

/// A fresh board for each run, large enough that compacting takes a while, and enough for the run.
const TASKS: Size<u64> = Size { full: 100_000, quick: 1_500 };
const PROCESSES: Size<usize> = Size { full: 16, quick: 2 };
/// Long enough for several compactions.
const RUN: Size<Duration> =
    Size { full: Duration::from_secs(4), quick: Duration::from_millis(150) };

/// To the middle claim of the same run.
const GOAL: Goal = Goal::AtMost(10.0);

pub fn run(bench: &mut Bench) -> Result<()> {
    let pattern = bench.scratch("tail-pattern")?;
    bench.make(&Taskhost::STANDARD, &pattern, bench.pick(TASKS))?;
    let cases = [None, Some(Does::Compact), Some(Does::SetPolicy)];
    let mut runs: [Vec<Run>; 3] = Default::default();
    let mut times: [Vec<f64>; 3] = Default::default();
    for round in 0..bench.rounds() {
        bench.say(&format!("round {}", round + 1));
        for which in turns(cases.len(), round) {
            let at = bench.scratch("tail")?;
            Taskhost::STANDARD.copy(&pattern, &at)?;
            bench.settle()?;
            let companion = cases[which].map(|does| Companion::start(does, &at)).transpose()?;
            let load = Load::new(std::slice::from_ref(&at), bench.pick(PROCESSES), bench.pick(RUN));
            runs[which].push(Fleet::start(&Taskhost::STANDARD, &load)?.finish()?);
            times[which].push(companion.map_or(Ok(0), Companion::stop)? as f64);
            remove(&at)?;
        }
    }
    let processes = bench.pick(PROCESSES);
    for ((case, runs), times) in cases.iter().zip(&runs).zip(times) {
        let (what, did) = match case {
            None => ("undisturbed", ""),
            Some(Does::Compact) => ("while the board is compacted", "compactions"),
            Some(Does::SetPolicy) => ("while its policy is set", "settings of the policy"),
        };
        let middle = percentile("p50", runs, 0.5);
        let tail = percentile("p99.9", runs, 0.999);
        let longest = percentile("the longest", runs, 1.0);
        let figure = Figure::ratio(
            format!("p99.9 of a claim to its p50, {processes} processes, {what}"),
            &tail,
            &middle,
        )
        .beside(longest);
        bench.record(if case.is_some() {
            figure.goal(GOAL).beside(Series::new(did, Unit::Count, times))
        } else {
            figure
        });
    }
    Ok(())
}
