//! `meta unset`: one of the workflow's values is removed.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use taskhost::{Json, Name, TaskId};

use crate::context::Context;
use crate::exit::Code;
use crate::output::line;
use crate::parse;

const EXAMPLES: &str = "\
Example:

  taskhost meta unset branch

Example: only if nobody has changed it meanwhile

  taskhost meta unset leader --if-now '\"alice\"'";

/// Remove a value; if there is none, that is well too
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Its key
    #[arg(value_parser = parse::value_key)]
    key: TaskId,
    /// Only if the value is this one now
    #[arg(long, value_name = "JSON", value_parser = super::expected, allow_hyphen_values = true)]
    if_now: Option<Json>,
    /// Who asks, for the history
    #[arg(long, value_name = "WHO", env = "TASKHOST_AGENT", hide_env_values = true)]
    by: Option<Name>,
}

#[derive(Serialize)]
struct Answer {
    key: String,
    value: Option<Value>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    context.open()?.set_meta(&args.key, None, args.if_now.as_ref(), args.by.as_ref())?;
    let answer = Answer { key: args.key.to_string(), value: None };
    context.output.answer(&answer, |out| line(out, format_args!("there is no `{}`", args.key)))?;
    Ok(Code::Done)
}
