//! `policy replay`: what would a policy have made of the board's history?

use std::ffi::OsString;

use anyhow::Result;

use super::replaying::{self, MODEL, Told, Tried};
use crate::context::Context;
use crate::exit::Code;
use crate::parse;

const EXAMPLES: &str = "\
Example: what would have been different if this policy had led all the time?

  taskhost policy replay fair-share.wasm --history

Example: how near does a replay come to what happened?

  taskhost policy replay current --history

Nothing is changed on the board. A file called `standard` or `current` is named `./standard`.";

/// Replay the board's history through a policy, and show what would have been different
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{MODEL}"))]
pub struct Args {
    /// A component; or `standard`, the standard policy alone; or `current`, the one that leads now
    #[arg(value_name = "P.wasm|standard|current")]
    target: OsString,
    /// Replay the board's own history
    #[arg(long, required = true)]
    history: bool,
    /// A setting of the policy; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = parse::setting)]
    settings: Vec<(String, String)>,
    /// A setting of the standard policy behind it; may be given several times
    #[arg(long = "standard-setting", value_name = "NAME=VALUE", value_parser = parse::setting)]
    standard_settings: Vec<(String, String)>,
    #[command(flatten)]
    told: Told,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let tried = [Tried {
        column: "replayed",
        doing: "replaying the history",
        target: &args.target,
        settings: &args.settings,
    }];
    replaying::exec(context, &tried, &args.standard_settings, &args.told)
}
