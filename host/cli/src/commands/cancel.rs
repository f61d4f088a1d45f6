//! `cancel`: tasks aren't wanted any more.

use anyhow::Result;
use taskhost::Action;

use super::changing::{self, Targets};
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example:

  taskhost cancel build_1a2b3c4d --reason 'the feature was dropped'

Example: what would go with it?

  taskhost cancel build_1a2b3c4d --cascade --dry-run

Whoever works on a cancelled task finds out at its next heartbeat, and can't complete it any more.";

/// Cancel tasks that aren't wanted any more
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    /// Cancel what waits for them too, what comes after them and what is below them, and so on
    #[arg(long)]
    cascade: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let action = Action::Cancel { cascade: args.cascade, reason: args.reason };
    changing::exec(context, &args.targets.request(action))
}
