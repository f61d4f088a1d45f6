//! `claims`: how many durable claims there are in a second.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::{per_second, percentile, turns};
use crate::bench::{Bench, RUN, Size};
use crate::contender::{Bare, Contender, Json, Sqlite, Taskhost};
use crate::figure::{Figure, Goal, Series, Unit, count};
use crate::fleet::Run;
use crate::report::Line;
use crate::stock::Stock;

/// As many as a large workflow has.
const TASKS: Size<u64> = Size { full: 100_000, quick: 1_500 };
/// The JSON file is written whole for each claim: more tasks would only make it slower.
const TASKS_JSON: Size<u64> = Size { full: 1_000, quick: 300 };
/// Doubled each time, for the plot.
const PROCESSES: Size<&[usize]> = Size { full: &[1, 2, 4, 8, 16], quick: &[1, 4, 16] };
/// Those that have goals.
const JUDGED: [usize; 3] = [1, 4, 16];

/// Of the limit that the disk and the lock set.
const OF_BARE: Goal = Goal::AtLeast(0.7);
/// One process, which has nobody to share a sync with.
const OF_SQLITE_ALONE: Goal = Goal::MoreThan(1.0);
/// Several.
const OF_SQLITE: Goal = Goal::AtLeast(1.5);
/// Nobody gets much less than the others.
const SHARE: Goal = Goal::AtLeast(0.8);

/// How many claims are made to see what one writes.
const SAMPLE: u64 = 64;

pub fn run(bench: &mut Bench) -> Result<()> {
    let bytes = bytes_per_claim(bench)?;
    bench.say(&format!("a claim's line in the journal has {bytes} bytes"));
    let bare = Bare { bytes };
    let (tasks, few) = (bench.pick(TASKS), bench.pick(TASKS_JSON));
    let mut stocks = vec![
        Stock::new(bench, &Taskhost::STANDARD, tasks)?,
        Stock::new(bench, &bare, tasks)?,
        Stock::new(bench, &Sqlite, tasks)?,
    ];
    if Json::is_here() {
        stocks.push(Stock::new(bench, &Json, few)?);
    }
    let mut lines: Vec<Line> = stocks
        .iter()
        .map(|stock| Line { name: stock.contender().name().to_owned(), points: Vec::new() })
        .collect();
    for processes in bench.pick(PROCESSES) {
        let mut runs: [Vec<Run>; 4] = Default::default();
        for round in 0..bench.rounds() {
            bench.say(&format!("{processes} processes, round {}", round + 1));
            for who in turns(stocks.len(), round) {
                runs[who].push(stocks[who].run(bench, *processes, bench.pick(RUN))?);
            }
        }
        for (line, runs) in lines.iter_mut().zip(&runs) {
            line.points.push((*processes as f64, per_second("", runs).spread.median));
        }
        // Where there is no Python, the last ones aren't there.
        if JUDGED.contains(processes) {
            judge(bench, *processes, &runs, bytes);
        }
    }
    bench.plots.throughput = lines;
    Ok(())
}

fn judge(
    bench: &mut Bench,
    processes: usize,
    [board, bare, sqlite, json]: &[Vec<Run>; 4],
    bytes: u64,
) {
    let at = match processes {
        1 => "1 process".to_owned(),
        several => format!("{several} processes"),
    };
    let ours = per_second("taskhost", board);
    let limit = per_second("bare loop", bare);
    let peer = per_second("SQLite", sqlite);
    bench.record(
        Figure::ratio(format!("claims/s to the bare loop's, {at}"), &ours, &limit)
            .goal(OF_BARE)
            .beside(percentile("p50", board, 0.5))
            .beside(percentile("p99", board, 0.99))
            .note(format!("the loop appends {bytes} bytes, as a claim does")),
    );
    let goal = if processes == 1 { OF_SQLITE_ALONE } else { OF_SQLITE };
    bench.record(
        Figure::ratio(format!("claims/s to SQLite's, {at}"), &ours, &peer)
            .goal(goal)
            .beside(percentile("SQLite's p50", sqlite, 0.5))
            .beside(percentile("SQLite's p99", sqlite, 0.99)),
    );
    if processes > 1 {
        let shares = |name: &str, runs: &[Run]| {
            Series::new(name, Unit::Ratio, runs.iter().map(|run| run.least_share).collect())
        };
        bench.record(
            Figure::amount(
                format!("the slowest process's share of the mean, {at}"),
                shares("taskhost", board),
            )
            .goal(SHARE)
            .beside(shares("bare loop", bare))
            .beside(shares("SQLite", sqlite)),
        );
    }
    let few = count(bench.pick(TASKS_JSON));
    let what = format!("claims/s of a JSON file of {few} tasks, {at}");
    bench.record(if json.is_empty() {
        Figure::not_measured(what, "there is no `python3`")
    } else {
        Figure::amount(what, per_second("JSON file", json))
    });
}

/// By how much the journal grows with each claim.
fn bytes_per_claim(bench: &Bench) -> Result<u64> {
    let at = bench.scratch("sample")?;
    Taskhost::STANDARD.prepare(&at, SAMPLE * 2)?;
    let mut agent = Taskhost::STANDARD.open(&at, "agent-0")?;
    ensure!(agent.claim()?, "there is nothing to claim");
    let before = journal_bytes(&at)?;
    for _ in 0..SAMPLE {
        ensure!(agent.claim()?, "there is nothing to claim");
    }
    let grown = journal_bytes(&at)?.checked_sub(before);
    Ok(grown.context("the journal became shorter")? / SAMPLE)
}

/// How long the journals in a board's directory are.
fn journal_bytes(board: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(board)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("journal-") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
