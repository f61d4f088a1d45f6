//! The workspace's own chores: `cargo xtask --help`.
//!
//! One command, one file: its arguments, whose documentation is the help text, and `run`. Nothing here
//! depends on the library `taskhost`: its build needs the standard policy, and so what `setup` sets up.

mod bench;
mod compiler;
mod demo;
mod freeze;
mod fuzz;
mod guests;
mod postgres;
mod python;
mod setup;
mod test;
mod torture;
mod wheel;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The workspace's own chores.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Bench),
    Demo(demo::Demo),
    Freeze(freeze::Freeze),
    Fuzz(fuzz::Fuzz),
    Guests(guests::Guests),
    Setup(setup::Setup),
    Test(test::Test),
    Torture(torture::Torture),
    Wheel(wheel::Wheel),
    #[command(hide = true)]
    DigestCrate(demo::DigestCrate),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Bench(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Freeze(command) => command.run(),
        Command::Fuzz(command) => command.run(),
        Command::Guests(command) => command.run(),
        Command::Setup(command) => command.run(),
        Command::Test(command) => command.run(),
        Command::Torture(command) => command.run(),
        Command::Wheel(command) => command.run(),
        Command::DigestCrate(command) => command.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
