//! `retry`: what failed or was cancelled is to be done after all.

use anyhow::Result;
use taskhost::Action;

use super::changing::{self, Targets};
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example:

  taskhost retry build_1a2b3c4d --reason 'the disk has room again'

Example: with what was cancelled because of it

  taskhost retry build_1a2b3c4d --cascade

Their attempts are counted anew, and what comes after them waits for them again.";

/// Have tasks done after all that failed or were cancelled
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    /// Retry what failed or was cancelled after them or below them too
    #[arg(long)]
    cascade: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let action = Action::Retry { cascade: args.cascade, reason: args.reason };
    changing::exec(context, &args.targets.request(action))
}
