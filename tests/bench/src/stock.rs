//! Boards of one contender that are drained one after another. An empty one is never filled again.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::bench::{Bench, remove};
use crate::contender::Contender;
use crate::fleet::{self, Load, Run};

/// How many claims in a second are expected of somebody who hasn't claimed yet. A run that finds its boards empty before
/// its time is over is repeated with more of them, so a wrong guess costs time and nothing else.
const FIRST_RATE: f64 = 8_000.0;
/// How much more there is than the fastest run so far would need: other numbers of processes are faster.
const MARGIN: f64 = 1.7;
/// How often a run is repeated whose boards weren't enough.
const REPEATED_MAX: usize = 6;

/// Boards of one size.
pub struct Stock<'a> {
    contender: &'a dyn Contender,
    /// How many tasks each board has.
    tasks: u64,
    below: PathBuf,
    /// Those that have tasks left, and how many; the one that is drained now first.
    boards: Vec<(PathBuf, u64)>,
    made: usize,
    rate: f64,
}

impl<'a> Stock<'a> {
    /// None yet.
    pub fn new(bench: &Bench, contender: &'a dyn Contender, tasks: u64) -> Result<Self> {
        let name: String = contender.name().chars().filter(char::is_ascii_alphanumeric).collect();
        let below = bench.scratch(&format!("stock-{name}-{tasks}"))?;
        Ok(Self { contender, tasks, below, boards: Vec::new(), made: 0, rate: FIRST_RATE })
    }

    /// The contender whose they are.
    pub fn contender(&self) -> &'a dyn Contender {
        self.contender
    }

    /// Has so many processes claim for so long. There are always tasks left when their time is over.
    pub fn run(&mut self, bench: &Bench, processes: usize, at_most: Duration) -> Result<Run> {
        for _ in 0..REPEATED_MAX {
            let tasks = (self.rate * at_most.as_secs_f64() * MARGIN).ceil() as u64;
            self.provide(bench, tasks)?;
            bench.settle()?;
            let boards: Vec<PathBuf> = self.boards.iter().map(|(at, _)| at.clone()).collect();
            let load = Load::new(&boards, processes, at_most);
            let run = fleet::run(self.contender, &load)?;
            self.rate = self.rate.max(run.per_second);
            if self.contender.is_drained() {
                self.drained(run.ns.len() as u64)?;
                if self.boards.is_empty() {
                    self.rate *= 2.0;
                    continue;
                }
            }
            return Ok(run);
        }
        anyhow::bail!("{} empties its boards faster than they are made", self.contender.name())
    }

    /// Sees to it that at least so many tasks are left. The first board is the pattern of all others.
    fn provide(&mut self, bench: &Bench, tasks: u64) -> Result<()> {
        let pattern = self.below.join("pattern");
        let mut left: u64 = self.boards.iter().map(|(_, left)| left).sum();
        let lasts = |stock: &Self| !stock.contender.is_drained() && !stock.boards.is_empty();
        while left < tasks && !lasts(self) {
            if self.made == 0 {
                bench.make(self.contender, &pattern, self.tasks)?;
            }
            let at = self.below.join(format!("board-{:05}", self.made));
            fs::create_dir_all(&at)?;
            self.contender.copy(&pattern, &at)?;
            self.boards.push((at, self.tasks));
            self.made += 1;
            left += self.tasks;
        }
        Ok(())
    }

    /// So many tasks were claimed, those of the first boards first.
    fn drained(&mut self, mut claims: u64) -> Result<()> {
        while let Some((at, left)) = self.boards.first_mut()
            && claims > 0
        {
            if claims >= *left {
                claims -= *left;
                remove(at)?;
                self.boards.remove(0);
            } else {
                *left = self.contender.tidy(at)?.unwrap_or(*left - claims);
                claims = 0;
            }
        }
        ensure!(claims == 0, "{} gave more tasks than it had", self.contender.name());
        Ok(())
    }
}

impl Drop for Stock<'_> {
    fn drop(&mut self) {
        // What can't be removed now goes with the directory of the whole run.
        let _ = remove(&self.below);
    }
}
