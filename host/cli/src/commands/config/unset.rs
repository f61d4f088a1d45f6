//! `config unset`: one of the board's own settings is as it was made.

use anyhow::Result;
use taskhost::Name;
use taskhost_answers::board_settings::{self as settings, Setting};

use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example:

  taskhost config unset policy_deadline";

/// Give one setting its default again
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Its name
    #[arg(value_parser = settings::find)]
    name: &'static Setting,
    /// Who asks, for the history
    #[arg(long, value_name = "WHO", env = "TASKHOST_AGENT", hide_env_values = true)]
    by: Option<Name>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    super::change(context, args.name, args.by.as_ref(), |settings| {
        args.name.unset(settings);
        Ok(())
    })
}
