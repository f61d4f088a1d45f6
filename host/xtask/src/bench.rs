//! `cargo xtask bench`.

use crate::guests::Guests;
use crate::setup::Setup;
use crate::workspace;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::Command;

/// Measure taskhost beside its peers and its limits, and print what it comes to in one table.
///
/// Everybody is measured in the same run, taking turns: a loop that only locks, appends and syncs, SQLite, a JSON file, and
/// taskhost with its rules compiled in. The whole takes most of an hour, needs 10 GB of disk, and means something only on a
/// machine that does nothing else. The examples in Python and JavaScript are measured if `cargo xtask guests` has built
/// them.
#[derive(Args)]
pub struct Bench {
    /// Measure only this part; may be repeated
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// List the parts, and measure nothing
    #[arg(long)]
    list: bool,
    /// Make everything small, to see whether it works: the figures mean nothing then
    #[arg(long)]
    quick: bool,
    /// How often everything is measured; 5 times unless said otherwise
    #[arg(long, value_name = "N")]
    rounds: Option<u16>,
    /// Where boards are made: on the disk that is to be measured. Below `--out` unless said otherwise
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where `results.json`, `results.md` and the plots are written; `target/bench` unless said otherwise
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What is measured, and what it is measured with.
const PACKAGES: [&str; 2] = ["taskhost-bench", "taskhost-cli"];

impl Bench {
    pub fn run(self) -> Result<()> {
        Setup { for_tests: false }.run()?;
        Guests { rust: true }.run()?;
        let mut build = Command::new(workspace::cargo());
        build.args(["build", "--release"]).current_dir(workspace::root());
        build.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        if !build.status().context("`cargo build` can't be started")?.success() {
            bail!("`cargo build --release` failed");
        }
        self.run_built()
    }

    fn run_built(&self) -> Result<()> {
        let program = workspace::target_dir().join("release/bench");
        let mut bench = Command::new(&program);
        bench.args(self.only.iter().map(|part| format!("--only={part}")));
        bench.args(self.list.then_some("--list"));
        bench.args(self.quick.then_some("--quick"));
        bench.args(self.rounds.map(|rounds| format!("--rounds={rounds}")));
        if let Some(dir) = &self.dir {
            bench.arg("--dir").arg(dir);
        }
        let out = self.out.clone().unwrap_or_else(|| workspace::target_dir().join("bench"));
        bench.arg("--out").arg(out);
        let status = bench.status();
        let status = status.with_context(|| format!("`{}` can't be started", program.display()))?;
        if !status.success() {
            bail!("`{}` ended with {status}", program.display());
        }
        Ok(())
    }
}
