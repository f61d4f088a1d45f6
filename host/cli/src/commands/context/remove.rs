//! `context remove`: a value is removed.

use anyhow::Result;
use serde::Serialize;
use taskhost::TaskId;

use super::Whose;
use crate::context::Context;
use crate::exit::Code;
use crate::output::line;
use crate::parse;

const EXAMPLES: &str = "\
Example:

  taskhost context remove --task build_1a2b3c4d notes

If there is none, that is well too. What `run` left of an attempt stays.";

/// Remove a value
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    whose: Whose,
    /// Its key
    #[arg(value_parser = parse::value_key)]
    key: TaskId,
}

#[derive(Serialize)]
struct Answer {
    key: String,
    removed: bool,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = context.open()?;
    let owner = args.whose.owner_of_old(&board)?;
    let removed = board.contexts().remove(&owner, &args.key, board.deadline());
    let removed = removed.map_err(taskhost::Error::from)?;
    let answer = Answer { key: args.key.to_string(), removed };
    context.output.answer(&answer, |out| {
        let text = if removed { "is removed" } else { "was there no more" };
        line(out, format_args!("`{}` {text}", answer.key));
    })?;
    Ok(Code::Done)
}
