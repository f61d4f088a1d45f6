//! `complete`: a holder's task is done.

use anyhow::Result;
use taskhost::{Finish, Json};

use super::holder::{self, Holder};
use crate::context::Context;
use crate::exit::Code;
use crate::input::{self, Source};

const EXAMPLES: &str = "\
Example:

  taskhost complete build_1a2b3c4d --agent alice --token 17 --result '{\"size\": 4096}'

Repeated exactly, it succeeds again. If the claim was given to somebody else meanwhile, nothing happens and the \
exit code is 4: stop working on the task.";

/// Say that a claimed task is done
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    holder: Holder,
    /// What came of it: JSON, or `@FILE`, or `-` for standard input
    #[arg(long, value_name = "JSON", value_parser = input::source, allow_hyphen_values = true)]
    result: Option<Source>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let result: Option<Json> = args.result.as_ref().map(Source::json).transpose()?;
    let held =
        context.open()?.finish(&args.holder.id, &args.holder.proof(), &Finish::Complete(result))?;
    holder::answer(context, &held, |task| match task.status {
        "in_review" => "is in review: it is completed once somebody accepts it".into(),
        status => format!("is {status}"),
    })?;
    Ok(Code::Done)
}
