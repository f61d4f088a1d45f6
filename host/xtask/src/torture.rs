//! `cargo xtask torture`.

use crate::guests::Guests;
use crate::setup::Setup;
use crate::workspace;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::process::Command;

/// Look for a way to lose a task or to give it twice, and print what was tried in one table.
///
/// Without `--seconds` the full programme, a million claims under `kill -9` among it.
#[derive(Args, Default)]
pub struct Torture {
    /// For how many seconds to look, all parts together; what is enumerated is enumerated completely all the same.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Where all random choices come from: the same seed makes the same ones.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Run only this part; may be repeated.
    #[arg(long, value_name = "PART")]
    pub only: Vec<String>,
    /// List the parts, and run none.
    #[arg(long)]
    pub list: bool,
    /// The PostgreSQL that boards are made on; without it one is started if need be.
    #[arg(skip)]
    pub postgres: Option<String>,
}

impl Torture {
    pub fn run(self) -> Result<()> {
        Setup { for_tests: true }.run()?;
        Guests { rust: true }.run()?;
        // All of the workspace, as the tests are built, so that nothing is compiled twice.
        let mut build = Command::new(workspace::cargo());
        build.args(["build", "--workspace", "--all-targets"]).current_dir(workspace::root());
        if !build.status().context("`cargo build` can't be started")?.success() {
            bail!("`cargo build --workspace --all-targets` failed");
        }
        self.run_built()
    }

    /// Runs what was built already.
    pub fn run_built(&self) -> Result<()> {
        let program = workspace::target_dir().join("debug/torture");
        let mut torture = Command::new(&program);
        for (name, value) in [("--seconds", self.seconds), ("--seed", self.seed)] {
            torture.args(value.map(|value| format!("{name}={value}")));
        }
        torture.args(self.only.iter().map(|part| format!("--only={part}")));
        torture.args(self.list.then_some("--list"));
        torture.envs(self.postgres.iter().map(|url| (taskhost_test_postgres::VARIABLE, url)));
        let status = torture.current_dir(workspace::root()).status();
        let status = status.with_context(|| format!("`{}` can't be started", program.display()))?;
        match status.code() {
            Some(0) => Ok(()),
            Some(1) => {
                bail!("something was found: it stands above, with the seed that shows it again")
            }
            _ => bail!("`{}` ended with {status}", program.display()),
        }
    }
}
