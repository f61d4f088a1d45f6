//! `policy compare`: what would two policies have made of the board's history?

use std::ffi::OsString;

use anyhow::Result;

use super::replaying::{self, MODEL, Told, Tried};
use crate::context::Context;
use crate::exit::Code;
use crate::parse;

const EXAMPLES: &str = "\
Example: what would have been different with another policy?

  taskhost policy compare current fair-share.wasm --history

Example: the standard policy with another setting, drawn

  taskhost policy compare standard standard --setting-b retries=2 --history --svg retries.svg

Nothing is changed on the board. A file called `standard` or `current` is named `./standard`.";

/// Replay the board's history through two policies, and show what would have differed
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{MODEL}"))]
pub struct Args {
    /// A component; or `standard`, the standard policy alone; or `current`, the one that leads now; or the digest of one
    /// that led before
    #[arg(value_name = "A.wasm|standard|current|DIGEST")]
    a: OsString,
    /// The other one
    #[arg(value_name = "B.wasm|standard|current|DIGEST")]
    b: OsString,
    /// Compare them on the board's own history
    #[arg(long, required = true)]
    history: bool,
    /// A setting of the first; may be given several times
    #[arg(long = "setting-a", value_name = "NAME=VALUE", value_parser = parse::setting)]
    settings_a: Vec<(String, String)>,
    /// A setting of the second; may be given several times
    #[arg(long = "setting-b", value_name = "NAME=VALUE", value_parser = parse::setting)]
    settings_b: Vec<(String, String)>,
    /// A setting of the standard policy behind both; may be given several times
    #[arg(long = "standard-setting", value_name = "NAME=VALUE", value_parser = parse::setting)]
    standard_settings: Vec<(String, String)>,
    #[command(flatten)]
    told: Told,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let tried = [
        Tried {
            column: "a",
            doing: "replaying the history through the first policy",
            target: &args.a,
            settings: &args.settings_a,
        },
        Tried {
            column: "b",
            doing: "replaying the history through the second policy",
            target: &args.b,
            settings: &args.settings_b,
        },
    ];
    replaying::exec(context, &tried, &args.standard_settings, &args.told)
}
