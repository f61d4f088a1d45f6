//! `torture`: runs every part, prints one table, and ends with 1 if anything went wrong.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use taskhost_simulated::{Effort, Part};
use taskhost_torture::place::torture_directory;
use taskhost_torture::{Table, histories, machine, parts, worker};

/// Look for a way to lose a task or to give it twice.
#[derive(Parser)]
#[command(name = "torture", bin_name = "cargo xtask torture")]
struct Arguments {
    /// For how many seconds to look, all parts together; without it the full programme, which takes most of an hour.
    ///
    /// What is enumerated is enumerated completely in any case, so it may take somewhat longer.
    #[arg(long)]
    seconds: Option<u64>,
    /// Where all random choices come from: the same seed makes the same ones.
    #[arg(long)]
    seed: Option<u64>,
    /// Run only this part; may be repeated.
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// List the parts, and run none.
    #[arg(long)]
    list: bool,
    /// What else this program is when it runs itself again.
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
#[command(disable_help_subcommand = true)]
enum Role {
    /// Ask a board one thing after another, as told.
    #[command(hide = true)]
    WorkerHistory(histories::worker::Arguments),
    /// Check a history again that was kept.
    #[command(hide = true)]
    CheckHistory {
        /// The file it was kept in.
        file: PathBuf,
    },
    /// Work on a board until it is told otherwise or killed.
    #[command(flatten)]
    Worker(worker::Role),
}

/// How long the full programme looks where it could look for ever.
const FULL: Duration = Duration::from_secs(15 * 60);

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    match &arguments.role {
        None => torture(arguments),
        Some(Role::WorkerHistory(arguments)) => histories::worker::run(arguments).map(|()| true),
        Some(Role::Worker(role)) => role.play().map(|()| true),
        Some(Role::CheckHistory { file }) => {
            println!("{}", histories::check_file(file)?);
            Ok(true)
        }
    }
}

fn torture(arguments: &Arguments) -> Result<bool> {
    let chosen = chosen(&arguments.only)?;
    if arguments.list {
        for part in &chosen {
            println!("{:<12} {}", part.name, part.does);
        }
        return Ok(true);
    }
    let seed = arguments.seed.unwrap_or_else(fresh_seed);
    let machine = machine::describe(&torture_directory()?);
    println!("{}, {machine}, seed {seed}", jiff::Zoned::now().date());
    let time = arguments.seconds.map_or(FULL, Duration::from_secs);
    let shares: u32 = chosen.iter().map(|part| part.share).sum();
    let mut table = Table::default();
    for part in &chosen {
        let effort = Effort {
            is_full: arguments.seconds.is_none(),
            ..Effort::new(seed, time * part.share / shares.max(1))
        };
        let started = Instant::now();
        println!("{}: {} …", part.name, part.does);
        let outcome = (part.run)(&effort, None);
        for wrong in &outcome.wrong {
            println!("{}: {}: {}", part.name, wrong.harm, wrong.what);
        }
        if !outcome.wrong.is_empty() {
            let name = part.name;
            println!("{name}: to see it again: cargo xtask torture --only {name} --seed {seed}");
        }
        table.add(part.name, outcome, started.elapsed());
    }
    println!("\n{table}");
    Ok(table.is_clean())
}

fn chosen(only: &[String]) -> Result<Vec<Part>> {
    let mut all = parts();
    for name in only {
        if !all.iter().any(|part| part.name == *name) {
            let names: Vec<&str> = all.iter().map(|part| part.name).collect();
            bail!("there is no part `{name}`: there are {}", names.join(", "));
        }
    }
    if !only.is_empty() {
        all.retain(|part| only.iter().any(|name| name == part.name));
    }
    Ok(all)
}

fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Short enough to be typed again.
    u64::from(now.subsec_nanos()) ^ (now.as_secs() & 0xffff)
}
