//! `faults`: looks for as long as one likes whether a board in PostgreSQL survives whatever fails; and what else this
//! program is when tests start it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use taskhost_faults::{hand, soak, work};

/// Let everything fail that can, and compare what was acknowledged with what a board in PostgreSQL has.
#[derive(Parser)]
#[command(name = "faults")]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
#[command(disable_help_subcommand = true)]
enum Role {
    /// Kill workers and servers and cut connections for so long.
    Soak {
        /// For how many seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Where all random choices come from.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Do what one is told.
    #[command(hide = true)]
    Hand { name: String },
    /// Work by oneself.
    #[command(hide = true)]
    Work {
        name: String,
        #[arg(long)]
        again: Option<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().role) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(role: Role) -> Result<ExitCode> {
    match role {
        Role::Soak { seconds, seed } => {
            let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
            println!("seed {seed}");
            let program = std::env::current_exe()?;
            let report = soak::run(&program, Duration::from_secs(seconds), seed)?;
            println!("{report}");
            return Ok(if report.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Role::Hand { name } => hand::run(&board()?, &name)?,
        Role::Work { name, again } => {
            work::run(&board()?, work::Order { name, adds: true, lives: true, again })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Not among the arguments, because it has a password.
fn board() -> Result<String> {
    std::env::var("TASKHOST_TEST_BOARD").context("`TASKHOST_TEST_BOARD` names no board")
}
