//! `meta list`: all of the workflow's values.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use crate::context::Context;
use crate::exit::Code;
use crate::output::line;

const EXAMPLES: &str = "\
Example:

  taskhost meta list --json";

/// List all values, by key
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

#[derive(Serialize)]
struct Answer {
    values: Vec<Entry>,
    total: usize,
}

#[derive(Serialize)]
struct Entry {
    key: String,
    value: Value,
}

pub fn exec(context: &Context, _args: &Args) -> Result<Code> {
    let metas = context.open()?.metas()?;
    let values: Vec<Entry> = metas
        .iter()
        .map(|(key, json)| Entry { key: key.to_string(), value: super::value(json) })
        .collect();
    let answer = Answer { total: values.len(), values };
    context.output.answer(&answer, |out| {
        for (key, json) in &metas {
            line(out, format_args!("{key}: {}", json.as_str()));
        }
    })?;
    Ok(Code::Done)
}
