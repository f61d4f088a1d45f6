//! `policy`: what deciding in WebAssembly costs, and what deciding in other languages costs.

use anyhow::{Result, ensure};

use super::{percentile, turns};
use crate::bench::{Bench, RUN, Size};
use crate::contender::{Contender as _, Rules, Taskhost};
use crate::figure::{Figure, Goal, Series, Unit};
use crate::fleet::Run;
use crate::programs;
use crate::stock::Stock;

/// As for the claims of several processes.
const TASKS: Size<u64> = Size { full: 100_000, quick: 1_500 };
/// An example in another language is asked about each task that is added, and what its runtime doesn't clear away at once
/// adds up to the limit of its memory: fewer tasks a board, and more boards.
const TASKS_EXAMPLE: u64 = 5_000;

const TO_COMPILED_IN: Goal = Goal::AtMost(1.15);
const TO_STANDARD: Goal = Goal::AtMost(2.0);

pub fn run(bench: &mut Bench) -> Result<()> {
    let tasks = bench.pick(TASKS);
    let runs = in_turns(
        bench,
        [
            Stock::new(bench, &Taskhost::STANDARD, tasks)?,
            Stock::new(bench, &Taskhost::COMPILED_IN, tasks)?,
        ],
    )?;
    let [standard, compiled_in] = &runs;
    bench.record(
        Figure::ratio(
            "time of a claim to that with the same rules compiled in",
            &each("taskhost", standard),
            &each("rules compiled in", compiled_in),
        )
        .goal(TO_COMPILED_IN)
        .beside(percentile("p50", standard, 0.5))
        .beside(percentile("p50 compiled in", compiled_in, 0.5)),
    );
    for contender in [&Taskhost::PYTHON, &Taskhost::JAVASCRIPT] {
        let figure = match example(bench, contender) {
            Ok(figure) => figure,
            Err(why) => Figure::not_measured(what(contender), format!("{why:#}")),
        };
        bench.record(figure.goal(TO_STANDARD));
    }
    Ok(())
}

/// A policy in another language beside the standard one.
fn example(bench: &Bench, contender: &Taskhost) -> Result<Figure> {
    ensure!(!bench.is_quick(), "compiling it takes longer than all of the quick run");
    if let Rules::Example(name) = contender.rules() {
        programs::policy(name)?;
    }
    bench.say(&format!("{}: compiling it takes a while for the first time", contender.name()));
    let runs = in_turns(
        bench,
        [
            Stock::new(bench, contender, TASKS_EXAMPLE)?,
            Stock::new(bench, &Taskhost::STANDARD, TASKS_EXAMPLE)?,
        ],
    )?;
    let [example, standard] = &runs;
    let figure = Figure::ratio(
        what(contender),
        &each(contender.name(), example),
        &each("the standard policy", standard),
    );
    let figure = figure.beside(percentile("p50", example, 0.5));
    if contender.rules() == Taskhost::JAVASCRIPT.rules() {
        return Ok(figure.note(
            "its own hooks are asked when tasks are added and end; a claim is left to the standard policy",
        ));
    }
    Ok(figure)
}

/// Runs of one process on each of two stocks.
fn in_turns(bench: &Bench, mut stocks: [Stock<'_>; 2]) -> Result<[Vec<Run>; 2]> {
    let mut runs: [Vec<Run>; 2] = Default::default();
    for round in 0..bench.rounds() {
        bench.say(&format!("round {}", round + 1));
        for who in turns(stocks.len(), round) {
            runs[who].push(stocks[who].run(bench, 1, bench.pick(RUN))?);
        }
    }
    Ok(runs)
}

/// How long each claim took, in the mean.
fn each(name: &str, runs: &[Run]) -> Series {
    let us = runs.iter().map(|run| 1e6 / run.per_second).collect();
    Series::new(name, Unit::Microseconds, us)
}

fn what(contender: &Taskhost) -> String {
    format!("time of a claim, {}, to that with the standard one", contender.name())
}
