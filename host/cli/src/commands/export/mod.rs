//! `export`: a whole board as JSON lines, its tasks as another system has them, or a page of it.

mod page;

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use taskhost::Board;
use taskhost::formats::Format;

use super::import::{self, Remarked};
use crate::context::Context;
use crate::exit::{Code, Conflicting, Usage};
use crate::output::line;

const EXAMPLES: &str = "\
Example: a copy in a file, and a board made of it elsewhere

  taskhost export board.jsonl
  taskhost --board /elsewhere/.taskhost import board.jsonl

Example: how many tasks of each status does a copy have?

  taskhost export | jq -r '.record.task.status // empty' | sort | uniq -c

Example: back to what another system has

  taskhost export --format task-manager states/workflow-back.json

Example: the board and its history to look at in any browser

  taskhost export --html --title 'Release 7' board.html

It is the board at one instant: tasks, claims with their tokens, history, request keys, policies and what they remember, \
settings, metadata, large values. What commands printed (`output/`) and what policies keep in files is not in it.

With `--format`, tasks and metadata alone are written, as task-manager, todo2, a2a, task-board or sqlite has them: what was \
imported comes back as it was, with what has changed since. What such a file has no place for is listed.

With `--html`, one page is written that needs nothing else: the tasks below their parents, who held what when, how long \
things waited and took, and what happened. Everything that is on the board is in it, data and results included.";

/// Write the whole board as JSON lines, its tasks as another system has them, or a page to look at it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Another system, whose files are to be written
    #[arg(long, value_name = "FORMAT", value_parser = import::format)]
    format: Option<Format>,
    /// Write a page for a browser, which fetches nothing
    #[arg(long, conflicts_with = "format")]
    html: bool,
    /// What the page is called
    #[arg(long, value_name = "TEXT", requires = "html", default_value = "Task board")]
    title: String,
    /// The file, or the directory for a2a, which must not exist yet; standard output if none is given
    #[arg(value_name = "FILE|DIR|-", default_value = "-")]
    file: PathBuf,
}

#[derive(Serialize)]
struct ForeignAnswer {
    file: String,
    format: &'static str,
    remarks: Vec<Remarked>,
}

#[derive(Serialize)]
struct Answer {
    file: String,
    lines: u64,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = context.open()?;
    if let Some(format) = args.format {
        return foreign(context, &board, format, &args.file);
    }
    if args.html {
        return page::exec(context, &board, &args.title, &args.file);
    }
    if args.file == Path::new("-") {
        let mut out = BufWriter::new(io::stdout().lock());
        match board.export(&mut out).map(|_| ()) {
            // Whoever reads has enough, as `head` does.
            Err(taskhost::Error::Export(taskhost::ExportError::Write(error)))
                if error.kind() == io::ErrorKind::BrokenPipe => {}
            done => done?,
        }
        match out.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            done => done.context("standard output can't be written")?,
        }
        return Ok(Code::Done);
    }
    let lines = to_new_file(&args.file, |out| Ok(board.export(out)?))?;
    let answer = Answer { file: args.file.display().to_string(), lines };
    context.output.answer(&answer, |out| {
        line(out, format_args!("{lines} lines are in `{}`", answer.file));
    })?;
    Ok(Code::Done)
}

/// Writes a file that mustn't be there yet.
fn to_new_file<T>(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<T>) -> Result<T> {
    let shown = path.display();
    let file = File::create_new(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Conflicting(format!("`{shown}` exists already: choose another name")).into()
        }
        _ => anyhow::Error::new(error).context(format!("`{shown}` can't be written")),
    })?;
    let mut out = BufWriter::new(file);
    let written = write(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error);
    // Somebody may delete the board because it is in the file.
    file.and_then(|file| file.sync_all()).with_context(|| format!("`{shown}` can't be written"))?;
    Ok(written)
}

fn foreign(context: &Context, board: &Board, format: Format, file: &Path) -> Result<Code> {
    if file == Path::new("-") {
        return Err(
            Usage(format!("name the file that is to be written as `{format}` has it")).into()
        );
    }
    let remarks = board.write_foreign(format, file)?;
    let answer = ForeignAnswer {
        file: file.display().to_string(),
        format: format.as_str(),
        remarks: remarks.into_iter().map(Remarked::from).collect(),
    };
    context.output.answer(&answer, |out| {
        line(out, format_args!("`{}` is written as `{format}` has it", answer.file));
        import::write_remarks(out, &answer.remarks);
    })?;
    Ok(Code::Done)
}
