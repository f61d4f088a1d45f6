//! `lock`: a command that is run while nobody else has a task, or the board.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command as Process, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, bail};
use signal_hook::consts::{SIGINT, SIGQUIT};
use taskhost::domain::Error as BoardError;
use taskhost::{HandLock, Name, TaskId};

use crate::context::Context;
use crate::exit::{self, Code};

const EXAMPLES: &str = "\
Example: look into a task while no agent is given it

  taskhost lock task build_1a2b3c4d -- vim notes.md

Example: change several things while nobody changes anything else

  taskhost lock board --timeout 1m -- sh -c 'taskhost cancel a && taskhost add build --id b'

Whatever runs inside has the lock too: a `taskhost` there doesn't wait for it, and the lock lasts until everything that \
inherited it has ended, even if this process is killed. Of a board in a directory, other programs can take the same locks, by \
`flock` on its `board.lock` or `locks/task_ID.lock`.

The exit code is the command's, or 128 and the signal that ended it.";

/// Run a command while holding the lock of a task or of the board
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What to lock.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lock a task: nobody is given it
    #[command(after_help = TASK_EXAMPLE)]
    Task {
        /// The task; it need not be on the board yet
        #[arg(value_name = "ID")]
        id: TaskId,
        #[command(flatten)]
        run: Run,
    },
    /// Lock the board: nobody changes it
    #[command(after_help = BOARD_EXAMPLE)]
    Board {
        #[command(flatten)]
        run: Run,
    },
}

const TASK_EXAMPLE: &str = "\
Example:

  taskhost lock task build_1a2b3c4d --agent ada -- make check";
const BOARD_EXAMPLE: &str = "\
Example:

  taskhost lock board -- tar cf board.tar .taskhost

Of a board in a directory, large values (`taskhost context`) may change all the same, and what `run`'s commands print: \
they aren't part of the board's transactions. Whoever needs a task's lock too takes it first, and the board's inside.";

#[derive(Debug, clap::Args)]
struct Run {
    /// Who holds it, for those who wait
    #[arg(long, value_name = "NAME", env = "TASKHOST_AGENT", hide_env_values = true)]
    agent: Option<Name>,
    /// The exit code if the lock can't be had, the command can't be started, or it succeeds while the lock is lost
    #[arg(long, value_name = "N", default_value = "6")]
    conflict_exit_code: u8,
    /// The command, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let (id, run) = match &args.what {
        What::Task { id, run } => (Some(id), run),
        What::Board { run } => (None, run),
    };
    let code = match hold_and_run(context, id, run) {
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
        Err(error) => {
            exit::failed(context.output, &error);
            run.conflict_exit_code.into()
        }
    };
    // The command's own codes are none of ours.
    std::process::exit(code)
}

fn hold_and_run(context: &Context, id: Option<&TaskId>, run: &Run) -> Result<ExitStatus> {
    let who = run.agent.as_ref().map(Name::as_str);
    let board = context.open()?;
    let lock = match id {
        Some(id) => {
            if let Err(taskhost::Error::Board(BoardError::NoSuchTask(id))) = board.task(id) {
                context.output.hint(&format!("taskhost: there is no task `{id}` on the board yet"));
            }
            board.hold_task(id, who)?
        }
        None => board.hold_board(who)?,
    };
    let status = spawn(context, &*lock, run)?;
    if !lock.is_held() {
        let lost = "the lock was lost while the command ran, with the connection to the server: others may have gone on";
        if status.success() {
            bail!(lost);
        }
        context.output.hint(&format!("taskhost: {lost}"));
    }
    // After the command: until then the lock is this process's too.
    drop(lock);
    Ok(status)
}

fn spawn(context: &Context, lock: &dyn HandLock, run: &Run) -> Result<ExitStatus> {
    let (program, arguments) = run.command.split_first().context("there is no command")?;
    // Ctrl-C is for the command, which this process waits for.
    for signal in [SIGINT, SIGQUIT] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let mut command = Process::new(program);
    command.args(arguments);
    if let Ok(board) = context.board.absolute() {
        command.env("TASKHOST_BOARD", board.as_os_str());
    }
    lock.pass_on(&mut command).context("the lock can't be handed on")?;
    let shown = program.to_string_lossy();
    let mut child = command.spawn().with_context(|| format!("`{shown}` can't be started"))?;
    child.wait().context("how the command ended can't be found out")
}
