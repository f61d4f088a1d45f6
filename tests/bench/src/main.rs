//! `bench`: measures taskhost beside its peers and its limits, and says whether it is as fast as it should be.
//!
//! - `parts`: what is measured, a file each. `contender`: who is measured. `fleet`, `worker`, `stock`: processes that
//!   claim, and the boards that they claim from. `companion`, `resident`, `waiter`: other processes that parts need.
//! - `figure`, `spread`: what was measured. `report`: how it is told.
//! - `native`: the standard policy without WebAssembly.
//!
//! Every peer is measured in the same run, taking turns round by round, and ratios are taken within a round: what slows the
//! machine down for a while slows down both.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can't go on should stop"))]

mod bench;
mod bulk_sqlite;
mod companion;
mod contender;
mod figure;
mod fleet;
mod native;
mod parts;
mod programs;
mod report;
mod resident;
mod spread;
mod stock;
mod waiter;
mod worker;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Parser, Subcommand};

use bench::{Bench, Scale};
use figure::Figure;
use parts::PARTS;
use report::{Machine, Report};

/// How many rounds there are unless said otherwise: the middle of five isn't moved by two bad ones.
const ROUNDS: usize = 5;
/// And where is only tried whether everything works.
const ROUNDS_QUICK: usize = 2;

/// Measure taskhost beside its peers, and print what it comes to as a table.
#[derive(Parser)]
#[command(name = "bench", bin_name = "cargo xtask bench")]
struct Arguments {
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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Where boards are made: on the disk that is to be measured, with room for 10 GB. A directory of the run's own is made
    /// there, and removed in the end
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where results.json, results.md and the plots are written
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What this program is when it was started by itself.
#[derive(Subcommand)]
#[command(hide = true)]
enum Role {
    #[command(hide = true)]
    Worker(worker::Arguments),
    #[command(hide = true)]
    Companion(companion::Arguments),
    #[command(hide = true)]
    Resident(resident::Arguments),
    #[command(hide = true)]
    Waiter(waiter::Arguments),
    #[command(hide = true)]
    BulkSqlite(bulk_sqlite::Arguments),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.role {
        Some(Role::Worker(arguments)) => worker::run(arguments),
        Some(Role::Companion(arguments)) => companion::run(arguments),
        Some(Role::Resident(arguments)) => resident::run(arguments),
        Some(Role::Waiter(arguments)) => waiter::run(arguments),
        Some(Role::BulkSqlite(arguments)) => bulk_sqlite::run(arguments),
        None if arguments.list => {
            for part in PARTS {
                println!("{:<9} {}", part.name, part.about);
            }
            Ok(())
        }
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let is_known = |name: &&String| PARTS.iter().any(|part| part.name == **name);
    if let Some(unknown) = arguments.only.iter().find(|name| !is_known(name)) {
        bail!("there is no part `{unknown}`: `--list` names them");
    }
    let (scale, rounds) = match arguments.quick {
        true => (Scale::Quick, ROUNDS_QUICK),
        false => (Scale::Full, ROUNDS),
    };
    let rounds = arguments.rounds.map_or(rounds, usize::from);
    let out = &arguments.out;
    fs::create_dir_all(out).with_context(|| format!("can't make `{}`", out.display()))?;
    let dir = arguments.dir.as_ref().unwrap_or(out);
    fs::create_dir_all(dir).with_context(|| format!("can't make `{}`", dir.display()))?;
    let dir = dir.canonicalize()?;
    let work = tempfile::Builder::new().prefix("boards-").tempdir_in(&dir)?;

    let mut bench = Bench::new(work.path().to_owned(), scale, rounds);
    let mut failed = Vec::new();
    let chosen = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|o| o == name);
    for part in PARTS.iter().filter(|part| chosen(part.name)) {
        bench.begin(part.name)?;
        bench.say(part.about);
        // What the others have found mustn't be lost.
        if let Err(error) = (part.run)(&mut bench) {
            bench.record(Figure::not_measured("all else", format!("the part failed: {error:#}")));
            failed.push(part.name);
        }
    }
    let machine = Machine::here(&dir)?;
    let report = Report::new(rounds, machine, bench)?;
    report.write(out)?;
    print!("{}", report.markdown());
    ensure!(failed.is_empty(), "these parts failed, as the table says: {}", failed.join(", "));
    Ok(())
}
