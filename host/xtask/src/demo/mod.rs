//! `cargo xtask demo`: agents work off a real job, and their policy is swapped while they do.
//!
//! - [`Demo`]: the command, which tells the whole story.
//! - [`graph`]: the job; [`digest`]: the work on each task, and the [`evidence`] that it leaves.
//! - [`taskhost`]: the binary, driven as a user would; [`agents`]: the processes that work; [`history`]: what
//!   taskhost says happened.
//! - [`postgres`]: the other one, a board in PostgreSQL.
//! - [`check`]: proves from evidence and history that all was done right; [`report`]: shows it.

mod agents;
mod check;
mod digest;
mod evidence;
mod graph;
mod history;
mod moment;
mod postgres;
mod report;
mod taskhost;

pub use digest::DigestCrate;

use crate::guests::Guests;
use crate::setup::Setup;
use crate::workspace;
use agents::Agents;
use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use evidence::Evidence;
use graph::Crate;
use report::Report;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use taskhost::Taskhost;

/// How many agents work, a process each.
const AGENTS: usize = 4;
/// How long to wait before looking again how far they are.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How many faults are told.
const FAULTS_TOLD_MAX: usize = 20;

/// Build taskhost, and let four agents work off this workspace's dependency graph.
///
/// Every crate is a task, every dependency an edge; the work is to digest the crate's sources. Midway the
/// policy is swapped, while the agents run on. Then the evidence that they left, and the board's history,
/// are checked. The first build takes minutes, since it compiles wasmtime; it is one for development, since
/// one for release takes longer still.
#[derive(Args)]
pub struct Demo {
    /// Check once more what the last demo left, and do nothing else
    #[arg(long)]
    check_only: bool,
    /// Show a board in PostgreSQL instead, on a server that is started for it: agents, one of which is killed, and the tables
    #[arg(long, conflicts_with = "check_only")]
    postgres: bool,
}

impl Demo {
    pub fn run(self) -> Result<()> {
        if self.postgres {
            return postgres::run();
        }
        let place = Place(workspace::target_dir().join("demo"));
        if self.check_only {
            ensure!(
                place.evidence().exists(),
                "no demo has left anything in `{}`: run `cargo xtask demo`",
                shown(&place.0)
            );
            let taskhost = Taskhost::new(taskhost::build()?, place.board());
            return check_and_report(&taskhost, &graph::crates()?, &place, Vec::new());
        }

        let taskhost = Taskhost::new(build()?, place.board());

        place.clear()?;
        let crates = graph::crates()?;
        taskhost.init()?;
        taskhost.add(&crates)?;
        println!("{} crates are on the board; {AGENTS} agents work them off", crates.len());
        let faults = work_off(&taskhost, &crates, &place)?;
        check_and_report(&taskhost, &crates, &place, faults)
    }
}

/// Builds taskhost, with all that this needs.
fn build() -> Result<PathBuf> {
    Setup::default().run()?;
    println!("building the policies");
    Guests { rust: true }.run()?;
    println!(
        "building taskhost, for development (the first time takes minutes: it compiles wasmtime)"
    );
    taskhost::build()
}

/// Checks what the demo left. `faults` are known already.
fn check_and_report(
    taskhost: &Taskhost,
    crates: &[Crate],
    place: &Place,
    mut faults: Vec<String>,
) -> Result<()> {
    faults.extend(taskhost.doctor().err().map(|error| format!("{error:#}")));
    let evidence = Evidence::read_all(&place.evidence())?;
    let history = taskhost.history()?;
    let account = match check::check(crates, &evidence, &history) {
        Ok(account) if faults.is_empty() => account,
        checked => {
            faults.extend(checked.err().unwrap_or_default());
            return Err(failure(faults, taskhost, place));
        }
    };
    let events = history.len();
    let evidence = &evidence;
    print!("{}", Report { crates, evidence, events, account: &account, taskhost, place });
    Ok(())
}

/// Where the demo leaves everything.
struct Place(PathBuf);

impl Place {
    /// Takes away what an earlier demo left.
    fn clear(&self) -> Result<()> {
        if self.0.exists() {
            fs::remove_dir_all(&self.0)
                .with_context(|| format!("can't remove `{}`", self.0.display()))?;
        }
        let evidence = self.evidence();
        fs::create_dir_all(&evidence)
            .with_context(|| format!("can't make `{}`", evidence.display()))
    }

    fn board(&self) -> PathBuf {
        self.0.join("board")
    }

    fn evidence(&self) -> PathBuf {
        self.0.join("evidence")
    }

    /// What an agent prints.
    fn log(&self, agent: &str) -> PathBuf {
        self.0.join(format!("{agent}.log"))
    }
}

/// Lets the agents work, and swaps their policy once half of the tasks are completed. Says which of them
/// didn't end well.
fn work_off(taskhost: &Taskhost, crates: &[Crate], place: &Place) -> Result<Vec<String>> {
    let this = env::current_exe().context("this program doesn't know where it is")?;
    let evidence = place.evidence();
    let work: [&OsStr; 5] = [
        this.as_os_str(),
        "digest-crate".as_ref(),
        "--evidence".as_ref(),
        evidence.as_os_str(),
        "{data.path}".as_ref(),
    ];
    let mut agents = Agents::default();
    for number in 1..=AGENTS {
        let name = format!("agent-{number}");
        let log = place.log(&name);
        agents.start(taskhost, &name, &log, &work)?;
    }

    let half = crates.len().div_ceil(2) as u64;
    while taskhost.completed()? < half {
        ensure!(
            agents.any_works()?,
            "all agents ended before half of the work was done: what they printed is in `{}`",
            shown(&place.0)
        );
        thread::sleep(LOOK_AGAIN);
    }
    let newest_first = workspace::policies().join("newest-first.wasm");
    taskhost.set_policy(&newest_first)?;
    println!("half of them are done: newest-first decides from now on, and the agents run on");
    agents.wait()
}

/// All that is wrong, in one error.
fn failure(mut faults: Vec<String>, taskhost: &Taskhost, place: &Place) -> anyhow::Error {
    let more = faults.len().saturating_sub(FAULTS_TOLD_MAX);
    faults.truncate(FAULTS_TOLD_MAX);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    anyhow!(
        "the job wasn't done as it should be:\n  {}{more}\nlook at `{} --board {} history`, and at `{}`",
        faults.join("\n  "),
        shown(taskhost.program()),
        shown(taskhost.board()),
        shown(&place.0)
    )
}

/// A path as one would type it at the workspace's root.
fn shown(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix(workspace::root()).unwrap_or(path).display()
}
