//! `assign`: tasks are reserved for somebody.

use anyhow::Result;
use taskhost::{Action, AgentKind, Assignee, Name};

use super::changing::{self, Targets};
use crate::context::Context;
use crate::exit::Code;
use crate::parse;

const EXAMPLES: &str = "\
Example:

  taskhost assign build_1a2b3c4d test_5e6f7a8b --to alice

Example: all of them or none, for a person on one machine

  taskhost assign build_1a2b3c4d test_5e6f7a8b --to carol --kind human --hostname vm7 --all-or-nothing

Nobody else can claim them then; whoever they are for claims them as any other. One that is reserved for somebody \
else already stays so, and the exit code is 4.";

/// Reserve tasks for somebody: only they can claim them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    /// For whom
    #[arg(long, value_name = "NAME")]
    to: Name,
    /// What kind of worker that is: agent, host or human
    #[arg(long, value_name = "KIND", value_parser = parse::kind, default_value = "agent")]
    kind: AgentKind,
    /// Only on this machine
    #[arg(long, value_name = "HOST")]
    hostname: Option<Name>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let by = args.targets.asked.by.clone();
    let assignee = Assignee { name: args.to, kind: args.kind, hostname: args.hostname, by };
    changing::exec(context, &args.targets.request(Action::Assign(assignee)))
}
