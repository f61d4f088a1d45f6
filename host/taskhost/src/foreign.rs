//! The files of other systems, brought onto a board and written back.

use std::collections::HashSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use taskhost_board::{Arrival, Change, ListQuery, Millis, Sequence, TaskId};
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
    pub fn adopt(&self, mut foreign: Foreign) -> Result<Imported, Error> {
        let mut imported = Imported::default();
        self.leave_archived(&mut foreign, &mut imported)?;
        for (key, value) in &foreign.meta {
            if self.meta(key)?.is_none() {
                self.set_meta(key, Some(value), None, None)?;
            }
        }
        imported.remarks.append(&mut foreign.remarks);
        for batch in foreign.into_batches(TASKS_AT_ONCE) {
            for adoption in self.engine().adopt(&batch, self.deadline())? {
                let (here, present) = (&mut imported.added, &mut imported.present);
                let list = if adoption.was_there { present } else { here };
                list.push(adoption.task.id);
            }
        }
        Ok(imported)
    }

    /// Takes those away that were archived here, as far back as the history is kept: they were done, and would be done
    /// again. Nobody waits for one of them.
    fn leave_archived(&self, foreign: &mut Foreign, imported: &mut Imported) -> Result<(), Error> {
        let view = self.view()?;
        let mut missing: HashSet<TaskId> = HashSet::new();
        for id in foreign.arrivals.iter().filter_map(|arrival| arrival.new.id.as_ref()) {
            if view.task(id)?.is_none() {
                missing.insert(id.clone());
            }
        }
        let mut archived: HashSet<TaskId> = HashSet::new();
        if !missing.is_empty() {
            self.history(Sequence(0), |_, entry| {
                for change in entry.changes {
                    if let Change::Archived(task) = change
                        && missing.contains(&task.id)
                    {
                        archived.insert(task.id);
                    }
                }
                true
            })?;
        }
        if archived.is_empty() {
            return Ok(());
        }
        let remark = |id: &TaskId, field: &str, why: String| Remark {
            task: Some(id.to_string()),
            field: field.into(),
            why,
        };
        let is_archived = |id: &TaskId| archived.contains(id);
        for arrival in std::mem::take(&mut foreign.arrivals) {
            let mut new = arrival.new;
            let Some(id) = new.id.clone() else { continue };
            if is_archived(&id) {
                let why =
                    "it was archived here, so it isn't brought back: `taskhost history` has it";
                imported.remarks.push(remark(&id, "id", why.into()));
                imported.present.push(id);
                continue;
            }
            if let Some(parent) = new.parent.take_if(|parent| is_archived(parent)) {
                let why = format!("`{parent}` was archived here, so it has no parent");
                imported.remarks.push(remark(&id, "parent", why));
            }
            let before: Vec<TaskId> =
                new.after.extract_if(.., |before| is_archived(before)).collect();
            for before in before {
                let why = format!("`{before}` was archived here, so it isn't waited for");
                imported.remarks.push(remark(&id, "after", why));
            }
            foreign.arrivals.push(Arrival { new, past: arrival.past });
        }
        Ok(())
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
