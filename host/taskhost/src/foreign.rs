//! The files of other systems, brought onto a board and written back.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use taskhost_board::{
    Arrival, Change, Json, ListQuery, META_BYTES_MAX, Millis, Name, Owner, Sequence, Status,
    TaskId, Token, View, check_arrival,
};
use taskhost_formats::{Foreign, Format, ReadOptions, Remark};

use crate::spans::operation;
use crate::{Board, Error};

/// How many imported values stand among the metadata at most.
const METAS_MAX: usize = 500;

/// Under whose name values are kept that were too large for the metadata.
fn beside_metadata() -> Result<Owner, Error> {
    Ok(Owner::Agent(Name::new("imported-metadata").map_err(Error::name)?))
}

/// How many tasks are adopted in one transaction: few enough that nobody waits long for the lock.
const TASKS_AT_ONCE: usize = 1_000;

/// What became of what was to be imported.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// The tasks that were added.
    pub added: Vec<TaskId>,
    /// Those that the board had already, which stay as they are.
    pub present: Vec<TaskId>,
    /// Who holds which of those that were added, with the token that shows it here.
    pub claims: Vec<(TaskId, Name, Token)>,
    /// What could not be mapped; it is kept in the tasks' data and in the metadata.
    pub remarks: Vec<Remark>,
}

/// What becomes of tasks that were archived here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archived {
    /// They aren't brought back: a file still has them, but they were done.
    Stay,
    /// They are: somebody wants these very tasks.
    ComeBack,
}

/// How files of another system are read at `now`, as the board's clock has it ([`Board::now`]): whoever holds a task there
/// holds it for `lease_ms` from when it was claimed, a day unless said otherwise.
pub fn reading(now: Millis, lease_ms: Option<u64>) -> ReadOptions {
    let mut options = ReadOptions::at(now);
    if let Some(lease_ms) = lease_ms {
        options.lease_ms = lease_ms;
    }
    options
}

/// Checks that all of it can be brought onto a board: asked before one is made for it.
///
/// # Errors
///
/// If one of the tasks couldn't be.
pub fn check_foreign(foreign: &Foreign) -> Result<(), Error> {
    Ok(foreign.arrivals.iter().try_for_each(check_arrival)?)
}

impl Board {
    /// Brings what was read of another system onto this board. What the board has already, tasks and metadata, stays as
    /// it is, so doing it again changes nothing; if it is cut short, doing it again does the rest.
    pub fn adopt(&self, foreign: Foreign, archived: Archived) -> Result<Imported, Error> {
        operation!("taskhost.adopt", self.address(), tasks = foreign.arrivals.len())
            .run(|| self.take_in(foreign, archived))
    }

    fn take_in(&self, mut foreign: Foreign, archived: Archived) -> Result<Imported, Error> {
        check_foreign(&foreign)?;
        let mut imported = Imported::default();
        if archived == Archived::Stay {
            self.leave_archived(&mut foreign, &mut imported)?;
        }
        for (index, (key, value)) in foreign.meta.iter().enumerate() {
            self.adopt_meta(index, key, value, &mut imported)?;
        }
        imported.remarks.append(&mut foreign.remarks);
        let ended: HashMap<TaskId, Status> = foreign
            .arrivals
            .iter()
            .filter(|arrival| arrival.past.status.is_finished())
            .filter_map(|arrival| Some((arrival.new.id.clone()?, arrival.past.status)))
            .collect();
        for batch in foreign.into_batches(TASKS_AT_ONCE) {
            for adoption in self.engine().adopt(&batch, self.deadline())? {
                let (here, present) = (&mut imported.added, &mut imported.present);
                let list = if adoption.was_there {
                    // Whoever went back to the other system and did work there would have it done again here.
                    let task = &adoption.task;
                    if let Some(there) = ended.get(&task.id)
                        && !task.status.is_finished()
                    {
                        let why = format!("{there} there, and {} here, which stays", task.status);
                        let (task, field) = (Some(task.id.to_string()), "status".to_owned());
                        imported.remarks.push(Remark { task, field, why });
                    }
                    present
                } else {
                    let claim = adoption.task.claim.as_ref();
                    let held = claim.map(|c| (adoption.task.id.clone(), c.agent.clone(), c.token));
                    imported.claims.extend(held);
                    here
                };
                list.push(adoption.task.id);
            }
        }
        Ok(imported)
    }

    /// Keeps a value that belongs to no task: with the metadata, or, where it is too large or there are too many of them,
    /// with the large values.
    fn adopt_meta(
        &self,
        index: usize,
        key: &TaskId,
        value: &Json,
        imported: &mut Imported,
    ) -> Result<(), Error> {
        let is_large = value.as_str().len() > META_BYTES_MAX || index >= METAS_MAX;
        let owner = beside_metadata()?;
        let found = if is_large {
            self.contexts()
                .get(&owner, key)?
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        } else {
            self.meta(key)?.map(|found| found.as_str().to_owned())
        };
        match found {
            Some(found) if found == value.as_str() => Ok(()),
            Some(_) => {
                let why = "the board has another value of this name, which stays".into();
                imported.remarks.push(Remark { task: None, field: key.to_string(), why });
                Ok(())
            }
            None if is_large => {
                let bytes = value.as_str().as_bytes();
                Ok(self.contexts().set(&owner, key, bytes, self.deadline())?)
            }
            None => self.set_meta(key, Some(value), None, None),
        }
    }

    /// The metadata, with what was too large for it.
    fn all_metadata(&self, view: &dyn View) -> Result<Vec<(TaskId, Json)>, Error> {
        let mut metas = view.metas()?;
        let (contexts, owner) = (self.contexts(), beside_metadata()?);
        for entry in contexts.list(&owner)? {
            let value = contexts.get(&owner, &entry.key)?.unwrap_or_default();
            // Whatever else somebody keeps under this name isn't metadata.
            if let Ok(value) = Json::parse(&String::from_utf8_lossy(&value)) {
                metas.push((entry.key, value));
            }
        }
        Ok(metas)
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
        operation!("taskhost.write_foreign", self.address()).run(|| {
            let view = self.view()?;
            let all = ListQuery { limit: usize::MAX, ..ListQuery::default() };
            let (tasks, metas) = (view.list(&all)?.tasks, self.all_metadata(&*view)?);
            Ok(taskhost_formats::write(format, &tasks, &metas, path)?)
        })
    }
}
