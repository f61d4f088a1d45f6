//! The files of other systems: their tasks as a board's, and a board's tasks as theirs.
//!
//! - [`Format`]: a system's files; [`recognise`] tells which a path holds.
//! - [`read`], [`write()`]: whole files. [`read_one`], [`shape`]: one task, and the inverse.
//! - [`Foreign`]: what was read, with a [`Remark`] for everything that a board has no like of.
//!
//! Invariants:
//!
//! - nothing is dropped: [`shape`] gives back every task that nothing has happened to on the board as it was, the order
//!   of its keys apart, and what has happened wins over what is remembered;
//! - a file is read whole or not at all;
//! - the same file gives the same ids each time;
//! - this crate knows no store and prints nothing.
//!
//! # What becomes what
//!
//! - An id that is valid on a board stays; [`board_id`] changes others. Of two tasks of one id the first keeps it.
//! - A word for a status is known in any case and with any gap (`Todo`, `in-progress`, `Done`). Of a task whose word isn't
//!   known nobody can say that it is to be done: it is `blocked`.
//! - A task in progress becomes a claim of whoever has it. Its lease begins when the task was taken, or now if that isn't
//!   known, as in `todo2`. If it is known only that somebody has it, that is an agent called `unknown`; if not even that,
//!   the task is pending.
//! - In `todo2` the assignee of a task that is in progress keeps it reserved, too, and whoever holds a task is its assignee
//!   there. In `task-board` and `sqlite`, whoever has
//!   a task that isn't begun has it reserved.
//! - A parent or dependency that isn't there is left out, and so is the one that closes a circle.
//! - `low`, `medium`, `high` and `critical` are the priorities -1, 0, 1 and 2.
//! - A time without an offset is local time. What isn't known of a task's times is taken from those that are.
//!
//! # What is kept where
//!
//! Fields that a board has no place for stand in the task's `data`, under their own names, except where the system has a
//! `data` of its own (`task-manager`), which is the board's then. Under the key [`IMPORTED`] in it stands what else must be
//! remembered:
//!
//! ```text
//! {"_imported": {
//!     "format": "task-manager",
//!     "created_at": {"was": "2024-01-01T10:00:00.123456", "is": 1704103200123},
//!     "parent_id":  {"as": "parentId"},
//!     "fields":     {"retries": 3},
//!     "copies":     [{…}]}}
//! ```
//!
//! - the `format` that all of this is about;
//! - by the name of a field that has a place: what it `was` there (nothing, if it wasn't there), for as long as what it
//!   stands for on the board `is` still the same; and the name that it was found `as`;
//! - `fields`: those without a place, beside a `data` of the system's own;
//! - `file`, in `a2a`: the file it came from, if that isn't where its id and its status would put it;
//! - `place`: its place in the list, if it stood before a task that it names;
//! - `copies`: further files of the same task.
//!
//! In another system's shape, what that would read as something about the task stands under `_imported_data`.
//!
//! What belongs to no task stands in the board's metadata: what can, under its own name, the rest under [`IMPORTED_META`].

mod a2a;
mod aside;
mod assemble;
mod dialect;
mod draft;
mod error;
mod ids;
mod json_files;
mod recognise;
mod remember;
mod saving;
mod shaping;
mod sqlite;
mod text;
mod times;
mod words;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde_json::Value;
use taskhost_board::{Arrival, Json, Millis, Task, TaskId, order_of_birth};

use assemble::Source;
use dialect::Dialect;

pub use error::Error;
pub use ids::board_id;
pub use recognise::{Recognised, recognise};

/// The key in a task's data under which stands what has to be remembered of it.
pub const IMPORTED: &str = "_imported";

/// The key in a board's metadata under which stands what belongs to no task and has no valid key.
pub const IMPORTED_META: &str = "imported";

/// The files of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// A JSON object with `workflow_type`, `metadata`, and `tasks` by their ids, which agents lock.
    TaskManager,
    /// The file `.todo2/state.todo2.json`: an object with a list of `todos`, which have assignees.
    Todo2,
    /// Directories `available`, `claimed` and `completed`, with a file for each task.
    A2a,
    /// A JSON list of tasks, or an object that has one under `tasks`.
    TaskBoard,
    /// An SQLite database with a table `tasks`.
    Sqlite,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] =
        [Self::TaskManager, Self::Todo2, Self::A2a, Self::TaskBoard, Self::Sqlite];

    /// The word used on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskManager => "task-manager",
            Self::Todo2 => "todo2",
            Self::A2a => "a2a",
            Self::TaskBoard => "task-board",
            Self::Sqlite => "sqlite",
        }
    }

    /// All of the words, for an error.
    pub(crate) fn words() -> String {
        Self::ALL.map(|format| format!("`{format}`")).join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        found.ok_or_else(|| Error::NoSuchFormat(text.to_owned()))
    }
}

/// What reading needs to know besides what is read.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    /// How long a task that is in progress there stays with its holder, from when it was claimed, in milliseconds: at
    /// most 30 days.
    pub lease_ms: u64,
    /// The time: what isn't known to have been earlier is taken to be now.
    pub now: Millis,
}

impl ReadOptions {
    /// A day for whoever holds a task, as `task-manager` has it unless told otherwise.
    pub const LEASE_MS: u64 = 24 * 60 * 60 * 1000;
    /// The longest lease that a board gives.
    const LEASE_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;

    /// The usual lease, at this time.
    pub fn at(now: Millis) -> Self {
        Self { lease_ms: Self::LEASE_MS, now }
    }

    pub(crate) fn lease_ms(&self) -> u64 {
        self.lease_ms.clamp(1, Self::LEASE_MS_MAX)
    }
}

/// What was read of another system.
#[derive(Debug, Clone, Default)]
pub struct Foreign {
    /// Its tasks, in their order there. Each names only others of them, and none itself by a detour.
    pub arrivals: Vec<Arrival>,
    /// What belongs to no task.
    pub meta: Vec<(TaskId, Json)>,
    /// What could not be mapped; it is kept all the same.
    pub remarks: Vec<Remark>,
}

impl Foreign {
    /// Its tasks in batches of at most `size`, which can be adopted one after the other: each task comes after all that it
    /// names, and else they keep their order.
    pub fn into_batches(self, size: usize) -> Vec<Vec<Arrival>> {
        let news: Vec<_> = self.arrivals.iter().map(|arrival| &arrival.new).collect();
        // Circles were opened when it was read; one that was made since is found when it is adopted.
        let order = order_of_birth(&news).unwrap_or_else(|_| (0..news.len()).collect());
        let mut place = vec![0; order.len()];
        for (at, index) in order.into_iter().enumerate() {
            place[index] = at;
        }
        let mut arrivals: Vec<(usize, Arrival)> = place.into_iter().zip(self.arrivals).collect();
        arrivals.sort_by_key(|(place, _)| *place);
        let mut arrivals = arrivals.into_iter().map(|(_, arrival)| arrival).peekable();
        let mut batches = Vec::new();
        while arrivals.peek().is_some() {
            batches.push(arrivals.by_ref().take(size.max(1)).collect());
        }
        batches
    }
}

/// Something that the other side has no like of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The task's id where it comes from, if it is about a task that has one.
    pub task: Option<String>,
    /// The field, the file or the table.
    pub field: String,
    /// What became of it, and why.
    pub why: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(task) = &self.task {
            write!(f, "`{task}`: ")?;
        }
        write!(f, "`{}`: {}", self.field, self.why)
    }
}

/// Reads all that `path` holds: a file, for `a2a` the directory of the others or one of them, for `todo2` the file, its
/// directory, or the project.
///
/// # Errors
///
/// If it isn't there, is damaged, or isn't what the format has; then nothing was read.
pub fn read(format: Format, path: &Path, options: &ReadOptions) -> Result<Foreign, Error> {
    match format {
        Format::TaskManager => json_files::read_task_manager(path, options),
        Format::Todo2 => json_files::read_todo2(path, options),
        Format::A2a => a2a::read(path, options),
        Format::TaskBoard => json_files::read_task_board(path, options),
        Format::Sqlite => sqlite::read(path, options),
    }
}

/// Reads one task in a system's shape: for `task-manager` with its `id` in it, for `sqlite` a row as an object. The tasks
/// that it names are taken to be there.
///
/// # Errors
///
/// If it isn't an object, or is too deep to be kept.
pub fn read_one(
    format: Format,
    value: &Value,
    options: &ReadOptions,
) -> Result<(Arrival, Vec<Remark>), Error> {
    let Value::Object(object) = value else { return Err(Error::NotATask(format)) };
    assemble::one(Dialect::of(format), Source::of(object.clone()), options)
}

/// A board's task in a system's shape: what [`read_one`] reads.
pub fn shape(format: Format, task: &Task) -> Value {
    Value::Object(shaping::shape(Dialect::of(format), task, &Default::default()))
}

/// Writes tasks and metadata as a system has them, in this order: to a file, for `a2a` to a directory, for `todo2` to either.
/// Nothing that is there already is written over.
///
/// # Errors
///
/// If something is there already, or it can't be written.
pub fn write(
    format: Format,
    tasks: &[Task],
    meta: &[(TaskId, Json)],
    path: &Path,
) -> Result<Vec<Remark>, Error> {
    let tasks = shaping::shape_all(Dialect::of(format), tasks);
    match format {
        Format::TaskManager => json_files::write_task_manager(tasks, meta, path),
        Format::Todo2 => json_files::write_todo2(tasks, meta, path),
        Format::A2a => a2a::write(tasks, meta, path),
        Format::TaskBoard => json_files::write_task_board(tasks, meta, path),
        Format::Sqlite => sqlite::write(tasks, meta, path),
    }
}
