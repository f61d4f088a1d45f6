//! `add`: new tasks, one or many, all or none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant as Deadline;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Engine, Error, Work};
use crate::{
    Aim, Assignee, Change, Command, Event, Json, KeyRecord, Millis, Name, Readiness, Request,
    Status, Task, TaskId,
};

/// How many tasks one transaction adds at most.
pub(super) const TASKS_MAX: usize = 10_000;
/// How many dependencies a task has at most.
const AFTER_MAX: usize = 4_096;
/// How many labels, and how many needs, a task has at most.
const WORDS_MAX: usize = 64;
/// The largest data of a task, in bytes.
const DATA_BYTES_MAX: usize = 1 << 20;
/// The longest request key, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// A task to be added.
#[derive(Debug, Clone, Serialize)]
pub struct NewTask {
    /// Its id; one is made if none is given.
    pub id: Option<TaskId>,
    /// What kind of work it is.
    pub task_type: Name,
    /// The task it is a part of.
    pub parent: Option<TaskId>,
    /// What must come before it.
    pub after: Vec<TaskId>,
    /// Higher is more urgent.
    pub priority: i32,
    /// Words to find it by.
    pub labels: Vec<Name>,
    /// What an agent must be capable of.
    pub needs: Vec<Name>,
    /// For whom it is reserved.
    pub assignee: Option<Assignee>,
    /// The caller's own data.
    pub data: Json,
    /// Repeated with the same key, the request gives the same task.
    pub key: Option<String>,
    /// Not to be claimed before this time.
    pub not_before: Option<Millis>,
}

impl NewTask {
    /// A task of this type, and nothing else about it.
    pub fn new(task_type: Name) -> Self {
        Self {
            id: None,
            task_type,
            parent: None,
            after: Vec::new(),
            priority: 0,
            labels: Vec::new(),
            needs: Vec::new(),
            assignee: None,
            data: Json::default(),
            key: None,
            not_before: None,
        }
    }
}

/// What became of a task that was to be added.
#[derive(Debug, Clone)]
pub struct AddOutcome {
    /// The task.
    pub task: Task,
    /// Whether the same request had added it before.
    pub repeated: bool,
}

impl Engine {
    /// Adds all of these tasks or none, at most 10,000. They may name each other in any order, and whatever is
    /// on the board.
    pub fn add(&self, tasks: &[NewTask], deadline: Deadline) -> Result<Vec<AddOutcome>, Error> {
        if tasks.len() > TASKS_MAX {
            return Err(Error::Invalid(format!(
                "{} tasks are too many for one transaction, which takes {TASKS_MAX}: add them in several",
                tasks.len()
            )));
        }
        tasks.iter().try_for_each(check_bounds)?;
        let order = order_of_birth(&tasks.iter().collect::<Vec<_>>())?;
        let request = Request::of(Command::Add);
        self.transact(&request, aim(tasks.iter()), deadline, |work| work.add(tasks, &order))
    }
}

/// What adding these looks at: whether they are there already, and what they name.
pub(super) fn aim<'a>(tasks: impl Iterator<Item = &'a NewTask>) -> Aim {
    let named = |new: &'a NewTask| new.id.iter().chain(&new.parent).chain(&new.after).cloned();
    let named: BTreeSet<TaskId> = tasks.flat_map(named).collect();
    Aim { named: named.into_iter().collect(), ..Aim::default() }
}

pub(super) fn check_bounds(new: &NewTask) -> Result<(), Error> {
    let name = new.id.as_ref().map_or(new.task_type.as_str(), TaskId::as_str);
    if new.after.len() > AFTER_MAX {
        return Err(too_many(name, "dependencies: put a task between", AFTER_MAX));
    }
    check_size(name, &new.labels, &new.needs, &new.data)?;
    new.key.as_deref().map_or(Ok(()), check_key)?;
    if let Some(id) = &new.id
        && (new.parent.as_ref() == Some(id) || new.after.contains(id))
    {
        return Err(Error::Graph(format!("`{id}` can't be its own parent or come after itself")));
    }
    Ok(())
}

fn too_many(name: &str, what: &str, max: usize) -> Error {
    Error::Invalid(format!("`{name}` has more than {max} {what}"))
}

/// Checks that what is said of a task is of a size that can be kept.
pub(super) fn check_size(
    name: &str,
    labels: &[Name],
    needs: &[Name],
    data: &Json,
) -> Result<(), Error> {
    if labels.len() > WORDS_MAX || needs.len() > WORDS_MAX {
        return Err(too_many(name, "labels or needs", WORDS_MAX));
    }
    if data.as_str().len() > DATA_BYTES_MAX {
        let what = "bytes of data: keep it in a file or in `taskhost context`, and name that";
        return Err(too_many(name, what, DATA_BYTES_MAX));
    }
    Ok(())
}

/// Checks a request key. An empty one is a shell variable that wasn't set, and would be everybody's.
pub(super) fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.contains('\0') {
        return Err(Error::Invalid(format!(
            "a key has 1 to {KEY_BYTES_MAX} bytes and no zero byte"
        )));
    }
    Ok(())
}

/// The order in which tasks that name each other can be added: each after all it names, and else as they came. An error
/// if they wait for each other in a circle, or an id is given twice.
pub fn order_of_birth(tasks: &[&NewTask]) -> Result<Vec<usize>, Error> {
    let mut by_id = BTreeMap::new();
    for (index, new) in tasks.iter().enumerate() {
        if let Some(id) = &new.id
            && by_id.insert(id, index).is_some()
        {
            return Err(Error::Graph(format!("`{id}` is given twice: ids are unique on a board")));
        }
    }
    let named = |new: &NewTask| -> Vec<usize> {
        new.parent.iter().chain(&new.after).filter_map(|id| by_id.get(id).copied()).collect()
    };
    let mut missing: Vec<usize> = tasks.iter().map(|new| named(new).len()).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
    for (index, new) in tasks.iter().enumerate() {
        for before in named(new) {
            followers[before].push(index);
        }
    }
    // The smallest index first, so that tasks that don't depend on each other keep the order they came in.
    let mut free: BTreeSet<usize> = (0..tasks.len()).filter(|index| missing[*index] == 0).collect();
    let mut order = Vec::with_capacity(tasks.len());
    while let Some(index) = free.pop_first() {
        order.push(index);
        for follower in &followers[index] {
            missing[*follower] -= 1;
            if missing[*follower] == 0 {
                free.insert(*follower);
            }
        }
    }
    if order.len() == tasks.len() {
        return Ok(order);
    }
    let stuck = tasks.iter().zip(&missing).filter(|(_, missing)| **missing > 0);
    let names: Vec<String> =
        stuck.filter_map(|(new, _)| new.id.as_ref()).take(10).map(|id| format!("`{id}`")).collect();
    Err(Error::Graph(format!("these tasks wait for each other in a circle: {}", names.join(", "))))
}

impl Work<'_> {
    fn add(&mut self, tasks: &[NewTask], order: &[usize]) -> Result<Vec<AddOutcome>, Error> {
        self.take_backlog()?;
        let mut added: BTreeMap<usize, AddOutcome> = BTreeMap::new();
        for index in order {
            added.insert(*index, self.add_one(&tasks[*index])?);
        }
        self.settle()?;
        let mut outcomes = Vec::with_capacity(added.len());
        for outcome in added.into_values() {
            let task = self.task(&outcome.task.id)?;
            outcomes.push(AddOutcome { task, ..outcome });
        }
        Ok(outcomes)
    }

    fn add_one(&mut self, new: &NewTask) -> Result<AddOutcome, Error> {
        let print = fingerprint(new);
        if let Some(key) = &new.key
            && let Some(record) = self.recall_key(Command::Add, key, print)?
        {
            // Another task may have got the id of one that was archived.
            let task = self.tx().task(&record.task)?.filter(|task| task.key == new.key);
            let gone = || Error::KeyGone { key: key.clone(), id: record.task.clone() };
            return Ok(AddOutcome { task: task.ok_or_else(gone)?, repeated: true });
        }
        for id in new.parent.iter().chain(&new.after) {
            self.task(id)?;
        }
        let born = self.tx_mut().next_born()?;
        let id = self.free_id(new, born)?;
        let now = self.tx().now().wall;
        let task = Task {
            id: id.clone(),
            task_type: new.task_type.clone(),
            status: Status::Pending,
            reason: None,
            parent: new.parent.clone(),
            after: distinct(&new.after),
            priority: new.priority,
            labels: sorted(&new.labels),
            needs: sorted(&new.needs),
            assignee: new.assignee.clone(),
            data: new.data.clone(),
            key: new.key.clone(),
            attempts: 0,
            failures: 0,
            claim: None,
            closed: None,
            result: None,
            error: None,
            not_before: new.not_before,
            created_at: now,
            updated_at: now,
            completed_at: None,
            born,
            readiness: Readiness::Unasked,
        };
        self.tx_mut().apply(Change::Added(Box::new(task.clone())))?;
        self.queue.allow_one_more();
        if let Some(key) = &new.key {
            let record = KeyRecord { fingerprint: print, task: id.clone(), token: None, at: now };
            self.tx_mut().apply(Change::Keyed {
                command: Command::Add,
                key: key.clone(),
                record,
            })?;
        }
        self.tell(&id, Event::Created, "")?;
        Ok(AddOutcome { task, repeated: false })
    }

    fn free_id(&self, new: &NewTask, born: u64) -> Result<TaskId, Error> {
        const TRIES: u32 = 64;
        if let Some(id) = &new.id {
            return match self.tx().task(id)? {
                None => Ok(id.clone()),
                Some(task) => Err(Error::Transition {
                    id: id.clone(),
                    status: task.status,
                    detail: "a task of this id exists already: choose another id, or repeat the request with its key"
                        .into(),
                }),
            };
        }
        for _ in 0..TRIES {
            let id = TaskId::made(&new.task_type, born, (self.engine.entropy)() as u32);
            if self.tx().task(&id)?.is_none() {
                return Ok(id);
            }
        }
        Err(Error::Invalid(format!(
            "no free id was found for a task of type `{}`: give one",
            new.task_type
        )))
    }
}

pub(super) fn sorted(names: &[Name]) -> Vec<Name> {
    names.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

pub(super) fn distinct(ids: &[TaskId]) -> Vec<TaskId> {
    let mut seen = BTreeSet::new();
    ids.iter().filter(|id| seen.insert(*id)).cloned().collect()
}

/// A number that two requests share only if they ask for the same.
pub(super) fn fingerprint<T: Serialize>(request: &T) -> u64 {
    let text = serde_json::to_vec(request).expect("requests have no unserializable parts");
    let digest: [u8; 32] = Sha256::digest(text).into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}
