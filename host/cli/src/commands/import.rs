//! `import`: a board made of what `export` wrote, or the files of another system brought onto one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use taskhost::formats::{self, Format, Recognised, Remark};
use taskhost::{
    Archived, Board, BoardSettings, Error, Imported, InitError, InitOptions, Millis, OpenError,
    check_foreign, reading,
};

use crate::context::Context;
use crate::exit::{Code, Usage};
use crate::output::{counted, line};
use crate::parse;

const EXAMPLES: &str = "\
Example: the board in another place

  taskhost export board.jsonl
  taskhost --board /elsewhere/.taskhost import board.jsonl

Example: by way of a pipe

  taskhost export | taskhost --board /elsewhere/.taskhost import -

It is the same board: its ids, tokens, claims and history go on. Agents of the old one don't hear of it, so stop them first, \
or use `taskhost migrate`. The board is made whole or not at all.

Example: what another system has in its files

  taskhost import states/workflow.json
  taskhost import --format todo2 .todo2
  taskhost import --format sqlite tasks.db

The format is recognised if none is named: task-manager (a state file with `tasks`), todo2 (`.todo2/state.todo2.json`), a2a \
(directories `available`, `claimed`, `completed`), task-board (a JSON list of tasks) or sqlite (a table `tasks`). The tasks \
come to the board that is there; if there is none, one is made, unfenced and with the lease that claims have there, since \
agents of such systems have no tokens. Nothing is dropped: fields that a board has no place for are kept in the tasks' \
data, and what could not be mapped is listed. What the board has already stays as it is, so importing twice changes nothing; \
what was done there meanwhile and isn't here is listed too. \
The files are only read; whoever still writes to them is to be stopped first.";

/// Make a board of what `export` wrote, or bring what another system has in its files onto one
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Whose files they are; recognised unless it is said
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<Format>,
    /// How long who holds a task there holds it here, from when it was claimed
    #[arg(long, value_name = "DURATION", value_parser = parse::lease, default_value = "24h")]
    lease: Duration,
    /// The file or directory; `-` for an export on standard input
    #[arg(value_name = "FILE|DIR|-")]
    path: PathBuf,
}

#[derive(Serialize)]
struct Answer {
    board: String,
    tasks: u64,
    sequence: u64,
}

#[derive(Serialize)]
struct ForeignAnswer {
    board: String,
    created: bool,
    format: &'static str,
    added: usize,
    present: usize,
    claims: Vec<Held>,
    remarks: Vec<Remarked>,
}

/// A task that was added and that somebody holds, who has no token of this board yet.
#[derive(Serialize)]
struct Held {
    task: String,
    agent: String,
    token: u64,
}

/// Something that could not be mapped.
#[derive(Serialize)]
pub struct Remarked {
    task: Option<String>,
    field: String,
    why: String,
}

impl From<Remark> for Remarked {
    fn from(Remark { task, field, why }: Remark) -> Self {
        Self { task, field, why }
    }
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let recognised = match args.format {
        Some(format) if args.path == Path::new("-") => {
            return Err(Usage(format!(
                "standard input can only be what `export` wrote: name the file that is as `{format}` has it"
            ))
            .into());
        }
        Some(format) => Recognised::Foreign(format),
        None if args.path == Path::new("-") => Recognised::Transfer,
        None => formats::recognise(&args.path).map_err(Error::Format)?,
    };
    match recognised {
        Recognised::Transfer => whole_board(context, &args.path),
        Recognised::Foreign(format) => foreign(context, args, format),
    }
}

fn whole_board(context: &Context, path: &Path) -> Result<Code> {
    let board = Board::import(&context.board, open(path)?, &context.open_options())?;
    let head = board.head()?;
    let answer = Answer {
        board: context.board.to_string(),
        tasks: head.counts.total(),
        sequence: head.sequence.0,
    };
    context.output.answer(&answer, |out| {
        let Answer { board, tasks, sequence } = &answer;
        line(out, format_args!("`{board}` has {tasks} tasks, up to entry {sequence}"));
    })?;
    Ok(Code::Done)
}

fn foreign(context: &Context, args: &Args, format: Format) -> Result<Code> {
    let lease_ms = u64::try_from(args.lease.as_millis()).unwrap_or(u64::MAX);
    // Read and checked before a board is made: of a damaged file none is left.
    let found = found(context)?;
    let now = found.as_ref().map_or_else(Millis::of_this_machine, Board::now);
    let options = reading(now, Some(lease_ms));
    let read = formats::read(format, &args.path, &options).map_err(Error::Format)?;
    check_foreign(&read)?;
    let (board, created) = match found {
        Some(board) => (board, false),
        None => made(context, lease_ms)?,
    };
    let Imported { added, present, claims, remarks } = board.adopt(read, Archived::Stay)?;
    let needs_tokens = !board.settings()?.unfenced && !claims.is_empty();
    let answer = ForeignAnswer {
        board: context.board.to_string(),
        created,
        format: format.as_str(),
        added: added.len(),
        present: present.len(),
        claims: claims
            .into_iter()
            .map(|(task, agent, token)| Held {
                task: task.to_string(),
                agent: agent.to_string(),
                token: token.0,
            })
            .collect(),
        remarks: remarks.into_iter().map(Remarked::from).collect(),
    };
    context.output.answer(&answer, |out| write(out, &answer))?;
    if needs_tokens {
        context.output.hint(
            "who holds a task needs the token above to end its claim, unless `taskhost config set unfenced true`",
        );
    }
    Ok(Code::Done)
}

/// The board that is there, if there is one.
fn found(context: &Context) -> Result<Option<Board>> {
    match context.open() {
        Ok(board) => Ok(Some(board)),
        Err(Error::Open(OpenError::NoBoard { .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A board for agents that have no tokens, and whether it was made here.
fn made(context: &Context, lease_ms: u64) -> Result<(Board, bool)> {
    let lease = parse::show_duration(lease_ms);
    let options = InitOptions {
        settings: BoardSettings { unfenced: true, ..BoardSettings::default() },
        policy_settings: BTreeMap::from([("lease".to_owned(), lease)]),
        open: context.open_options(),
    };
    match Board::init(&context.board, &options) {
        Ok(board) => Ok((board, true)),
        // Somebody else made it meanwhile.
        Err(Error::Init(InitError::Exists)) => Ok((context.open()?, false)),
        Err(error) => Err(error.into()),
    }
}

fn write(out: &mut String, answer: &ForeignAnswer) {
    let ForeignAnswer { board, created, format, added, present, claims, remarks } = answer;
    if *created {
        line(out, format_args!("made an unfenced board in `{board}`"));
    }
    let tasks = counted(*added as u64, "task", "tasks");
    line(out, format_args!("added {tasks} ({format}); there already: {present}"));
    for Held { task, agent, token } in claims {
        line(out, format_args!("`{task}` is held by `{agent}`, with token {token}"));
    }
    write_remarks(out, remarks);
}

/// What could not be mapped, a line each.
pub fn write_remarks(out: &mut String, remarks: &[Remarked]) {
    for Remarked { task, field, why } in remarks {
        match task {
            Some(task) => line(out, format_args!("`{task}`: `{field}`: {why}")),
            None => line(out, format_args!("`{field}`: {why}")),
        }
    }
}

/// A format by its name.
pub fn format(text: &str) -> Result<Format, String> {
    text.parse().map_err(|error: formats::Error| error.to_string())
}

fn open(file: &Path) -> Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file)
        .map_err(|error| Usage(format!("`{}` can't be read: {error}", file.display())))?;
    Ok(Box::new(BufReader::new(opened)))
}
