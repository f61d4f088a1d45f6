//! `stats`: what a board's processes measured about themselves, and what it takes up on disk.

mod answer;
mod text;

const EXAMPLES: &str = "\
Example: how long do commands wait for the board's lock?

  taskhost stats

Example: for a program

  taskhost stats --json";

/// Show how long commands wait, what they do with the board's lock, and what the board takes up on disk
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}
