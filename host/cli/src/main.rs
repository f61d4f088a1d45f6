//! The command `taskhost`: a board of tasks that agents share.
//!
//! - [`cli`]: the command line as it is typed; [`commands`]: one file per command.
//! - [`context`]: which board, how long to wait, how to answer; [`record`]: whether decisions are recorded, and where.
//! - [`trace`]: what the library did, told where the environment asks for it.
//! - [`outputs`]: where that is kept what `run`'s commands print.
//! - [`output`]: answers, as text or JSON; [`exit`]: the one place that maps errors to exit codes.
//!
//! Only this crate prints or exits.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can't go on should stop"))]

mod cli;
mod commands;
mod context;
mod exit;
mod input;
mod output;
mod outputs;
mod parse;
mod record;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::context::Context;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error, std::env::args_os()),
    };
    let context = Context::new(cli.global);
    let decides = !matches!(cli.command, commands::Command::Policy(_));
    let done = trace::tell_if_asked()
        .and_then(|()| context.check_record())
        .and_then(|()| cli.command.exec(&context));
    let code = match done {
        Ok(code) => code.into(),
        Err(error) => {
            let code = exit::failed(context.output, &error);
            if decides {
                context.hint_at_ways_back(&error);
            }
            code
        }
    };
    context.tidy_up();
    // The system takes down at once what would take this process a tenth of a claim's time to take down by itself: maps,
    // threads, what policies had. What has to end in order has ended with its command.
    std::mem::forget(context);
    code
}
