//! `config`: the board's own settings.

mod get;
mod list;
mod set;
mod unset;

use anyhow::Result;
use serde::Serialize;
use taskhost::{BoardSettings, Name};
use taskhost_answers::board_settings::{self as settings, Setting};

use crate::context::Context;
use crate::exit::Code;
use crate::output::line;

const EXAMPLES: &str = "\
Example: what can be set, and how it is

  taskhost config list

Example: a policy that fails doesn't stop the work

  taskhost config set fallback true";

/// See and change the board's own settings; the policy's are `policy show` and `policy set`
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    Get(get::Args),
    Set(set::Args),
    List(list::Args),
    Unset(unset::Args),
}

impl Command {
    /// Does it.
    pub fn exec(self, context: &Context) -> Result<Code> {
        match self {
            Self::Get(args) => get::exec(context, &args),
            Self::Set(args) => set::exec(context, &args),
            Self::List(args) => list::exec(context, &args),
            Self::Unset(args) => unset::exec(context, &args),
        }
    }
}

/// A setting as it is.
#[derive(Serialize)]
struct Shown {
    name: &'static str,
    value: String,
    default: String,
    doc: &'static str,
}

impl Shown {
    fn new(setting: &'static Setting, settings: &BoardSettings) -> Self {
        Self {
            name: setting.name,
            value: setting.show(settings),
            default: setting.show(&BoardSettings::default()),
            doc: setting.doc,
        }
    }
}

#[derive(Serialize)]
struct Changed {
    setting: Shown,
    was: String,
}

/// Changes one setting, and says how it is then.
fn change(
    context: &Context,
    setting: &'static Setting,
    by: Option<&Name>,
    edit: impl Fn(&mut BoardSettings) -> Result<(), String>,
) -> Result<Code> {
    let was = std::cell::RefCell::new(String::new());
    let edit = |settings: &mut BoardSettings| {
        was.replace(setting.show(settings));
        edit(settings)
    };
    let board = context.open()?;
    let settings = board.configure(&edit, by)?;
    if setting.name == settings::SHARED_FILES {
        // Also where it was set already: it may have come with the board, and now somebody here wants it.
        board.share_files(&settings)?;
    }
    let changed = Changed { setting: Shown::new(setting, &settings), was: was.into_inner() };
    context.output.answer(&changed, |out| {
        let Shown { name, value, .. } = &changed.setting;
        if *value == changed.was {
            line(out, format_args!("`{name}` was `{value}` already"));
        } else {
            line(out, format_args!("`{name}`: {} → {value}", changed.was));
        }
    })?;
    Ok(Code::Done)
}
