//! What the view shows, and where in it one is: fed from the board, changed by keys, drawn as it is.

use std::sync::Arc;

use taskhost::TaskId;

use super::charts::Step;
use super::feed::{Extent, Update, Wish};
use super::opened::{History, Opened};
use super::reader::{Happened, Picture};
use super::rows::{List, Row, Sought};

/// A part of the screen that one can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pane {
    #[default]
    Ready,
    Held,
    Waiting,
    Parked,
    Events,
}

impl Pane {
    /// All of them, in the order in which one goes through them.
    pub const ALL: [Self; 5] = [Self::Ready, Self::Held, Self::Waiting, Self::Parked, Self::Events];

    /// The list that it shows, unless it shows events.
    pub fn list(self) -> Option<List> {
        match self {
            Self::Ready => Some(List::Ready),
            Self::Held => Some(List::Held),
            Self::Waiting => Some(List::Waiting),
            Self::Parked => Some(List::Parked),
            Self::Events => None,
        }
    }

    /// The one that is `steps` further.
    pub fn further(self, steps: isize) -> Self {
        let count = Self::ALL.len().cast_signed();
        let at = (self as isize + steps).rem_euclid(count);
        Self::ALL[at.cast_unsigned()]
    }
}

/// What a cursor stands on, so that it stays there when what is above it comes and goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum On {
    Task(TaskId),
    Event((u64, usize)),
}

/// Where one is in a pane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    pub row: usize,
    /// Nothing until it was moved: then it stays at the top, whatever comes there.
    on: Option<On>,
}

/// A task that is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTask {
    pub id: TaskId,
    /// Absent until it was read.
    pub known: Option<Opened>,
    pub history: History,
    /// Whether all of the history that is kept was read.
    pub is_whole: bool,
    /// How many lines are above the screen; drawing stops at the last page.
    pub scroll: usize,
}

/// What is before the board.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Front {
    /// Nothing.
    #[default]
    Board,
    /// A task.
    Task(Box<OpenTask>),
}

/// Everything that is drawn.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Which board it is.
    pub board: String,
    /// Absent until the board was read for the first time.
    pub picture: Option<Picture>,
    pub front: Front,
    /// Whether the keys that there are are shown before everything else.
    pub is_help: bool,
    pub pane: Pane,
    pub cursors: [Cursor; 5],
    /// What is looked for.
    pub filter: String,
    /// Whether it is being typed.
    pub is_typing: bool,
    pub step: Step,
    /// How many rows a page of the pane one is in has, as it was drawn last.
    pub page: usize,
}

impl Model {
    pub fn new(board: String) -> Self {
        Self { board, page: 1, ..Self::default() }
    }

    /// Takes over what was read.
    ///
    /// # Errors
    ///
    /// If that failed.
    pub fn take(&mut self, update: Update) -> Result<(), taskhost::Error> {
        match update {
            Update::Failed(error) => return Err(error),
            Update::Picture(picture) => {
                self.picture = Some(*picture);
                for pane in Pane::ALL {
                    self.settle(pane);
                }
            }
            Update::Opened(id, opened) => {
                if let Some(task) = self.opened(&id) {
                    task.known = Some(*opened);
                }
            }
            Update::History(id, history, extent) => {
                if let Some(task) = self.opened(&id) {
                    task.history.extend(history);
                    task.is_whole |= extent == Extent::Whole;
                }
            }
        }
        Ok(())
    }

    fn opened(&mut self, id: &TaskId) -> Option<&mut OpenTask> {
        match &mut self.front {
            Front::Task(task) if task.id == *id => Some(task),
            _ => None,
        }
    }

    /// What has to be read for it.
    pub fn wish(&self) -> Wish {
        let open = match &self.front {
            Front::Task(task) => Some(task.id.clone()),
            Front::Board => None,
        };
        Wish { sought: Sought::new(&self.filter), open }
    }

    /// The rows of a list.
    pub fn rows(&self, list: List) -> &[Arc<Row>] {
        self.picture.as_ref().map_or(&[], |picture| &picture.lists[list as usize].rows)
    }

    /// The events, the newest first.
    pub fn events(&self) -> &[Arc<Happened>] {
        self.picture.as_ref().map_or(&[], |picture| &picture.events)
    }

    fn len(&self, pane: Pane) -> usize {
        pane.list().map_or(self.events().len(), |list| self.rows(list).len())
    }

    fn on(&self, pane: Pane, row: usize) -> Option<On> {
        match pane.list() {
            Some(list) => self.rows(list).get(row).map(|row| On::Task(row.id.clone())),
            None => self.events().get(row).map(|event| On::Event(event.place)),
        }
    }

    /// Puts the cursor back on what it stood on, or at least within the list.
    fn settle(&mut self, pane: Pane) {
        let cursor = &self.cursors[pane as usize];
        let last = self.len(pane).saturating_sub(1);
        let row = match &cursor.on {
            None => 0,
            Some(On::Task(id)) => {
                let rows = pane.list().map_or(&[][..], |list| self.rows(list));
                rows.iter().position(|row| row.id == *id).unwrap_or(cursor.row.min(last))
            }
            Some(On::Event(place)) => {
                let found = self.events().iter().position(|event| event.place == *place);
                found.unwrap_or(cursor.row.min(last))
            }
        };
        self.cursors[pane as usize].row = row;
    }

    /// Moves the cursor of the pane one is in.
    pub fn step_by(&mut self, rows: isize) {
        let last = self.len(self.pane).saturating_sub(1);
        let row = self.cursors[self.pane as usize].row.saturating_add_signed(rows).min(last);
        let on = if row == 0 { None } else { self.on(self.pane, row) };
        self.cursors[self.pane as usize] = Cursor { row, on };
    }

    /// The task that the cursor stands on.
    pub fn selected(&self) -> Option<TaskId> {
        let row = self.cursors[self.pane as usize].row;
        match self.on(self.pane, row)? {
            On::Task(id) => Some(id),
            On::Event(_) => self.events().get(row)?.task.clone(),
        }
    }

    /// Looks for something else.
    pub fn seek(&mut self, filter: String) {
        self.filter = filter;
        self.cursors = Default::default();
    }

    /// Opens a task.
    pub fn open(&mut self, id: TaskId) {
        let (known, history) = (None, History::new());
        let task = OpenTask { id, known, history, is_whole: false, scroll: 0 };
        self.front = Front::Task(Box::new(task));
    }
}
