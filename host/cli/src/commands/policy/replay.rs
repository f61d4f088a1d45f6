//! `policy replay`: what was decided, decided again.

use std::path::PathBuf;

use anyhow::Result;

use super::recorded;
use crate::context::Context;
use crate::exit::Code;
use crate::parse;

const EXAMPLES: &str = "\
Example: record a decision that fails, and make it again

  taskhost claim --agent alice --record failed.json
  taskhost policy replay failed.json

Example: does the next build of the policy do better?

  taskhost policy replay failed.json --policy my-policy.wasm

The exit code says what came: 0 if the policy decided, 7 if it refused, 8 if it failed; so it is 7 or 8 as long as \
nothing is mended. It is 1 if nobody can say, because the policy asked for something that isn't in the recording: a \
board of up to 1,000 tasks is in it, and of a larger one what the recorded policy asked for.

Nothing is changed, and no board is needed: small policies are in the recording. One of more than 1 MiB is taken from \
the board that has it, or given with `--policy`.

The decision is made in a fresh instance and within the same limits. What a machine's speed decided, such as a deadline, \
may come out otherwise.";

/// Make a recorded decision again: what the policy is asked, what it logs, and what comes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What `--record` wrote
    #[arg(value_name = "FILE")]
    recording: PathBuf,
    /// This build of the policy instead of the recorded one
    #[arg(long, value_name = "P.wasm")]
    policy: Option<PathBuf>,
    /// Another value of a setting of the policy that leads; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = parse::setting)]
    settings: Vec<(String, String)>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    recorded::exec(context, &args.recording, args.policy.as_deref(), args.settings)
}
