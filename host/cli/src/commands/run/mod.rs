//! `run`: agents in this process work off a board with a command.
//!
//! - [`args`]: the command line; [`agents`]: who works, as it says.
//! - [`supervisor`]: an agent's lives; [`worker`]: one of them: claims, has the command run, and [`settle`]s what
//!   became of the task. [`limits`], [`failures`]: what is not to be begun.
//! - [`attempt`]: one run of the command; [`command`]: what it is called with; [`child`]: its process; [`lease`]:
//!   the claim meanwhile; [`ending`]: what it left.
//! - [`outlook`]: whether anything can still come; [`stop`]: Ctrl-C.
//! - [`progress`], [`summary`]: what people see of the run; [`shown`], [`lines`]: of the commands' output;
//!   [`screen`]: where.

mod agents;
mod args;
mod attempt;
mod child;
mod command;
mod ending;
mod failures;
mod lease;
mod limits;
mod lines;
mod outlook;
mod place;
mod progress;
mod screen;
mod settle;
mod shown;
mod stop;
mod summary;
mod supervisor;
mod worker;

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use taskhost::{Address, Board, Name, Session};

use self::agents::Member;
pub use self::args::Args;
use self::args::TaskTimeout;
use self::command::Template;
use self::failures::Failures;
use self::limits::Limits;
use self::outlook::{Hopeful, Outlook};
use self::progress::Progress;
use self::shown::Show;
use self::stop::Stop;
use self::summary::{AgentSummary, Left, Summary, Tally};
use crate::context::Context;
use crate::exit::{self, Code};
use crate::outputs::Outputs;

/// What all workers share.
struct Run {
    board: Board,
    /// The board's address, wherever a command may go.
    address: Address,
    outputs: Outputs,
    /// Where these are, wherever a command may go.
    output_dir: PathBuf,
    template: Template,
    labels: Vec<Name>,
    lease: Option<Duration>,
    task_timeout: Option<TaskTimeout>,
    grace: Duration,
    keep_going: bool,
    show: Show,
    limits: Limits,
    failures: Failures,
    outlook: Outlook,
    progress: Progress,
    stop: Stop,
}

pub fn exec(context: &Context, mut args: Args) -> Result<Code> {
    let template = Template::new(&args.command)?;
    let filter = std::mem::take(&mut args.wanted).filter();
    let members = args.members(&filter.types)?;
    let limits = Limits::new(agents::limits(&args.limits)?);
    let board = context.open()?;
    let outputs = Outputs::of(&board)?;
    let output_dir = outputs.make()?;
    let sessions = members
        .iter()
        .map(|member| board.session(&member.session()))
        .collect::<Result<Vec<_>, _>>()?;
    let hopeful = sessions.iter().zip(&members).map(|(session, member)| Hopeful {
        agent: session.agent().clone(),
        types: member.types.clone(),
    });
    let progress = Progress::new(&board);
    let stop = Stop::default();
    let _listener = stop.listen(&progress.screen)?;
    let run = Run {
        outlook: Outlook::new(filter.labels.clone(), hopeful.collect()),
        progress,
        address: match context.board.directory() {
            Some(_) => output_dir.clone().into(),
            None => context.board.clone(),
        },
        outputs,
        output_dir,
        labels: filter.labels,
        lease: args.lease,
        task_timeout: args.task_timeout,
        grace: args.grace,
        keep_going: args.keep_going,
        show: args.output,
        failures: Failures::new(args.max_failures),
        limits,
        template,
        board,
        stop,
    };
    let (summary, error) = work(&run, &members, sessions);
    run.progress.end();
    context.output.answer(&summary, |out| summary.write(out))?;
    if let Some(error) = &error {
        context.output.hint(&crate::output::hanging(&format!("taskhost: {error:#}")));
        context.hint_at_ways_back(error);
    }
    Ok(code(&run.stop, error.as_ref(), &summary))
}

/// Has every agent work in a thread of its own, until all have ended.
fn work(run: &Run, members: &[Member], sessions: Vec<Session>) -> (Summary, Option<Error>) {
    let mut agents = Vec::new();
    let mut first_error = None;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for (member, session) in members.iter().zip(sessions) {
            let id = session.agent().session.clone();
            let spawned = thread::Builder::new()
                .spawn_scoped(scope, move || supervisor::keep_at_work(run, member, session));
            threads.push((member, id, spawned));
        }
        for (member, id, spawned) in threads {
            let broken = |what: Error| {
                (AgentSummary::new(&member.name, &id, Tally::default(), 0), Some(what))
            };
            let (summary, error) = match spawned.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(ended)) => ended,
                Ok(Err(_)) => broken(anyhow!("agent `{}` panicked", member.name)),
                Err(error) => broken(anyhow!("a thread could not be started: {error}")),
            };
            agents.push(summary);
            first_error = first_error.take().or(error);
        }
    });
    let problem = first_error.as_ref().map(exit::problem);
    // What can't be read now is left out; whatever went wrong with the board was said by then.
    let left = run.board.head().ok().map(|head| Left::from(&head.counts));
    let too_many = run.failures.are_too_many().then_some("max_failures");
    let stopped_by = run.stop.signal().map(stop::StopSignal::as_str).or(too_many);
    (Summary::new(agents, left, stopped_by, problem), first_error)
}

fn code(stop: &Stop, error: Option<&Error>, summary: &Summary) -> Code {
    match (stop.signal(), error) {
        (Some(signal), _) => signal.code(),
        (None, Some(error)) => exit::problem(error).exit,
        (None, None) if summary.some_failed() => Code::SomeFailed,
        (None, None) => Code::Done,
    }
}

/// Whether what went wrong may go right another time, without anybody doing anything about it.
fn passes(error: &Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    exit::problem(error).retryable || causes.any(passes_in_time)
}

/// Whether the machine lacks something now that it had, and may have again.
fn passes_in_time(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ExecutableFileBusy, Interrupted, OutOfMemory, QuotaExceeded, ResourceBusy, StorageFull,
        WouldBlock,
    };
    // Too many open files, in this process or everywhere, have no kind of their own.
    let too_many_files = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    let is_passing_kind = matches!(
        error.kind(),
        ExecutableFileBusy
            | Interrupted
            | OutOfMemory
            | QuotaExceeded
            | ResourceBusy
            | StorageFull
            | WouldBlock
    );
    is_passing_kind
        || too_many_files.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
