//! What happened, a column for each of its parts.

use std::collections::HashMap;

use serde::{Serialize, Serializer};
use taskhost_board::{Millis, Sequence};

use super::tasks::Row;
use super::texts::Text;

/// The place of an event among those that came, before renewals are told together.
pub(super) type Place = usize;

/// Something that happened.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) sequence: Sequence,
    pub(super) time: Millis,
    pub(super) command: Text,
    pub(super) event: Text,
    pub(super) agent: Text,
    pub(super) holder: Text,
    pub(super) task: Option<Row>,
    pub(super) details: Vec<i64>,
}

/// Everything that happened, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Events {
    events: Vec<Event>,
    /// For each task, the last renewal that nothing has come after, and how many there were before it.
    renewals: HashMap<Row, (Place, u64)>,
    /// What another renewal stands for.
    is_told: Vec<bool>,
    repeats: HashMap<Place, u64>,
}

impl Events {
    /// Adds what happened; a renewal of a claim that was just renewed stands for the one before it, too.
    pub(super) fn push(&mut self, event: Event, is_renewal: bool) -> Place {
        let place = self.events.len();
        if let Some(task) = event.task {
            match self.renewals.remove(&task) {
                Some((before, count)) if is_renewal => {
                    self.is_told[before] = true;
                    self.repeats.remove(&before);
                    self.repeats.insert(place, count + 1);
                    self.renewals.insert(task, (place, count + 1));
                }
                _ if is_renewal => {
                    self.renewals.insert(task, (place, 1));
                }
                _ => {}
            }
        }
        self.events.push(event);
        self.is_told.push(false);
        place
    }

    /// Where each event stands in what is written.
    pub(super) fn places(&self) -> Vec<usize> {
        let mut next = 0;
        let place = |told: &bool| {
            let here = next;
            next += usize::from(!told);
            here
        };
        self.is_told.iter().map(place).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.is_told.iter().filter(|told| !**told).count()
    }

    fn written(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().zip(&self.is_told).filter(|(_, told)| !**told).map(|(event, _)| event)
    }
}

/// A part of all events each. Sequences and times are each the difference to the event before, the first to 0.
#[derive(Serialize)]
struct Columns<'a> {
    sequence: Vec<u64>,
    time: Vec<i64>,
    command: Vec<Text>,
    event: Vec<Text>,
    agent: Vec<Text>,
    holder: Vec<Text>,
    /// The row of the task; -1 if it is about none.
    task: Vec<i64>,
    details: Vec<&'a [i64]>,
    /// Renewals that stand for several: the place of each, and how many there were.
    repeats: Vec<(usize, u64)>,
}

impl Serialize for Events {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let column = |part: fn(&Event) -> Text| self.written().map(part).collect::<Vec<Text>>();
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let places = self.places();
        let mut repeats: Vec<_> =
            self.repeats.iter().map(|(place, count)| (places[*place], *count)).collect();
        repeats.sort_unstable();
        let (mut sequence, mut time) = (0, 0);
        let columns = Columns {
            sequence: self
                .written()
                .map(|event| event.sequence.0 - std::mem::replace(&mut sequence, event.sequence.0))
                .collect(),
            time: self
                .written()
                .map(|event| {
                    whole(event.time.0) - std::mem::replace(&mut time, whole(event.time.0))
                })
                .collect(),
            command: column(|event| event.command),
            event: column(|event| event.event),
            agent: column(|event| event.agent),
            holder: column(|event| event.holder),
            task: self
                .written()
                .map(|event| event.task.map_or(-1, |row| whole(row as u64)))
                .collect(),
            details: self.written().map(|event| event.details.as_slice()).collect(),
            repeats,
        };
        columns.serialize(serializer)
    }
}
