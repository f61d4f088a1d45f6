//! `run`: agents in this process work off a board with a command.
//!
//! - [`worker`]: one agent: claims, has the command run, and [`settle`]s what became of the task.
//! - [`attempt`]: one run of the command; [`command`]: what it is called with; [`child`]: its process;
//!   [`ending`]: what it left.
//! - [`outlook`]: whether anything can still come; [`stop`]: Ctrl-C; [`progress`], [`summary`]: what people see.

mod attempt;
mod child;
mod command;
mod ending;
mod outlook;
mod progress;
mod settle;
mod stop;
mod summary;
mod worker;

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use taskhost::{Board, ClaimOptions, Name, Session, SessionOptions};

use self::command::Template;
use self::outlook::Outlook;
use self::progress::Progress;
use self::stop::Stop;
use self::summary::{AgentSummary, Left, Summary, Tally};
use self::worker::Worker;
use super::asker::Wanted;
use crate::context::Context;
use crate::exit::{self, Code};
use crate::{output, parse};

const EXAMPLES: &str = "\
Example: four agents build everything that is on the board

  taskhost run --agents 4 -- ./build.sh {id}

Example: one agent, one type of task, an argument from the task's data

  taskhost run --agents 1 --type fetch -- curl -fsSO -- {data.url}

Example: in a shell, take what comes from a task as an argument or from the environment, never as a part of the \
script

  taskhost run --agents 2 -- sh -c 'make \"$1\" && date > \"$TASKHOST_OUTPUT/done\"' sh {data.target}

In the command's arguments `{id}`, `{type}` and `{data.FIELD}` (`{data.a.b}` for what is inside) are replaced. \
Its standard input is the task as JSON; what it prints is kept in the board's `output/TASK/ATTEMPT`. In its \
environment stand TASKHOST_BOARD, TASKHOST_TASK, TASKHOST_TYPE, TASKHOST_TOKEN, TASKHOST_AGENT, TASKHOST_SESSION, \
TASKHOST_ATTEMPT, TASKHOST_OUTPUT (a directory of this attempt) and TASKHOST_RESULT (a file to which it may write \
its result as JSON).

The task is completed if the command exits with 0, and fails otherwise. Ctrl-C stops the commands and hands \
their tasks back; again, at once. It ends when nothing is left or can become ready: with 0, or with 12 if some \
tasks failed. If this process itself is killed, its tasks come back at once; commands that it had started go on, \
but their tokens are worth nothing any more.";

/// Have a command run for every task, by several agents at once
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How many agents work at once
    #[arg(long, value_name = "N")]
    agents: NonZeroU16,
    #[command(flatten)]
    wanted: Wanted,
    /// Something the command can do, as tasks' needs name it; may be given several times
    #[arg(long = "capability", value_name = "CAP")]
    capabilities: Vec<Name>,
    /// What the agents are called: `NAME-1`, `NAME-2`, …, or just `NAME` if there is one
    #[arg(long, value_name = "NAME", default_value = "worker")]
    name: Name,
    /// Until when a claim holds without a heartbeat, of which there are three in that time
    #[arg(long, value_name = "DURATION", value_parser = parse::lease)]
    lease: Option<Duration>,
    /// The command, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What all workers share.
struct Run {
    board: Board,
    board_dir: PathBuf,
    template: Template,
    options: ClaimOptions,
    outlook: Outlook,
    progress: Progress,
    stop: Stop,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let template = Template::new(&args.command)?;
    let board = context.open()?;
    let stop = Stop::default();
    let _listener = stop.listen()?;
    let sessions = sessions(&board, &args)?;
    let filter = args.wanted.filter();
    let run = Run {
        outlook: Outlook::new(
            &filter,
            sessions.iter().map(|session| session.agent().clone()).collect(),
        ),
        progress: Progress::new(&board),
        options: ClaimOptions { filter, lease: args.lease, ..ClaimOptions::default() },
        board_dir: context.board.canonicalize().context("the board's directory can't be found")?,
        template,
        board,
        stop,
    };
    let (summary, error) = work(&run, sessions);
    run.progress.end();
    context.output.answer(&summary, |out| summary.write(out))?;
    if let Some(error) = &error {
        context.output.hint(&format!("taskhost: {error:#}"));
    }
    Ok(code(&run.stop, error.as_ref(), &summary))
}

fn sessions(board: &Board, args: &Args) -> Result<Vec<Session>, taskhost::Error> {
    let capabilities: Vec<String> = args.capabilities.iter().map(ToString::to_string).collect();
    (1..=args.agents.get())
        .map(|number| {
            let name = match args.agents.get() {
                1 => args.name.to_string(),
                _ => format!("{}-{number}", args.name),
            };
            board.session(&SessionOptions {
                capabilities: capabilities.clone(),
                ..SessionOptions::new(name)
            })
        })
        .collect()
}

/// Has every session work in a thread of its own, until all have ended.
fn work(run: &Run, sessions: Vec<Session>) -> (Summary, Option<anyhow::Error>) {
    let mut agents = Vec::new();
    let mut first_error = None;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for session in sessions {
            let agent = session.agent().clone();
            let spawned = thread::Builder::new()
                .spawn_scoped(scope, move || Worker::new(run, session).work());
            threads.push((agent, spawned));
        }
        for (agent, spawned) in threads {
            let (tally, error) = match spawned.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(ended)) => ended,
                Ok(Err(_)) => (Tally::default(), Some(anyhow!("agent `{}` panicked", agent.name))),
                Err(error) => {
                    (Tally::default(), Some(anyhow!("a thread could not be started: {error}")))
                }
            };
            agents.push(AgentSummary::new(&agent, tally));
            first_error = first_error.take().or(error);
        }
    });
    let problem = first_error.as_ref().map(exit::problem);
    // What can't be read now is left out; whatever went wrong with the board was said by then.
    let left = run.board.head().ok().map(|head| Left::from(&head.counts));
    (Summary::new(agents, left, run.stop.signal(), problem), first_error)
}

fn code(stop: &Stop, error: Option<&anyhow::Error>, summary: &Summary) -> Code {
    match (stop.signal(), error) {
        (Some(signal), _) => signal.code(),
        (None, Some(error)) => exit::problem(error).exit,
        (None, None) if summary.some_failed() => Code::SomeFailed,
        (None, None) => Code::Done,
    }
}

/// Says something about an agent's work.
fn say(text: &str) {
    output::note(text);
}
