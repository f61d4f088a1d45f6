//! `policy replay`: what was decided, decided again: one recorded decision, or the board's whole history.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::recorded;
use super::replaying::{self, MODEL, Told, Tried};
use crate::context::Context;
use crate::exit::Code;
use crate::parse;

const EXAMPLES: &str = "\
Example: record a decision that fails, and make it again

  taskhost claim --agent alice --record failed.json
  taskhost policy replay failed.json

Example: does the next build of the policy do better?

  taskhost policy replay failed.json --policy my-policy.wasm

Example: what would have been different if this policy had led all the time?

  taskhost policy replay fair-share.wasm --history

Example: how near does a replay come to what happened?

  taskhost policy replay current --history

Nothing is changed on the board.

Of a recorded decision the exit code says what came: 0 if the policy decided, 7 if it refused, 8 if it failed; so it is \
7 or 8 as long as nothing is mended. It is 1 if nobody can say, because the policy asked for something that isn't in the \
recording: a board of up to 1,000 tasks is in it, and of a larger one what the recorded policy asked for. No board is \
needed: small policies are in the recording. One of more than 1 MiB is taken from the board that has it, or given with \
`--policy`. The decision is made in a fresh instance and within the same limits. What a machine's speed decided, such as \
a deadline, may come out otherwise.

With `--history`, a file called `standard` or `current` is named `./standard`.";

/// Make a recorded decision again; or replay the board's history through a policy, and show what would have been different
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{MODEL}"),
    mut_arg("limit", |argument| argument.requires("history")),
    mut_arg("svg", |argument| argument.requires("history")),
    mut_arg("html", |argument| argument.requires("history")),
)]
pub struct Args {
    /// What `--record` wrote; or, with `--history`, a component, or `standard`, the standard policy alone, or `current`,
    /// the policy that leads now, or the digest of one that led before
    #[arg(value_name = "FILE|P.wasm|standard|current|DIGEST")]
    target: OsString,
    /// Replay the board's own history through this policy
    #[arg(long)]
    history: bool,
    /// Of a recorded decision: this build of the policy instead of the recorded one; or `standard`
    #[arg(long, value_name = "P.wasm|standard", conflicts_with = "history")]
    policy: Option<PathBuf>,
    /// Another value of a setting of the policy; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = parse::setting)]
    settings: Vec<(String, String)>,
    /// A setting of the standard policy behind it; may be given several times
    #[arg(
        long = "standard-setting",
        value_name = "NAME=VALUE",
        value_parser = parse::setting,
        requires = "history"
    )]
    standard_settings: Vec<(String, String)>,
    #[command(flatten)]
    told: Told,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    if !args.history {
        let recording = Path::new(&args.target);
        return recorded::exec(context, recording, args.policy.as_deref(), args.settings);
    }
    let tried = [Tried {
        column: "replayed",
        doing: "replaying the history",
        target: &args.target,
        settings: &args.settings,
    }];
    replaying::exec(context, &tried, &args.standard_settings, &args.told)
}
