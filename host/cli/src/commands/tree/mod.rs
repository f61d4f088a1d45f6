//! `tree`: parents and their children.

mod draw;

use anyhow::Result;
use taskhost::TaskId;
use taskhost_answers::{Bounds, Forest, TREE_DEPTH_MAX};

use crate::context::Context;
use crate::exit::Code;

/// The most tasks that are shown at once.
const LIMIT_MAX: u64 = 10_000;

const EXAMPLES: &str = "\
Example: what is left to do, and below what

  taskhost tree --open

Example: a task and its children, but not theirs

  taskhost tree release_1a2b3c4d --depth 1";

/// Show tasks below their parents
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only this task and what is below it; otherwise the whole board
    id: Option<TaskId>,
    /// How many levels below the topmost tasks
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Fold what has ended, together with everything below it
    #[arg(long)]
    open: bool,
    /// How many tasks at most, up to 10000
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=LIMIT_MAX))]
    limit: u64,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let view = context.open()?.view()?;
    let forest = match &args.id {
        Some(id) => Forest::below(&*view, id)?,
        None => Forest::of_board(&*view)?,
    };
    let bounds = Bounds {
        depth: args.depth.unwrap_or(TREE_DEPTH_MAX),
        open: args.open,
        limit: usize::try_from(args.limit).unwrap_or(usize::MAX),
    };
    let answer = forest.tree(&bounds);
    context.output.answer(&answer, |out| draw::write(out, &answer))?;
    Ok(Code::Done)
}
