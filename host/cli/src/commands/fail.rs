//! `fail`: a holder's attempt at a task failed.

use anyhow::Result;
use taskhost::Finish;

use super::holder::{self, Holder};
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example:

  taskhost fail build_1a2b3c4d --agent alice --token 17 --error 'the compiler crashed'

Whether the task is tried again is for the policy to say: see `retries` in `taskhost policy show`.";

/// Say that an attempt at a claimed task failed
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    holder: Holder,
    /// What went wrong
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let held =
        context.open()?.finish(&args.holder.id, &args.holder.proof(), &Finish::Fail(args.error))?;
    holder::answer(context, &held, |task| match (task.status, &task.not_before) {
        ("pending", Some(time)) => {
            format!("is pending again, and will be tried again, not before {time}")
        }
        ("pending", None) => "is pending again, and will be tried again".into(),
        (status, _) => format!("is {status}"),
    })?;
    Ok(Code::Done)
}
