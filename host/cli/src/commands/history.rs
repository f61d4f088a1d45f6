//! `history`: what happened on a board, and who did it.

use std::collections::VecDeque;
use std::str::FromStr;

use anyhow::Result;
use serde::Serialize;
use taskhost::{Millis, Sequence, TaskId};

use super::events::{self, Event, Gap, Holders, Wanted};
use crate::context::Context;
use crate::exit::Code;
use crate::output::line;
use crate::parse;

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
    since: Option<Millis>,
    /// Only what happened before this time, given likewise
    #[arg(long, value_name = "TIME", value_parser = parse::past_time)]
    until: Option<Millis>,
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

/// A place in the history: a transaction, and an event in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    sequence: u64,
    part: usize,
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sequence, part) = text.split_once('.').unwrap_or((text, "0"));
        Ok(Self { sequence: sequence.parse()?, part: part.parse()? })
    }
}

/// `total` counts what matches in the whole range; `next_cursor` is for `--before`. `begins_with` is the first
/// sequence that is kept.
#[derive(Serialize)]
struct Answer {
    events: VecDeque<Event>,
    total: u64,
    next_cursor: Option<String>,
    begins_with: u64,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = context.open()?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut shown: VecDeque<(Cursor, Event)> = VecDeque::new();
    let mut total = 0;
    let mut holders = Holders::default();
    // If nothing at all is kept, the history begins with what comes next.
    let mut begins = (board.head()?.sequence.next(), None);
    // From the beginning, because only the claims before tell whose claim an event ended.
    board.history(Sequence(0), |sequence, entry| {
        if begins.1.is_none() {
            begins = (sequence, Some(entry.time));
        }
        for (part, event) in
            events::of_entry(sequence, &entry, &mut holders).into_iter().enumerate()
        {
            let place = Cursor { sequence: sequence.0, part };
            if wanted(args, place, &event) {
                total += 1;
                shown.push_back((place, event));
                if shown.len() > limit {
                    shown.pop_front();
                }
            }
        }
        args.before.is_none_or(|before| sequence.0 <= before.sequence)
    })?;
    let cut = total > shown.len() as u64;
    let first = shown.front().map(|(place, _)| *place).filter(|_| cut);
    let next_cursor = first.map(|place| match place.part {
        0 => place.sequence.to_string(),
        part => format!("{}.{part}", place.sequence),
    });
    let answer = Answer {
        events: shown.into_iter().map(|(_, event)| event).collect(),
        total,
        next_cursor,
        begins_with: begins.0.0,
    };
    context
        .output
        .answer(&answer, |out| answer.events.iter().for_each(|event| line(out, event)))?;
    if let Some(gap) = args.gap(begins.0, begins.1, cut) {
        context.output.hint(&format!("taskhost: {gap}"));
    }
    if let Some(cursor) = &answer.next_cursor {
        let shown = answer.events.len();
        context
            .output
            .hint(&format!("the last {shown} of {total} events; those before: --before {cursor}"));
    }
    Ok(Code::Done)
}

impl Args {
    /// What was asked for and isn't kept, if the history begins with this sequence at this time. An answer that was
    /// `cut` didn't come to the beginning, unless it was named.
    fn gap(&self, begins: Sequence, time: Option<Millis>, cut: bool) -> Option<Gap> {
        let is_later = self.since.is_some() && time.is_some_and(|time| self.since > Some(time));
        if is_later || (cut && self.past.is_none()) {
            return None;
        }
        Gap::between(Sequence(self.past.unwrap_or_default()), begins)
    }
}

fn wanted(args: &Args, place: Cursor, event: &Event) -> bool {
    args.past.is_none_or(|past| place.sequence > past)
        && args.before.is_none_or(|before| place < before)
        && args.id.as_ref().is_none_or(|id| event.is_about(id))
        && args.since.is_none_or(|since| event.time() >= since)
        && args.until.is_none_or(|until| event.time() < until)
        && args.wanted.has(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_names_a_transaction_or_an_event_in_it() {
        let cursor = |text: &str| text.parse::<Cursor>().ok().map(|c| (c.sequence, c.part));
        assert_eq!(cursor("17"), Some((17, 0)));
        assert_eq!(cursor("17.3"), Some((17, 3)));
        assert_eq!(cursor("x"), None);
        assert!("17.3".parse::<Cursor>().ok() < "18".parse::<Cursor>().ok());
    }
}
