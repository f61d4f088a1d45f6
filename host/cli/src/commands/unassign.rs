//! `unassign`: tasks are reserved for nobody any more.

use anyhow::Result;
use taskhost::{Action, Name};

use super::changing::{self, Targets};
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example:

  taskhost unassign build_1a2b3c4d

Example: only what is still alice's

  taskhost unassign build_1a2b3c4d test_5e6f7a8b --from alice";

/// Reserve tasks for nobody any more: anybody can claim them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    /// Only if they are reserved for an agent of this name
    #[arg(long, value_name = "NAME")]
    from: Option<Name>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    changing::exec(context, &args.targets.request(Action::Unassign(args.from)))
}
