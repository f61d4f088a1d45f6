//! `import`: a board made of what `export` wrote.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use taskhost::Board;

use crate::context::Context;
use crate::exit::{Code, Usage};
use crate::output::line;

const EXAMPLES: &str = "\
Example: the board in another place

  taskhost --board /elsewhere/.taskhost import board.jsonl

Example: by way of a pipe

  taskhost export | taskhost --board /elsewhere/.taskhost import -

It is the same board: its ids, tokens, claims and history go on. Agents of the old one don't hear of it, so stop them first. \
The board is made whole or not at all.";

/// Make a board of what `export` wrote
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file, or standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Answer {
    board: String,
    tasks: u64,
    sequence: u64,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = Board::import(&context.board, open(&args.file)?, &context.open_options())?;
    let head = board.head()?;
    let answer = Answer {
        board: context.board.display().to_string(),
        tasks: head.counts.total(),
        sequence: head.sequence.0,
    };
    context.output.answer(&answer, |out| {
        let Answer { board, tasks, sequence } = &answer;
        line(out, format_args!("`{board}` has {tasks} tasks, up to entry {sequence}"));
    })?;
    Ok(Code::Done)
}

fn open(file: &Path) -> Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file)
        .map_err(|error| Usage(format!("`{}` can't be read: {error}", file.display())))?;
    Ok(Box::new(BufReader::new(opened)))
}
