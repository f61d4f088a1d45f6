//! `compact`: a short journal again.

use anyhow::Result;
use serde::Serialize;
use taskhost::Compaction;

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
    /// Why there was nothing to do, where the store keeps its boards small by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_bytes: Option<u64>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = context.open()?;
    let (compacted, reason) = if args.if_due {
        (board.compact_if_due()?, None)
    } else {
        match board.compact()? {
            Compaction::Done => (true, None),
            Compaction::Needless(why) => (false, Some(why)),
        }
    };
    let disk = board.disk_use()?;
    let answer = Answer {
        compacted,
        reason,
        journal_bytes: disk.part("journal"),
        snapshot_bytes: disk.part("snapshot"),
        history_bytes: disk.part("history"),
    };
    context.output.answer(&answer, |out| {
        let done = if compacted { "the journal is short again" } else { "that isn't due yet" };
        line(out, reason.unwrap_or(done));
    })?;
    Ok(Code::Done)
}
