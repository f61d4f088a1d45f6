//! The journal, entry by entry, without gaps that could still be filled.
//!
//! Numbers come from a sequence, so one that was drawn later may be committed earlier, and one whose transaction came to
//! nothing is missing. Who reads past a missing one would never see the entry that comes there after all. So whoever reads
//! fills it with nothing first, for which the server makes them wait while somebody is about to use it; a transaction that
//! comes too late is refused, and run again with another number.

use std::sync::Arc;
use std::time::Instant as Deadline;

use taskhost_board::{Command, Entry, Millis, ReadError, Request, Sequence};

use crate::link::{Call, Row};
use crate::rows::{bigint, number};
use crate::shared::Shared;
use crate::sql;

/// How many entries are read at a time.
const PAGE: i64 = 1_000;

/// An entry of the journal, and the short digest of the policy that decided it; no entry where a number was given to
/// nobody.
pub(crate) struct Line {
    pub(crate) sequence: Sequence,
    pub(crate) policy: String,
    pub(crate) entry: Option<Entry>,
}

impl Line {
    /// That of a number that was given to nobody.
    pub(crate) fn unused(sequence: Sequence) -> Self {
        Self { sequence, policy: String::new(), entry: None }
    }

    /// The entry, or one that does nothing.
    pub(crate) fn entry_or_nothing(self) -> Entry {
        self.entry.unwrap_or_else(|| Entry {
            time: Millis(0),
            request: Request::of(Command::Upkeep),
            seed: 0,
            changes: Vec::new(),
        })
    }
}

/// The line of a row.
pub(crate) fn line(row: &Row) -> Result<Line, ReadError> {
    let (sequence, text): (u64, &str) = (number(row.get("sequence")), row.get("entry"));
    let damaged = |error: serde_json::Error| {
        ReadError::Damaged(format!("entry {sequence} of the journal can't be read: {error}"))
    };
    let entry =
        if text.is_empty() { None } else { Some(serde_json::from_str(text).map_err(damaged)?) };
    Ok(Line { sequence: Sequence(sequence), policy: row.get("policy"), entry })
}

/// Hands over every line after `past`, oldest first, until `each` says `false`.
pub(crate) fn lines(
    shared: &Arc<Shared>,
    past: Sequence,
    each: &mut dyn FnMut(Line) -> bool,
) -> Result<(), ReadError> {
    let mut past = bigint(past.0);
    loop {
        let rows = settled(shared, past)?;
        for row in &rows {
            let line = line(row)?;
            past = bigint(line.sequence.0);
            if !each(line) {
                return Ok(());
            }
        }
        if rows.len() < usize::try_from(PAGE).unwrap_or_default() {
            return Ok(());
        }
    }
}

/// Hands over every entry after `past`, oldest first, until `each` says `false`: for a number that was given to nobody one
/// that changes nothing, of the time of the next, since what isn't handed over isn't kept any more.
pub(crate) fn entries(
    shared: &Arc<Shared>,
    past: Sequence,
    each: &mut dyn FnMut(Sequence, Entry) -> bool,
) -> Result<(), ReadError> {
    let mut unused: Vec<Line> = Vec::new();
    lines(shared, past, &mut |line| {
        let Some(time) = line.entry.as_ref().map(|entry| entry.time) else {
            unused.push(line);
            return true;
        };
        unused.drain(..).chain([line]).all(|line| {
            let sequence = line.sequence;
            each(sequence, Entry { time, ..line.entry_or_nothing() })
        })
    })
}

/// Some entries after `past` between which nothing is missing.
fn settled(shared: &Arc<Shared>, past: i64) -> Result<Vec<Row>, ReadError> {
    let read = || -> Result<Vec<Row>, ReadError> {
        let call = Call::of(sql::ENTRIES_PAST, vec![&past, &PAGE]);
        Ok(shared.ask(&[call], deadline(shared))?.pop().unwrap_or_default())
    };
    let rows = read()?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(rows) };
    let (first, last): (i64, i64) = (first.get("sequence"), last.get("sequence"));
    let from = if first > past + 1 { past.max(trimmed(shared)?) } else { past };
    if last - from == i64::try_from(rows.len()).unwrap_or(i64::MAX) {
        return Ok(rows);
    }
    shared.ask(&[Call::of(sql::FILL_GAPS, vec![&from, &last])], deadline(shared))?;
    read()
}

/// Up to which entry the history was removed. Whoever wants to know whether they have missed some reads them first.
pub(crate) fn trimmed(shared: &Shared) -> Result<i64, ReadError> {
    let rows = shared.ask(&[Call::of(sql::TRIMMED, Vec::new())], deadline(shared))?;
    Ok(rows.first().and_then(|rows| rows.first()).map_or(0, |row| row.get("trimmed")))
}

fn deadline(shared: &Shared) -> Deadline {
    Deadline::now() + shared.lock_wait
}
