//! `review`: completed work is accepted, or sent back.

use anyhow::Result;
use taskhost::Action;

use super::changing::{self, Targets};
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example:

  taskhost review build_1a2b3c4d --accept --by carol

Example: to be done again

  taskhost review build_1a2b3c4d --send-back --reason 'the tests are missing'

Example: every task is to be reviewed from now on, or those with the label `review`

  taskhost policy set current --setting review=all
  taskhost policy set current --setting review=labelled

Which tasks are in review when they are completed is for the policy to say. Whoever completed one can send it back, but \
not accept it; who doesn't say who they are, with `--by`, is taken for an operator.";

/// Accept work that is in review, or send it back
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    verdict: Verdict,
    /// What is to be said about it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Verdict {
    /// It is completed
    #[arg(long)]
    accept: bool,
    /// It is pending again
    #[arg(long)]
    send_back: bool,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let action = Action::Review { accept: args.verdict.accept, reason: args.reason };
    changing::exec(context, &args.targets.request(action))
}
