//! What a run leaves: the table as Markdown, everything as JSON, and two plots.
//!
//! - [`Report`]: all of it. [`Machine`]: where it was measured. [`Plots`]: what is drawn.

mod machine;
mod plot;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

pub use machine::Machine;
pub use plot::{Line, Plots};

use crate::bench::Bench;
use crate::contender::{Bare, Contender, Json, Sqlite, Taskhost};
use crate::figure::{Figure, Series, Verdict};

/// All that a run found.
#[derive(Serialize)]
pub struct Report {
    /// The figures mean something only if this isn't set.
    quick: bool,
    rounds: usize,
    machine: Machine,
    /// How long the disk's own syncs took meanwhile.
    syncs: Series,
    durability: Vec<Durability>,
    figures: Vec<Row>,
    plots: Plots,
}

/// What is true once a claim was answered.
#[derive(Serialize)]
struct Durability {
    contender: &'static str,
    is: &'static str,
}

/// A figure with what became of its goal.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    figure: Figure,
    verdict: Verdict,
}

impl Report {
    /// All that a run found that is over now.
    pub fn new(rounds: usize, machine: Machine, mut bench: Bench) -> Result<Self> {
        let (quick, syncs) = (bench.is_quick(), bench.syncs()?);
        let contenders: [&dyn Contender; 4] = [&Taskhost::STANDARD, &Bare::ABOUT, &Sqlite, &Json];
        let durability = contenders.map(|contender| Durability {
            contender: contender.name(),
            is: contender.durability(),
        });
        let row = |figure: Figure| Row { verdict: figure.verdict(), figure };
        let figures = bench.figures.into_iter().map(row).collect();
        let (plots, durability) = (bench.plots, durability.into());
        Ok(Self { quick, rounds, machine, syncs, durability, figures, plots })
    }

    /// The table, as it would stand in a README.
    pub fn markdown(&self) -> String {
        table::markdown(self)
    }

    /// Writes everything into a directory.
    pub fn write(&self, out: &Path) -> Result<()> {
        let write = |name: &str, text: &str| {
            let path = out.join(name);
            fs::write(&path, text).with_context(|| format!("can't write `{}`", path.display()))
        };
        write("results.json", &(serde_json::to_string_pretty(self)? + "\n"))?;
        write("results.md", &self.markdown())?;
        if !self.plots.throughput.is_empty() {
            write("throughput.svg", &self.plots.throughput_svg()?)?;
        }
        if !self.plots.latency.is_empty() {
            write("latency.svg", &self.plots.latency_svg()?)?;
        }
        Ok(())
    }
}
