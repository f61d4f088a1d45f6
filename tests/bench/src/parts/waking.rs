//! `waking`: how soon somebody who waits for work has it.

use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use taskhost::{Board, InitOptions};

use crate::bench::{Bench, Size};
use crate::contender::{new_task, open};
use crate::figure::{Figure, Series, Unit};
use crate::waiter::{Waiters, now_ns};

/// How many wait at the same time, each in a process of its own.
const WAITERS: Size<&[usize]> = Size { full: &[1, 64], quick: &[1, 4] };
/// How many tasks are added in a round, one at a time.
const TASKS: Size<u64> = Size { full: 100, quick: 4 };
/// Between one answer and the next task, so that all are asleep again: they look, find nothing, and wait.
const PAUSE: Duration = Duration::from_millis(20);
/// Longer than anybody sleeps through a change.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(bench: &mut Bench) -> Result<()> {
    for waiters in bench.pick(WAITERS) {
        let at = bench.scratch("waking")?;
        Board::init(&at, &InitOptions::default())?;
        bench.settle()?;
        bench.say(&format!("{waiters} processes wait"));
        let [from_call, from_answer, adding] = rounds(bench, &at, *waiters)?;
        for (part, word) in [(0.5, "p50"), (0.99, "p99")] {
            let series = |name: &str, rounds: &[Vec<f64>]| {
                let us = rounds.iter().map(|us| percentile(us, part)).collect();
                Series::new(name, Unit::Microseconds, us)
            };
            bench.record(
                Figure::amount(
                    format!("from the call of `add` to a waiter's answer, {word}, processes that wait: {waiters}"),
                    series("from the call", &from_call),
                )
                .beside(series("`add` itself", &adding))
                .beside(series("after its answer", &from_answer)),
            );
        }
    }
    Ok(())
}

/// For each round, in microseconds: from the call to the claim's answer, from the call's answer to the claim's (less than 0
/// where the waiter was told first), and the call itself.
fn rounds(bench: &Bench, at: &Path, waiters: usize) -> Result<[Vec<Vec<f64>>; 3]> {
    let board = open(at)?;
    let (sender, claims) = channel();
    let _waiters = Waiters::start(at, waiters, &sender)?;
    let mut measured: [Vec<Vec<f64>>; 3] = Default::default();
    let mut number = 0;
    // The first round is none: everybody wakes for the first time in it.
    for round in 0..=bench.rounds() {
        let mut us: [Vec<f64>; 3] = Default::default();
        for _ in 0..bench.pick(TASKS) {
            thread::sleep(PAUSE);
            let task = new_task(number)?;
            number += 1;
            let called = now_ns();
            board.add(std::slice::from_ref(&task))?;
            let added = now_ns();
            let (claimed, id) = claims.recv_timeout(PATIENCE).context("nobody woke")?;
            ensure!(task.id.as_ref().is_some_and(|task| task.as_str() == id), "`{id}` was claimed");
            let since = |from: u64| (claimed as f64 - from as f64) / 1e3;
            let figures = [since(called), since(added), (added - called) as f64 / 1e3];
            us.iter_mut().zip(figures).for_each(|(us, figure)| us.push(figure));
        }
        if round > 0 {
            measured.iter_mut().zip(us).for_each(|(measured, us)| measured.push(us));
        }
    }
    Ok(measured)
}

fn percentile(us: &[f64], part: f64) -> f64 {
    let mut sorted = us.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
