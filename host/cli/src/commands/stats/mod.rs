//! `stats`: what a board's processes measured about themselves, and what it takes up on disk.

mod answer;
mod prometheus;
mod text;

use anyhow::Result;

use self::answer::Answer;
use self::prometheus::Scraped;
pub use self::text::{length, size};
use crate::context::Context;
use crate::exit::{Code, Usage};
use crate::output::Output;

const EXAMPLES: &str = "\
Example: how long do commands wait for the board's lock?

  taskhost stats

Example: for a program

  taskhost stats --json

Example: for Prometheus, by node_exporter's textfile collector; a line of a crontab that does it every minute

  taskhost stats --prometheus > board.prom.new && mv board.prom.new board.prom";

/// Show how long commands wait, what they do with the board's lock, and what the board takes up on disk
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// As Prometheus reads it: the text exposition format 0.0.4, with how many tasks stand where beside the measurements
    #[arg(long)]
    prometheus: bool,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    if args.prometheus && context.output == Output::Json {
        return Err(Usage("name either `--json` or `--prometheus`".into()).into());
    }
    let board = context.open()?;
    if args.prometheus {
        let scraped = Scraped::new(&board)?;
        context.output.answer(&(), |out| *out += &scraped.text())?;
        return Ok(Code::Done);
    }
    let answer = Answer::new(&board.figures()?, board.disk_use()?);
    context.output.answer(&answer, |out| text::write(out, &answer))?;
    Ok(Code::Done)
}
