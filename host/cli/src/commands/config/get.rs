//! `config get`: one of the board's own settings.

use anyhow::Result;
use serde::Serialize;

use super::Shown;
use crate::context::Context;
use crate::exit::Code;
use crate::output::line;
use taskhost_answers::board_settings::{self as settings, Setting};

const EXAMPLES: &str = "\
Example:

  taskhost config get policy_deadline";

/// Show one setting
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Its name
    #[arg(value_parser = settings::find)]
    name: &'static Setting,
}

#[derive(Serialize)]
struct Answer {
    setting: Shown,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let settings = context.open()?.settings()?;
    let answer = Answer { setting: Shown::new(args.name, &settings) };
    context.output.answer(&answer, |out| line(out, &answer.setting.value))?;
    Ok(Code::Done)
}
