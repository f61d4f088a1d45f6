//! `size`: whether a claim costs the same on a board of a million tasks as on one of a thousand.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{MILLION, per_second, percentile, turns};
use crate::bench::{Bench, RUN, Size};
use crate::contender::{Contender, Json, Sqlite, Taskhost};
use crate::figure::{Figure, Goal, count};
use crate::fleet::{self, Load, Run};
use crate::report::Line;
use crate::stock::Stock;

/// Drained within a second, so that a run takes many of them, one after another.
const SMALL: Size<u64> = Size { full: 1_000, quick: 300 };
/// Between the two, for the plot.
const BETWEEN: Size<&[u64]> = Size { full: &[10_000, 100_000], quick: &[1_000] };
/// As large as the JSON file is tried: each claim takes a tenth of a second then.
const JSON_MAX: u64 = 10_000;
const PROCESSES: [usize; 3] = [1, 4, 16];

const GOAL: Goal = Goal::AtLeast(0.9);

pub fn run(bench: &mut Bench) -> Result<()> {
    let (small, large) = (bench.pick(SMALL), bench.pick(MILLION));
    let mut latency = Vec::new();
    for contender in [&Taskhost::STANDARD as &dyn Contender, &Sqlite] {
        let is_ours = contender.name() == Taskhost::STANDARD.name();
        let at = if is_ours {
            bench.plain_board(large)?
        } else {
            let at = bench.scratch("size-large")?;
            bench.make(contender, &at, large)?;
            at
        };
        let mut large_board = Large { contender, boards: [at], left: large };
        let mut stock = Stock::new(bench, contender, small)?;
        for processes in PROCESSES {
            let mut runs: [Vec<Run>; 2] = Default::default();
            for round in 0..bench.rounds() {
                bench.say(&format!(
                    "{}, {processes} processes, round {}",
                    contender.name(),
                    round + 1
                ));
                for which in turns(2, round) {
                    let at_most = bench.pick(RUN);
                    let run = match which {
                        0 => stock.run(bench, processes, at_most)?,
                        _ => large_board.run(bench, processes, at_most)?,
                    };
                    runs[which].push(run);
                }
            }
            let [on_small, on_large] = &runs;
            let what = format!(
                "{}: claims/s at {} tasks to those at {}, processes: {processes}",
                contender.name(),
                count(large),
                count(small)
            );
            let series = (per_second(count(large), on_large), per_second(count(small), on_small));
            let figure = Figure::ratio(what, &series.0, &series.1);
            bench.record(if is_ours { figure.goal(GOAL) } else { figure });
            if processes == 1 {
                let between = between(bench, contender)?;
                latency.extend(lines(
                    contender.name(),
                    &[
                        &[(small, on_small)],
                        &*between.iter().map(|(tasks, runs)| (*tasks, runs)).collect::<Vec<_>>(),
                        &[(large, on_large)],
                    ]
                    .concat(),
                ));
            }
        }
    }
    if Json::is_here() {
        let sizes = [small].into_iter().chain(bench.pick(BETWEEN).iter().copied());
        let json = sizes
            .filter(|tasks| *tasks <= JSON_MAX)
            .map(|tasks| Ok((tasks, alone(bench, &Json, tasks)?)))
            .collect::<Result<Vec<_>>>()?;
        let json: Vec<_> = json.iter().map(|(tasks, runs)| (*tasks, runs)).collect();
        latency.extend(lines(Json.name(), &json));
    }
    bench.plots.latency = latency;
    Ok(())
}

/// A board that lasts for all runs.
struct Large<'a> {
    contender: &'a dyn Contender,
    boards: [PathBuf; 1],
    left: u64,
}

impl Large<'_> {
    fn run(&mut self, bench: &Bench, processes: usize, at_most: Duration) -> Result<Run> {
        bench.settle()?;
        let run = fleet::run(self.contender, &Load::new(&self.boards, processes, at_most))?;
        let left = self.left.saturating_sub(run.ns.len() as u64);
        self.left = self.contender.tidy(&self.boards[0])?.unwrap_or(left);
        ensure!(self.left > 0, "the large board is empty: claim from it with fewer `--rounds`");
        Ok(run)
    }
}

/// Runs of one process on boards of the sizes between.
fn between(bench: &Bench, contender: &dyn Contender) -> Result<Vec<(u64, Vec<Run>)>> {
    bench.pick(BETWEEN).iter().map(|tasks| Ok((*tasks, alone(bench, contender, *tasks)?))).collect()
}

/// Runs of one process on boards of this size.
fn alone(bench: &Bench, contender: &dyn Contender, tasks: u64) -> Result<Vec<Run>> {
    bench.say(&format!("{}, one process, boards of {tasks} tasks", contender.name()));
    let mut stock = Stock::new(bench, contender, tasks)?;
    (0..bench.rounds()).map(|_| stock.run(bench, 1, bench.pick(RUN))).collect()
}

/// The middle latency and the one that a claim in a hundred exceeds, against the size of the board.
fn lines(name: &str, sizes: &[(u64, &Vec<Run>)]) -> [Line; 2] {
    [(0.5, "p50"), (0.99, "p99")].map(|(part, word)| Line {
        name: format!("{name}, {word}"),
        points: sizes
            .iter()
            .map(|(tasks, runs)| (*tasks as f64, percentile("", runs, part).spread.median))
            .collect(),
    })
}
