//! `unblock`: tasks are parked no longer.

use anyhow::Result;
use taskhost::Action;

use super::changing::{self, Targets};
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example:

  taskhost unblock build_1a2b3c4d --reason 'the second one'

They are pending again, and anybody can claim them.";

/// Park tasks no longer
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    /// Why, or the answer to what was asked
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    changing::exec(context, &args.targets.request(Action::Unblock { reason: args.reason }))
}
