//! `history`: what happened on a board, and who did it.

use anyhow::Result;
use taskhost::{Sequence, TaskId};
use taskhost_answers::events::{Event, Gap};
use taskhost_answers::{Cursor, History};

use super::wanted::Wanted;
use crate::context::Context;
use crate::exit::Code;
use crate::output::line;
use crate::parse::{self, PastTime};

/// The most events that are shown at once.
const LIMIT_MAX: u64 = 1_000_000;

const EXAMPLES: &str = "\
Example: everything that happened to a task

  taskhost history build_1a2b3c4d

Example: what an agent did last, and what it did before that

  taskhost history --agent alice --limit 20
  taskhost history --agent alice --limit 20 --before 4711

Example: what was completed or failed in the last two hours

  taskhost history --event completed --event failed --since 2h

How long the history is kept is up to the board's settings, as `taskhost config list` shows them. If it doesn't reach \
back to what is asked for, standard error says so; with `--json`, `begins_with` is the first sequence that is kept.";

/// Show what happened on the board, the newest last
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only what happened to this task
    id: Option<TaskId>,
    #[command(flatten)]
    wanted: Wanted,
    /// Only what happened at this time or later, in RFC 3339, or so long ago, such as `2h`
    #[arg(long, value_name = "TIME", value_parser = parse::past_time)]
    since: Option<PastTime>,
    /// Only what happened before this time, given likewise
    #[arg(long, value_name = "TIME", value_parser = parse::past_time)]
    until: Option<PastTime>,
    /// How many events at most, the newest
    #[arg(long, visible_alias = "last", value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=LIMIT_MAX))]
    limit: u64,
    /// Only what happened before this, as the page after it said
    #[arg(long, value_name = "CURSOR")]
    before: Option<Cursor>,
    /// Only what happened after the transaction of this sequence
    #[arg(long, value_name = "SEQUENCE")]
    past: Option<u64>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let board = context.open()?;
    let seen = |time: Option<PastTime>| time.map(|time| time.seen_from(board.now()));
    let (since, until) = (seen(args.since), seen(args.until));
    let is_wanted = |event: &Event| {
        since.is_none_or(|since| event.time >= since)
            && until.is_none_or(|until| event.time < until)
            && wanted(args, event)
    };
    let answer = History::new(&board, limit, args.before, is_wanted)?;
    context
        .output
        .answer(&answer, |out| answer.events.iter().for_each(|event| line(out, event)))?;
    let begins = Sequence(answer.begins_with);
    let is_later = since.is_some() && answer.begins_at.is_some_and(|time| since > Some(time));
    let cut = answer.is_cut() && args.past.is_none();
    if !is_later
        && !cut
        && let Some(gap) = Gap::between(Sequence(args.past.unwrap_or_default()), begins)
    {
        context.output.hint(&format!("taskhost: {gap}"));
    }
    if let Some(cursor) = &answer.next_cursor {
        let (shown, total) = (answer.events.len(), answer.total);
        context
            .output
            .hint(&format!("the last {shown} of {total} events; those before: --before {cursor}"));
    }
    Ok(Code::Done)
}

fn wanted(args: &Args, event: &Event) -> bool {
    args.past.is_none_or(|past| event.sequence > past)
        && args.id.as_ref().is_none_or(|id| event.is_about(id))
        && args.wanted.has(event)
}
