//! `stats`: what a board's processes measured about themselves, and what it takes up on disk.

mod answer;
mod text;

use anyhow::Result;
use taskhost::Error;

use self::answer::Answer;
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example: how long do commands wait for the board's lock?

  taskhost stats

Example: for a program

  taskhost stats --json";

/// Show how long commands wait, what they do with the board's lock, and what the board takes up on disk
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

pub fn exec(context: &Context, _: &Args) -> Result<Code> {
    let board = context.open()?;
    let measured = board.store().figures().map_err(Error::from)?;
    let disk = board.store().disk_use().map_err(Error::from)?;
    let answer = Answer::new(&measured, &disk);
    context.output.answer(&answer, |out| text::write(out, &answer))?;
    Ok(Code::Done)
}
