//! `context set`: a value is set.

use anyhow::Result;
use taskhost::TaskId;

use super::{Kept, Whose, content};
use crate::context::Context;
use crate::exit::Code;
use crate::input::{self, Source};
use crate::parse;

const EXAMPLES: &str = "\
Example: a short text, and a file

  taskhost context set --task build_1a2b3c4d state 'half of the tests pass'
  taskhost context set --task build_1a2b3c4d notes @notes.md

Example: what a command prints

  make 2>&1 | taskhost context set --agent alice last-build -";

/// Set a value, whatever it was before
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    whose: Whose,
    /// Its key
    #[arg(value_parser = parse::value_key)]
    key: TaskId,
    /// The value, or `@FILE`, or `-` for standard input
    #[arg(value_parser = input::source, allow_hyphen_values = true)]
    value: Source,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = context.open()?;
    let owner = args.whose.owner(&board)?;
    let value = content(&args.value)?;
    let set = board.contexts().set(&owner, &args.key, &value, board.deadline());
    set.map_err(taskhost::Error::from)?;
    let kept = Kept { key: args.key.to_string(), bytes: value.len() as u64 };
    kept.answer(context)
}
