//! `heartbeat`: a holder is still at work.

use std::time::Duration;

use anyhow::Result;

use super::holder::{self, Holder};
use crate::context::Context;
use crate::exit::Code;
use crate::parse;

const EXAMPLES: &str = "\
Example:

  taskhost heartbeat build_1a2b3c4d --agent alice --token 17

If the claim was given to somebody else meanwhile, the exit code is 4: stop working on the task.";

/// Extend the lease of a claimed task, because its holder is still at work
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    holder: Holder,
    /// Until when from now; as long as the claim's own lease unless said otherwise
    #[arg(long, value_name = "DURATION", value_parser = parse::lease)]
    lease: Option<Duration>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let held = context.open()?.heartbeat(&args.holder.id, &args.holder.proof(), args.lease)?;
    holder::answer(context, &held, |task| match &task.claim {
        Some(claim) => format!("is yours until {}", claim.lease_until),
        None => format!("is {}", task.status),
    })?;
    Ok(Code::Done)
}
