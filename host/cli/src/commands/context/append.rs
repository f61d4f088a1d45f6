//! `context append`: a value grows.

use anyhow::Result;
use taskhost::TaskId;

use super::{Kept, Whose, content};
use crate::context::Context;
use crate::exit::Code;
use crate::input::{self, Source};
use crate::parse;

const EXAMPLES: &str = "\
Example: one more line, as a file or standard input has it; two agents can do so at once

  taskhost context append --agent alice learned @lesson.txt
  echo 'the linker needs 8 GiB' | taskhost context append --agent alice learned -

Nothing is put between what was there and what comes.";

/// Append to a value, which begins empty
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    whose: Whose,
    /// Its key
    #[arg(value_parser = parse::value_key)]
    key: TaskId,
    /// What to append, or `@FILE`, or `-` for standard input
    #[arg(value_parser = input::source, allow_hyphen_values = true)]
    value: Source,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = context.open()?;
    let owner = args.whose.owner(&board)?;
    let more = content(&args.value)?;
    let bytes = board.contexts().append(&owner, &args.key, &more, board.deadline());
    let bytes = bytes.map_err(taskhost::Error::from)?;
    let kept = Kept { key: args.key.to_string(), bytes };
    kept.answer(context)
}
