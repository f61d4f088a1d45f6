//! The files of other systems, brought onto a board and written back.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use taskhost_board::{ListQuery, Millis, TaskId};
use taskhost_formats::{Foreign, Format, ReadOptions, Remark};

use crate::{Board, Error};

/// How many tasks are adopted in one transaction: few enough that nobody waits long for the lock.
const TASKS_AT_ONCE: usize = 1_000;

/// What became of what was to be imported.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// The tasks that were added.
    pub added: Vec<TaskId>,
    /// Those that the board had already, which stay as they are.
    pub present: Vec<TaskId>,
    /// What could not be mapped; it is kept in the tasks' data and in the metadata.
    pub remarks: Vec<Remark>,
}

/// How files of another system are read: whoever holds a task there holds it for `lease_ms` from when it was claimed,
/// a day unless said otherwise.
pub fn reading(lease_ms: Option<u64>) -> ReadOptions {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut options = ReadOptions::at(Millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)));
    if let Some(lease_ms) = lease_ms {
        options.lease_ms = lease_ms;
    }
    options
}

impl Board {
    /// Brings what was read of another system onto this board. What the board has already, tasks and metadata, stays as
    /// it is, so doing it again changes nothing; if it is cut short, doing it again does the rest.
    pub fn adopt(&self, foreign: Foreign) -> Result<Imported, Error> {
        let mut imported = Imported::default();
        for (key, value) in &foreign.meta {
            if self.meta(key)?.is_none() {
                self.set_meta(key, Some(value), None, None)?;
            }
        }
        imported.remarks.clone_from(&foreign.remarks);
        for batch in foreign.into_batches(TASKS_AT_ONCE) {
            for adoption in self.engine().adopt(&batch, self.deadline())? {
                let (here, present) = (&mut imported.added, &mut imported.present);
                let list = if adoption.was_there { present } else { here };
                list.push(adoption.task.id);
            }
        }
        Ok(imported)
    }

    /// Writes all tasks, and the metadata, as another system has them; says what it has no like of. Nothing that is there
    /// is written over.
    pub fn write_foreign(&self, format: Format, path: &Path) -> Result<Vec<Remark>, Error> {
        let view = self.view()?;
        let all = ListQuery { limit: usize::MAX, ..ListQuery::default() };
        let (tasks, metas) = (view.list(&all)?.tasks, view.metas()?);
        Ok(taskhost_formats::write(format, &tasks, &metas, path)?)
    }
}
