//! `meta set`: one of the workflow's values is set.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use taskhost::{Json, Name, TaskId};

use crate::context::Context;
use crate::exit::Code;
use crate::input::{self, Source};
use crate::output::line;
use crate::parse;

const EXAMPLES: &str = "\
Example: JSON, and a plain text

  taskhost meta set limits '{\"cpu\": 4}'
  taskhost meta set branch --text release-7

Example: only if nobody has changed it meanwhile, or if there is none yet

  taskhost meta set round 8 --if-now 7
  taskhost meta set leader --text alice --if-now null

If it is something else by now, the exit code is 10, and the error says what.";

/// Set a value: JSON of at most 64 KiB
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Its key
    #[arg(value_parser = parse::value_key)]
    key: TaskId,
    /// JSON, or `@FILE`, or `-` for standard input
    #[arg(value_name = "JSON", value_parser = input::source, allow_hyphen_values = true)]
    value: Source,
    /// It isn't JSON but a plain text
    #[arg(long)]
    text: bool,
    /// Only if the value is this one now; `null` for none
    #[arg(long, value_name = "JSON", value_parser = super::expected, allow_hyphen_values = true)]
    if_now: Option<Json>,
    /// Who asks, for the history
    #[arg(long, value_name = "WHO", env = "TASKHOST_AGENT", hide_env_values = true)]
    by: Option<Name>,
}

#[derive(Serialize)]
struct Answer {
    key: String,
    value: Value,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let value = if args.text {
        Json::try_from(Value::String(args.value.text()?))?
    } else {
        args.value.json()?
    };
    let board = context.open()?;
    board.set_meta(&args.key, Some(&value), args.if_now.as_ref(), args.by.as_ref())?;
    let answer = Answer { key: args.key.to_string(), value: super::value(&value) };
    context.output.answer(&answer, |out| {
        line(out, format_args!("`{}` is {}", args.key, value.as_str()));
    })?;
    Ok(Code::Done)
}
