//! `watch`: what happens on a board, as it happens.
//!
//! [`lines`]: an event a line, for programs and files. [`live`]: a view that stays on the terminal, for people.

mod lines;
mod live;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use anyhow::Result;
use taskhost::TaskId;

use super::wanted::Wanted;
use crate::context::Context;
use crate::exit::Code;
use crate::output::Output;
use crate::parse;

const EXAMPLES: &str = "\
Example: the board in the terminal, where `?` says what the keys do and `q` ends it

  taskhost watch

Example: everything that happens from now on, an event a line

  taskhost watch --lines

Example: a program that follows what ends, from where it stopped the last time

  taskhost watch --since 4711 --event completed --event failed --json

Example: a script that waits until everything is done

  taskhost watch --until-idle --for 1h

If the board wasn't idle by then, the exit code is 3.

The live view is shown where standard input and output are a terminal and nothing else is asked for: every option is about \
lines, and so are a pipe, `--json` and `TERM=dumb`. With `NO_COLOR` set, it has no colours.

How long the history is kept is up to the board's settings. If what is to be shown isn't kept any more, standard error \
says so; with `--json`, one object does: `{\"schema\":1,\"event\":\"gap\",\"from\":FIRST,\"to\":LAST}`.";

/// Show the board live in a terminal, or what happens on it an event a line, until `q` or Ctrl-C
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An event a line in a terminal too, as everywhere else
    #[arg(long)]
    lines: bool,
    /// First what happened after the transaction of this sequence; 0 for everything
    #[arg(long, value_name = "SEQUENCE")]
    since: Option<u64>,
    /// Only what happens to this task
    #[arg(long, value_name = "ID")]
    task: Option<TaskId>,
    #[command(flatten)]
    wanted: Wanted,
    /// End after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = parse::duration)]
    at_most: Option<Duration>,
    /// End once nothing is open on the board; the exit code is 3 if `--for` ended it before
    #[arg(long)]
    until_idle: bool,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    if args.is_plain() && context.output == Output::Text && is_screen() {
        return live::exec(context);
    }
    lines::exec(context, args)
}

impl Args {
    /// Whether nothing is asked for that only a stream of events can give.
    fn is_plain(&self) -> bool {
        let Self { lines, since, task, wanted, at_most, until_idle } = self;
        let is_stream = *lines || since.is_some() || at_most.is_some() || *until_idle;
        !is_stream && task.is_none() && wanted.is_everything()
    }
}

/// Whether somebody sits before a terminal on which a view can be drawn.
fn is_screen() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stdout().is_terminal() && io::stdin().is_terminal() && !is_dumb
}
