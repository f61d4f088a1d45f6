//! `meta get`: one of the workflow's values.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use taskhost::TaskId;

use crate::context::Context;
use crate::exit::{Code, NoSuchValue};
use crate::output::line;
use crate::parse;

const EXAMPLES: &str = "\
Example:

  taskhost meta get branch

If there is none, the exit code is 5.";

/// Show a value, as JSON
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Its key
    #[arg(value_parser = parse::value_key)]
    key: TaskId,
}

#[derive(Serialize)]
struct Answer {
    key: String,
    value: Value,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let Some(found) = context.open()?.meta(&args.key)? else {
        return Err(NoSuchValue(format!(
            "there is no `{}`: `taskhost meta list` shows what there is",
            args.key
        ))
        .into());
    };
    let answer = Answer { key: args.key.to_string(), value: super::value(&found) };
    context.output.answer(&answer, |out| line(out, found.as_str()))?;
    Ok(Code::Done)
}
