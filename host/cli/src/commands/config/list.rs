//! `config list`: all of the board's own settings.

use anyhow::Result;
use serde::Serialize;

use super::{Shown, settings};
use crate::context::Context;
use crate::exit::Code;
use crate::output::table;

const EXAMPLES: &str = "\
Example:

  taskhost config list --json";

/// List all settings, with their defaults and what they mean
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

#[derive(Serialize)]
struct Answer {
    settings: Vec<Shown>,
    total: usize,
}

pub fn exec(context: &Context, _args: &Args) -> Result<Code> {
    let settings = context.open()?.settings()?;
    let settings: Vec<Shown> =
        settings::ALL.iter().map(|setting| Shown::new(setting, &settings)).collect();
    let answer = Answer { total: settings.len(), settings };
    context.output.answer(&answer, |out| {
        let rows: Vec<[String; 4]> = answer.settings.iter().map(row).collect();
        table(out, ["NAME", "VALUE", "DEFAULT", "MEANING"], &rows);
    })?;
    Ok(Code::Done)
}

fn row(shown: &Shown) -> [String; 4] {
    let nothing = |value: &str| if value.is_empty() { "-".to_owned() } else { value.to_owned() };
    [shown.name.to_owned(), nothing(&shown.value), nothing(&shown.default), shown.doc.to_owned()]
}
