//! `migrate`: the board goes on in another place.

use anyhow::Result;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use serde::Serialize;
use taskhost::{Address, Migrated};

use crate::context::Context;
use crate::exit::Code;
use crate::output::{counted, line};

const EXAMPLES: &str = "\
Example: more than one machine is to share the board

  taskhost migrate --to 'postgres://ada@db.example.org/work?board=nightly'

Example: back to a directory of this machine

  taskhost --board 'postgres://ada@db.example.org/work?board=nightly' migrate --to .taskhost-again

It is the same board there: its ids, tokens, claims, request keys, policies and what they remember, settings, metadata, large \
values and history. What commands printed (`output/`) and what policies keep in files stay behind, as with `export`; so do \
tasks that are locked by hand.

Nobody changes the board meanwhile. Whoever would afterwards, or waits for something to happen on it, is told where it is \
(exit 13, `moved`), by an address without a password; it can still be read where it was. Who holds a task goes on with it \
there, by the same token, and the lease goes on. That its holder has died is noticed there only when the lease ends: proof of \
life stays with the board that was left.

There must be no board where it goes. If this is cut short, the same command again finishes it; until then the board is \
worked on at one of the two places at most.";

/// Move the board to another place, while agents have it open
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where to: a directory, or `postgres://USER@HOST/DATABASE?board=NAME`
    #[arg(long, value_name = "DIR|URL", env = "TASKHOST_MIGRATE_TO", hide_env_values = true)]
    #[arg(value_parser = OsStringValueParser::new().map(Address::from))]
    to: Address,
}

#[derive(Serialize)]
struct Answer {
    from: String,
    to: String,
    tasks: u64,
    sequence: u64,
    already: bool,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = context.open()?;
    let Migrated { from, to, tasks, sequence, already } =
        board.migrate(&args.to, &context.open_options())?;
    let answer = Answer { from, to, tasks, sequence: sequence.0, already };
    context.output.answer(&answer, |out| {
        let Answer { to, tasks, sequence, already, .. } = &answer;
        let tasks = counted(*tasks, "task", "tasks");
        let verb = if *already { "was moved before" } else { "was moved" };
        line(
            out,
            format_args!("the board {verb}: it is at `{to}`, with {tasks}, up to entry {sequence}"),
        );
    })?;
    Ok(Code::Done)
}
