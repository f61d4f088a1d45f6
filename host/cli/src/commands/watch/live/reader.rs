//! What the view shows, read from the board: once as a whole, then only what changed.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use taskhost::domain::image::Record;
use taskhost::domain::{Counts, View};
use taskhost::{Board, Change, Entry, Error, Mark, Millis, Sequence, TaskId, wire};
use taskhost_answers::events::{self, Event, Holders};

use super::charts::{Charts, Counting};
use super::opened::{History, told};
use super::rows::{List, Row, Shelves, Sought};
use super::text::tame;

/// Of the past, no more entries are read for the charts and the events.
const PAST_ENTRIES: u64 = 20_000;
/// How many events are known at a time, and how many of them are shown.
const EVENTS_MAX: usize = 1_000;
const EVENTS_SHOWN_MAX: usize = 200;
/// Of more tasks than these, the whole board is read rather than one by one.
const TOUCHED_MAX: usize = 2_000;

/// Something that happened, in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Which one: its transaction, and the place in it.
    pub place: (u64, usize),
    pub time: String,
    /// Who did it; `-` if nobody did.
    pub who: String,
    /// What it was, in one word.
    pub what: String,
    pub task: Option<TaskId>,
    /// What else there is to know about it.
    pub more: String,
}

impl Happened {
    pub fn new(event: &Event, part: usize) -> Self {
        Self {
            place: (event.sequence, part),
            time: wire::time(event.time),
            who: event.agent.as_deref().map_or_else(|| "-".into(), tame),
            what: event.event.to_owned(),
            task: event.task.as_ref().and_then(|id| TaskId::new(id.clone()).ok()),
            more: more(&event.details),
        }
    }

    fn has(&self, sought: &Sought) -> bool {
        let task = self.task.as_ref().map_or("", TaskId::as_str);
        [task, &self.who, &self.what, &self.more].iter().any(|text| sought.is_in(text))
    }
}

/// What else there is to know of an event: what somebody said, then the rest by its names. What is the same for nearly every
/// event isn't worth its place in a line.
fn more(details: &Map<String, Value>) -> String {
    const USUAL: [&str; 5] = ["hostname", "kind", "lease_until", "session", "token"];
    const SAID: [&str; 4] = ["reason", "error", "cause", "detail"];
    let said = SAID.iter().filter_map(|name| details.get(*name)?.as_str().map(str::to_owned));
    let mut parts: Vec<String> = said.collect();
    for (name, value) in details {
        if SAID.contains(&name.as_str()) || USUAL.contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::Array(items) => {
                let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                if !items.is_empty() {
                    parts.push(format!("{name}={}", items.join(",")));
                }
            }
            Value::Object(assignee) if name == "assignee" => {
                let who = assignee.get("name").and_then(Value::as_str).unwrap_or_default();
                parts.push(format!("for {who}"));
            }
            Value::String(text) => parts.push(format!("{name}={text}")),
            Value::Number(number) if number.as_i64() == Some(0) => {}
            other => parts.push(format!("{name}={other}")),
        }
    }
    tame(&parts.join("  "))
}

/// A list's rows, and whether the board has more.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub rows: Vec<Arc<Row>>,
    pub has_more: bool,
}

/// The board at one instant, as far as it is shown.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    pub counts: Counts,
    pub lists: [Rows; 4],
    /// The newest first.
    pub events: Vec<Arc<Happened>>,
    pub charts: Charts,
    /// Whether the lists are those that were sought last.
    pub sought: Sought,
}

/// What was read, and up to where.
pub struct Reader {
    board: Board,
    shelves: Shelves,
    counts: Counts,
    counting: Counting,
    holders: Holders,
    events: VecDeque<Arc<Happened>>,
    /// What is known to have been written, if not read.
    heard: Mark,
    /// The last entry that was read.
    read: Sequence,
    /// The lists are what the board was up to this entry.
    scanned: Sequence,
    /// Of which task everything that happens is told.
    followed: Option<TaskId>,
    followed_to: History,
}

/// What a part of the history says has to be read again.
#[derive(Default)]
struct Touched {
    ids: HashSet<TaskId>,
    everything: bool,
}

impl Reader {
    /// Reads the lists; the past isn't read yet.
    pub fn start(board: Board) -> Result<Self, Error> {
        let heard = board.mark()?;
        let mut reader = Self {
            board,
            shelves: Shelves::default(),
            counts: Counts::default(),
            counting: Counting::default(),
            holders: Holders::default(),
            events: VecDeque::new(),
            heard,
            read: Sequence(0),
            scanned: Sequence(0),
            followed: None,
            followed_to: History::new(),
        };
        reader.seek(Sought::default())?;
        reader.read = Sequence(reader.scanned.0.saturating_sub(PAST_ENTRIES));
        Ok(reader)
    }

    /// Reads the lists anew, for what is sought.
    pub fn seek(&mut self, sought: Sought) -> Result<(), Error> {
        let view = self.board.view()?;
        self.scan(&*view, sought)
    }

    fn scan(&mut self, view: &dyn View, sought: Sought) -> Result<(), Error> {
        let head = view.head().map_err(taskhost::domain::Error::from)?;
        let mut shelves = Shelves::of(sought);
        // A task at a time, so that a large board isn't held in memory.
        let scanned = view.dump(Millis(u64::MAX), &mut |record| {
            if let Record::Task(task) = record {
                shelves.put(&task);
            }
            true
        });
        scanned.map_err(taskhost::domain::Error::from)?;
        (self.shelves, self.counts, self.scanned) = (shelves, head.counts, head.sequence);
        Ok(())
    }

    /// From now on, hands out what happens to this task.
    pub fn follow(&mut self, task: Option<TaskId>) {
        self.followed = task;
        self.followed_to.clear();
    }

    /// What happened to the task that is followed since it was asked for last.
    pub fn followed(&mut self) -> History {
        std::mem::take(&mut self.followed_to)
    }

    /// Reads what has come, until `goes_on` says no; whether there was anything.
    pub fn look(&mut self, goes_on: impl Fn() -> bool) -> Result<bool, Error> {
        if self.heard.newest <= self.read {
            return Ok(false);
        }
        // All of this is durable, so what of it can't be read below isn't kept any more.
        let head = self.board.head()?.sequence;
        if head <= self.read {
            return Ok(false);
        }
        let (board, mut touched) = (self.board.clone(), Touched::default());
        board.history(self.read, |sequence, entry| {
            self.take(sequence, &entry, &mut touched);
            goes_on()
        })?;
        if self.read < head {
            self.missed(head, &mut touched);
        }
        let view = self.board.view()?;
        if touched.everything || touched.ids.len() > TOUCHED_MAX {
            let sought = self.shelves.sought().clone();
            self.scan(&*view, sought)?;
            return Ok(true);
        }
        for id in &touched.ids {
            match view.task(id).map_err(taskhost::domain::Error::from)? {
                Some(task) => self.shelves.put(&task),
                None => self.shelves.remove(id),
            }
        }
        if self.shelves.run_low() {
            let sought = self.shelves.sought().clone();
            self.scan(&*view, sought)?;
        }
        self.counts = view.head().map_err(taskhost::domain::Error::from)?.counts;
        Ok(true)
    }

    fn take(&mut self, sequence: Sequence, entry: &Entry, touched: &mut Touched) {
        if sequence > self.read.next() && !self.events.is_empty() {
            self.missed(Sequence(sequence.0 - 1), touched);
        }
        self.read = sequence;
        self.counting.count(entry);
        let events = events::of_entry(sequence, entry, &mut self.holders);
        for (part, event) in events.iter().enumerate() {
            if self.followed.as_ref().is_some_and(|id| event.is_about(id)) {
                self.followed_to.insert((sequence.0, part), told(event));
            }
            self.events.push_front(Arc::new(Happened::new(event, part)));
        }
        self.events.truncate(EVENTS_MAX);
        if sequence <= self.scanned {
            return;
        }
        for change in &entry.changes {
            // A policy that was set has been asked about everything, without a word about each task.
            touched.everything |= matches!(change, Change::PoliciesSet(_) | Change::SettingsSet(_));
            touched.ids.extend(change.task().cloned());
        }
    }

    /// What happened up to `up_to` can't be read any more.
    fn missed(&mut self, up_to: Sequence, touched: &mut Touched) {
        touched.everything |= up_to > self.scanned;
        self.holders = Holders::default();
        self.read = up_to;
    }

    /// Waits until there is something to look at, no longer than `at_most`; what was written and couldn't be read yet
    /// is waited for without being called again.
    pub fn wait(&mut self, at_most: Duration) -> Result<(), Error> {
        let newest = self.heard.newest.max(self.read);
        self.heard = self.board.wait(Mark { newest, ..self.heard }, at_most)?;
        Ok(())
    }

    /// What is to be shown now.
    pub fn picture(&self) -> Picture {
        let sought = self.shelves.sought();
        let events = self.events.iter().filter(|event| event.has(sought));
        let lists = List::ALL.map(|list| {
            let (rows, has_more) = self.shelves.rows(list);
            Rows { rows, has_more }
        });
        Picture {
            counts: self.counts.clone(),
            lists,
            events: events.take(EVENTS_SHOWN_MAX).cloned().collect(),
            charts: self.counting.charts.clone(),
            sought: sought.clone(),
        }
    }
}
