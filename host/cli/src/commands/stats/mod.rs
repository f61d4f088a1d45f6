//! `stats`: what a board's processes measured about themselves, and what it takes up on disk.

mod answer;
mod text;

use anyhow::Result;

use self::answer::Answer;
pub use self::text::{length, size};
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
    let answer = Answer::new(&board.figures()?, &board.disk_use()?);
    context.output.answer(&answer, |out| text::write(out, &answer))?;
    Ok(Code::Done)
}
