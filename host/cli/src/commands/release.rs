//! `release`: a holder hands its task back.

use anyhow::Result;
use taskhost::Finish;

use super::holder::{self, Holder};
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example:

  taskhost release build_1a2b3c4d --agent alice --token 17 --reason 'needs a larger machine'

The attempt isn't counted, and somebody else can claim the task at once.";

/// Hand a claimed task back
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    holder: Holder,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let held = context.open()?.finish(
        &args.holder.id,
        &args.holder.proof(),
        &Finish::Release(args.reason),
    )?;
    holder::answer(context, &held, |task| format!("is {} again", task.status))?;
    Ok(Code::Done)
}
