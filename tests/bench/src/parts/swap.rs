//! `swap`: how long setting a policy takes on a large board, and for how long nobody gets anything meanwhile.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use taskhost::{Board, PolicyChange, PolicyTarget};

use super::MILLION;
use crate::bench::{Bench, Size};
use crate::companion::{LEASES, set_lease};
use crate::contender::{Contender as _, Rules, Taskhost, open, set_component};
use crate::figure::{Figure, Series, Unit, count};
use crate::fleet::{Fleet, Load, Run};
use crate::programs;

/// Each round asks a policy about every task.
const ROUNDS_MAX: usize = 3;
/// Where a policy that takes its time is tried first.
const SMALLER: Size<u64> = Size { full: 100_000, quick: 300 };
/// It isn't set on the large board if that would take longer than this.
const PATIENCE: Duration = Duration::from_secs(120);
/// Whoever claims meanwhile is told when to stop.
const AT_MOST: Duration = Duration::from_secs(3600);

pub fn run(bench: &mut Bench) -> Result<()> {
    let tasks = bench.pick(MILLION);
    let at = bench.plain_board(tasks)?;
    let mut set = Vec::new();
    for round in 0..bench.rounds_at_most(ROUNDS_MAX) {
        bench.say(&format!("round {}: another lease for {tasks} tasks", round + 1));
        set.push(while_claimed(bench, &at, |board| set_lease(board, LEASES[(round + 1) % 2]))?);
    }
    set_lease(&open(&at)?, LEASES[0])?;
    record(
        bench,
        &format!("another setting of the standard policy, {} tasks", count(tasks)),
        set,
        1.0,
    );
    if let Rules::Example(name) = Taskhost::PYTHON.rules() {
        example(bench, name, tasks)?;
    }
    Ok(())
}

/// Sets the example in Python: on the smaller board first, and on the large one if that takes no longer than is bearable.
fn example(bench: &mut Bench, name: &str, tasks: u64) -> Result<()> {
    let what = |tasks| format!("the example `{name}` in Python, {} tasks", count(tasks));
    if bench.is_quick() {
        let why = "compiling it takes longer than all of the quick run";
        bench.record(Figure::not_measured(what(tasks), why));
        return Ok(());
    }
    let component = match programs::policy(name) {
        Ok(path) => std::fs::read(path)?,
        Err(missing) => {
            bench.record(Figure::not_measured(what(tasks), missing.to_string()));
            return Ok(());
        }
    };
    let smaller = bench.pick(SMALLER);
    let at = bench.plain_board(smaller)?;
    // Compiled, and kept for the next time.
    bench.say("compiling the example in Python");
    set_component(&open(&at)?, component.clone())?;
    reset(&open(&at)?)?;
    bench.say(&format!("setting the example in Python for {smaller} tasks"));
    let once = while_claimed(bench, &at, |board| set_component(board, component.clone()))?;
    reset(&open(&at)?)?;
    let scale = tasks as f64 / smaller as f64;
    if once.0 * scale > PATIENCE.as_secs_f64() {
        record(bench, &what(smaller), vec![once], scale);
        return Ok(());
    }
    let at = bench.plain_board(tasks)?;
    bench.say(&format!("setting the example in Python for {tasks} tasks"));
    let set = while_claimed(bench, &at, |board| set_component(board, component.clone()))?;
    reset(&open(&at)?)?;
    record(bench, &what(tasks), vec![set], 1.0);
    Ok(())
}

/// The standard policy alone, as others expect it on a board that they share.
fn reset(board: &Board) -> Result<()> {
    let change = PolicyChange {
        target: PolicyTarget::Standard,
        settings: Default::default(),
        standard_settings: Default::default(),
        expect: None,
    };
    board.set_policy(&change)?;
    Ok(())
}

/// How many seconds a change takes, and what a process measures that claims all the while.
fn while_claimed(
    bench: &Bench,
    at: &Path,
    change: impl FnOnce(&Board) -> Result<()>,
) -> Result<(f64, Run)> {
    let board = open(at)?;
    bench.settle()?;
    let boards = [at.to_owned()];
    let fleet = Fleet::start(&Taskhost::STANDARD, &Load::new(&boards, 1, AT_MOST))?;
    let began = Instant::now();
    change(&board)?;
    let seconds = began.elapsed().as_secs_f64();
    let run = fleet.stop()?;
    Taskhost::STANDARD.tidy(at)?;
    Ok((seconds, run))
}

/// `scale`: how many times the board is as large that is spoken of.
fn record(bench: &mut Bench, what: &str, set: Vec<(f64, Run)>, scale: f64) {
    let (seconds, runs): (Vec<f64>, Vec<Run>) = set.into_iter().unzip();
    let whole = Figure::amount(
        format!("setting {what}"),
        Series::new("all of it", Unit::Seconds, seconds.clone()),
    );
    bench.record(if scale > 1.0 {
        let scaled = seconds.iter().map(|seconds| seconds * scale).collect();
        whole
            .beside(Series::new("scaled to the large board", Unit::Seconds, scaled))
            .note("the large board would take too long")
    } else {
        whole
    });
    let longest = runs.iter().map(|run| run.percentile_us(1.0) / 1e3).collect();
    bench.record(
        Figure::amount(
            format!("the longest gap between answered claims meanwhile, {what}"),
            Series::new("the longest", Unit::Milliseconds, longest),
        )
        .beside(super::percentile("p50", &runs, 0.5))
        .beside(super::percentile("p99.9", &runs, 0.999)),
    );
}
