//! `config set`: one of the board's own settings is changed.

use anyhow::Result;
use taskhost::Name;
use taskhost_answers::board_settings::{self as settings, Setting};

use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example: policies get less time and more memory, for every process from its next command on

  taskhost config set policy_deadline 200ms
  taskhost config set policy_memory 128MiB

Example: the history is kept for a month

  taskhost config set history_age 30d";

/// Change one setting
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Its name
    #[arg(value_parser = settings::find)]
    name: &'static Setting,
    /// Its value, as `config list` shows it
    #[arg(allow_hyphen_values = true)]
    value: String,
    /// Who asks, for the history
    #[arg(long, value_name = "WHO", env = "TASKHOST_AGENT", hide_env_values = true)]
    by: Option<Name>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    super::change(context, args.name, args.by.as_ref(), |settings| {
        args.name.set(settings, &args.value, &context.board)
    })
}
