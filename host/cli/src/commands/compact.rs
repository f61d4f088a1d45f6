//! `compact`: a short journal again.

use anyhow::Result;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Code;
use crate::output::line;

const EXAMPLES: &str = "\
Example:

  taskhost compact

A board is compacted by itself when its journal is as long as the setting `compact_size` says, so this is for those who \
copy boards, or who want to be rid now of history that isn't to be kept (`history_age`, `history_size`).";

/// Make the journal short again, while others go on working
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only if the journal is long enough, and nobody is at it already
    #[arg(long)]
    if_due: bool,
}

#[derive(Serialize)]
struct Answer {
    compacted: bool,
    journal_bytes: u64,
    snapshot_bytes: u64,
    history_bytes: u64,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = context.open()?;
    let compacted = if args.if_due {
        board.compact_if_due()?
    } else {
        board.compact()?;
        true
    };
    let disk = board.disk_use()?;
    let answer = Answer {
        compacted,
        journal_bytes: disk.journal,
        snapshot_bytes: disk.snapshot,
        history_bytes: disk.history,
    };
    context.output.answer(&answer, |out| {
        line(out, if compacted { "the journal is short again" } else { "that isn't due yet" });
    })?;
    Ok(Code::Done)
}
