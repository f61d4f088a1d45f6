//! What the page is made of: a board and its history in a form that is small and quickly read.
//!
//! A [`Model`] is an object of columns: `texts` has every text once, and everything else names texts by their places in it.
//! `tasks`, `events` and `claims` have a list for each field. Data and results are the texts of their JSON, so that no
//! digit of a number is lost on the way through a browser.

mod claims;
mod events;
mod ready;
mod tasks;
#[cfg(test)]
pub(crate) mod tests;
mod texts;

use serde::Serialize;
use serde_json::{Map, Value};
use taskhost_board::{Change, Claim, Entry, Millis, Sequence, Status, Task};

use claims::{At, Claims};
use events::{Event, Events};
use ready::Ready;
use tasks::{Row, Tasks};
use texts::{Text, Texts};

/// The version of the model, for whoever reads it out of a page.
const FORMAT: u32 = 1;

/// What is worth knowing about a change: who did it, whose claim it was about, and what the history says of it besides.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Who did it.
    pub agent: Option<&'a str>,
    /// Whose claim it was about.
    pub holder: Option<&'a str>,
    /// What else there is to say.
    pub details: &'a Map<String, Value>,
}

/// Of which board the page is, and of when.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What the page is called.
    pub title: &'a str,
    /// When it is made.
    pub made_at: Millis,
    /// The last entry of the history that the tasks have seen.
    pub sequence: Sequence,
}

/// A board, as far as it was gathered: first its tasks, then its history.
#[derive(Debug, Default)]
pub struct Gathered {
    texts: Texts,
    tasks: Tasks,
    events: Events,
    claims: Claims,
    ready: Ready,
    held: Vec<(Row, Claim)>,
    begins: Option<(Sequence, Millis)>,
}

/// A board, ready to be written into a page.
#[derive(Debug, Serialize)]
pub struct Model {
    format: u32,
    title: String,
    made_at: Millis,
    version: &'static str,
    sequence: Sequence,
    begins: Begins,
    statuses: [&'static str; 7],
    texts: Texts,
    tasks: Tasks,
    /// Since when tasks that are ready now have been: rows and times.
    ready: Vec<(Row, Millis)>,
    claims: claims::Columns,
    events: Events,
}

/// With which entry the history that is kept begins, and when that was.
#[derive(Debug, Serialize)]
struct Begins {
    sequence: Sequence,
    time: Option<Millis>,
    /// Whether nothing is missing before it.
    is_whole: bool,
}

impl Gathered {
    /// Takes a task that is on the board.
    pub fn task(&mut self, task: &Task) {
        let row = self.tasks.stands(task, &mut self.texts);
        if let Some(claim) = &task.claim {
            self.held.push((row, claim.clone()));
        }
    }

    /// Takes an entry of the history, with what is told of each of its changes that has an event.
    pub fn entry(&mut self, sequence: Sequence, entry: &Entry, told: &[Told<'_>]) {
        self.begins.get_or_insert((sequence, entry.time));
        let mut told = told.iter();
        for change in &entry.changes {
            let row = change.task().map(|id| self.tasks.row(id, &mut self.texts));
            let event = change.event().and_then(|word| Some((word, told.next()?)));
            if let Some((word, told)) = event {
                self.happened(sequence, entry, change, row, word, told);
            }
            if let Some(row) = row {
                self.ready.note(row, change, entry.time);
            }
            if let Change::Archived(task) = change {
                self.tasks.archived(task, entry.time, &mut self.texts);
            }
        }
    }

    fn happened(
        &mut self,
        sequence: Sequence,
        entry: &Entry,
        change: &Change,
        task: Option<Row>,
        word: &str,
        told: &Told<'_>,
    ) {
        let event = Event {
            sequence,
            time: entry.time,
            command: self.texts.place(entry.request.command.as_str()),
            event: self.texts.place(word),
            agent: self.texts.maybe(told.agent),
            holder: self.texts.maybe(told.holder),
            task,
            details: self.texts.fields(told.details),
        };
        let (agent, holder) = (event.agent, event.holder);
        let place = self.events.push(event, matches!(change, Change::Renewed { .. }));
        let Some(task) = task else { return };
        let at = At { task, time: entry.time, place };
        match change {
            Change::Claimed { claim, .. } => {
                let who = self.who(claim);
                let ready = self.ready.taken(task);
                self.claims.begin(at, claim, who, ready);
            }
            _ => self.claims.end(at, change, if holder == Text::NONE { agent } else { holder }),
        }
    }

    fn who(&mut self, claim: &Claim) -> (Text, Text) {
        let agent = self.texts.place(claim.agent.as_str());
        (agent, self.texts.place(claim.session.as_str()))
    }

    /// Makes the model of what was gathered.
    pub fn finish(mut self, about: &About<'_>) -> Model {
        for (row, claim) in std::mem::take(&mut self.held) {
            let who = self.who(&claim);
            self.claims.holds(row, &claim, who);
            self.held.push((row, claim));
        }
        let held: std::collections::HashMap<Row, u64> =
            self.held.iter().map(|(row, claim)| (*row, claim.token.0)).collect();
        let bars = self.claims.into_bars(|row, token| held.get(&row).copied() == token);
        let ready = (0..self.tasks.standing())
            .filter_map(|row| Some((row, self.ready.since(row)?)))
            .collect();
        let begins = self.begins.unwrap_or((about.sequence.next(), about.made_at));
        Model {
            format: FORMAT,
            title: about.title.to_owned(),
            made_at: about.made_at,
            version: env!("CARGO_PKG_VERSION"),
            sequence: about.sequence,
            begins: Begins {
                sequence: begins.0,
                time: self.begins.map(|(_, time)| time),
                is_whole: begins.0 <= Sequence(1),
            },
            statuses: Status::ALL.map(Status::as_str),
            texts: self.texts,
            tasks: self.tasks,
            ready,
            claims: claims::Columns::of(&bars, &self.events.places()),
            events: self.events,
        }
    }
}

impl Model {
    /// How many tasks are on the board.
    pub fn tasks(&self) -> usize {
        self.tasks.standing()
    }

    /// How many events it has.
    pub fn events(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }
}
