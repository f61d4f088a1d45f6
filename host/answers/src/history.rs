//! A page of what happened on a board.

use std::collections::VecDeque;
use std::str::FromStr;

use serde::Serialize;
use taskhost::{Board, Error, Millis, Sequence};

use crate::events::{self, Event, Holders};

/// A place in the history: a transaction, and an event in it. Written as `17`, or `17.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The transaction.
    pub sequence: u64,
    /// Which of its events, from 0 on.
    pub part: usize,
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sequence, part) = text.split_once('.').unwrap_or((text, "0"));
        Ok(Self { sequence: sequence.parse()?, part: part.parse()? })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.part {
            0 => write!(f, "{}", self.sequence),
            part => write!(f, "{}.{part}", self.sequence),
        }
    }
}

/// The newest of the events that are asked for, the newest last. `total` counts what matches in the whole range;
/// `next_cursor` is where the page before it ends. `begins_with` is the first sequence that is kept.
#[derive(Debug, Serialize)]
pub struct History {
    /// The events.
    pub events: VecDeque<Event>,
    /// How many match.
    pub total: u64,
    /// Where those before begin; absent if there are none.
    pub next_cursor: Option<String>,
    /// The first sequence that is kept.
    pub begins_with: u64,
    /// When that was, if anything is kept.
    #[serde(skip)]
    pub begins_at: Option<Millis>,
}

impl History {
    /// The newest `limit` of the events that `wanted` takes and that happened before `before`.
    pub fn new(
        board: &Board,
        limit: usize,
        before: Option<Cursor>,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Self, Error> {
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
            let events = events::of_entry(sequence, &entry, &mut holders);
            for (part, event) in events.into_iter().enumerate() {
                let place = Cursor { sequence: sequence.0, part };
                if before.is_none_or(|before| place < before) && wanted(&event) {
                    total += 1;
                    shown.push_back((place, event));
                    if shown.len() > limit {
                        shown.pop_front();
                    }
                }
            }
            before.is_none_or(|before| sequence.0 <= before.sequence)
        })?;
        let cut = total > shown.len() as u64;
        let first = shown.front().map(|(place, _)| *place).filter(|_| cut);
        Ok(Self {
            events: shown.into_iter().map(|(_, event)| event).collect(),
            total,
            next_cursor: first.map(|place| place.to_string()),
            begins_with: begins.0.0,
            begins_at: begins.1,
        })
    }

    /// Whether there are events before those that are shown.
    pub fn is_cut(&self) -> bool {
        self.total > self.events.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_names_a_transaction_or_an_event_in_it() {
        let cursor = |text: &str| text.parse::<Cursor>().ok().map(|c| (c.sequence, c.part));
        assert_eq!(cursor("17"), Some((17, 0)));
        assert_eq!(cursor("17.3"), Some((17, 3)));
        assert_eq!(Cursor { sequence: 17, part: 3 }.to_string(), "17.3");
        assert_eq!(cursor("x"), None);
        assert!("17.3".parse::<Cursor>().ok() < "18".parse::<Cursor>().ok());
    }
}
