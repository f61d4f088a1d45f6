//! `meta`: what the workflow as a whole keeps.

mod get;
mod list;
mod set;
mod unset;

use anyhow::Result;
use serde_json::Value;
use taskhost::Json;

use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example: what every agent should know

  taskhost meta set branch --text release-7
  taskhost meta get branch
  taskhost meta list";

/// Keep small values for the workflow as a whole; larger ones are kept in `context`
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    Get(get::Args),
    Set(set::Args),
    Unset(unset::Args),
    List(list::Args),
}

impl Command {
    /// Does it.
    pub fn exec(self, context: &Context) -> Result<Code> {
        match self {
            Self::Get(args) => get::exec(context, &args),
            Self::Set(args) => set::exec(context, &args),
            Self::Unset(args) => unset::exec(context, &args),
            Self::List(args) => list::exec(context, &args),
        }
    }
}

fn value(json: &Json) -> Value {
    serde_json::from_str(json.as_str()).unwrap_or_default()
}

/// The value that is expected, for `--if-now`.
fn expected(text: &str) -> Result<Json, String> {
    Json::parse(text).map_err(|error| {
        format!("`{text}` isn't JSON: {error}; a text needs double quotes, and `null` means none")
    })
}
