//! A board with staged changes in it.
//!
//! [`Transaction`] is the only type that can stage a change. The host stages what a command asks for; a
//! policy's hook, to which it is lent, stages what follows, within its [`Access`]. Each step is checked here
//! against the board's invariants before it is staged, so that nothing a policy does can break them.

mod standing;
mod steps;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

pub(crate) use standing::Standing;

use crate::{
    Agent, Candidate, Change, Event, Family, Filter, Head, Instant, Json, KeyRecord, Name,
    NoTaskLocks, Numbers, OrderKey, ReadError, Readiness, ReadyQuery, Space, Status, Task, TaskId,
    TaskLocks, Token, View,
};

/// A lease when neither the asker nor the policy says otherwise.
const LEASE_MS_DEFAULT: u64 = 30 * 60 * 1000;
/// The longest lease.
pub(crate) const LEASE_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;
const MEMORY_KEY_BYTES_MAX: usize = 256;
const MEMORY_VALUE_BYTES_MAX: usize = 64 * 1024;
const MEMORY_KEYS_MAX: u32 = 10_000;

/// An agent that asks for work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// Who asks.
    pub asker: Agent,
    /// For what.
    pub filter: Filter,
}

/// What the hook that holds the transaction may do with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Nothing but read.
    #[default]
    Read,
    /// Stage a claim for this agent, of a task that it asked for, and what follows.
    Assign(Box<Asking>),
    /// Stage changes, but no claim.
    Change,
}

/// Why a policy's step was not staged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// There is no such task, or this hook may not take this step.
    #[error("{0}")]
    Invalid(String),
    /// The task's status, holder or reservation forbids it.
    #[error("{0}")]
    Conflict(String),
    /// A bound is reached.
    #[error("{0}")]
    Limit(String),
    /// The board could not be read; the transaction is lost.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Something a hook's step made happen, for which `lifecycle` is still to be called.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    pub(crate) task: TaskId,
    pub(crate) event: Event,
    pub(crate) detail: String,
}

/// A view of a board with staged changes in it.
pub struct Transaction {
    inner: Box<Inner>,
}

struct Inner {
    view: Box<dyn View>,
    id: String,
    seed: u64,
    now: Instant,
    head: Head,
    access: Access,
    steps_left: u32,
    /// How many steps each policy staged.
    steps_staged: BTreeMap<Space, u32>,
    memory_keys_added: u32,
    claimed: Option<TaskId>,
    changes: Vec<Change>,
    /// Tasks as they stand after the staged changes; `None` for those that are gone.
    tasks: BTreeMap<TaskId, Option<Task>>,
    metas: BTreeMap<TaskId, Option<Json>>,
    locks: Box<dyn TaskLocks>,
    /// Where tokens and places come from, if they don't follow from the head.
    numbers: Option<Box<dyn Numbers>>,
    memory: BTreeMap<(Space, String), Option<Vec<u8>>>,
    keys: BTreeMap<(crate::Command, String), KeyRecord>,
    /// How many claims each agent gained or lost.
    held: HashMap<Name, i64>,
    happened: VecDeque<Happened>,
    /// Pending tasks to ask `readiness` about, by what was staged.
    reconsider: BTreeSet<TaskId>,
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("id", &self.inner.id)
            .field("changes", &self.inner.changes)
            .finish()
    }
}

impl Transaction {
    /// A transaction on `view` at `now` that has staged nothing. `id` names the decision and `seed` feeds its
    /// random numbers: both must be the same when the decision is made again. Policies may take at most
    /// `steps_max` steps in it.
    pub fn new(
        view: Box<dyn View>,
        now: Instant,
        id: String,
        seed: u64,
        steps_max: u32,
    ) -> Result<Self, ReadError> {
        let head = view.head()?;
        Ok(Self::on(view, head, now, id, seed, steps_max))
    }

    /// The same on a view whose head was read already.
    pub(crate) fn on(
        view: Box<dyn View>,
        head: Head,
        now: Instant,
        id: String,
        seed: u64,
        steps_max: u32,
    ) -> Self {
        Self {
            inner: Box::new(Inner {
                view,
                id,
                seed,
                now,
                head,
                access: Access::Read,
                steps_left: steps_max,
                steps_staged: BTreeMap::new(),
                memory_keys_added: 0,
                claimed: None,
                changes: Vec::new(),
                tasks: BTreeMap::new(),
                metas: BTreeMap::new(),
                locks: Box::new(NoTaskLocks),
                numbers: None,
                memory: BTreeMap::new(),
                keys: BTreeMap::new(),
                held: HashMap::new(),
                happened: VecDeque::new(),
                reconsider: BTreeSet::new(),
            }),
        }
    }

    /// The same, where tasks may be locked by hand.
    #[must_use]
    pub fn with_locks(mut self, locks: Box<dyn TaskLocks>) -> Self {
        self.inner.locks = locks;
        self
    }

    /// The same, whose tokens and places in the order of creation come from elsewhere than its head.
    #[must_use]
    pub(crate) fn with_numbers(mut self, numbers: Option<Box<dyn Numbers>>) -> Self {
        self.inner.numbers = numbers;
        self
    }

    /// Names the decision: the same when it is made again.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// What random numbers are drawn from.
    pub fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// Lets the hook that is run next give work to this agent.
    pub(crate) fn lend_to_assign(&mut self, asker: &Agent, filter: &Filter) {
        let asking = Asking { asker: asker.clone(), filter: filter.clone() };
        self.lend(Access::Assign(Box::new(asking)));
    }

    /// The transaction's time.
    pub fn now(&self) -> &Instant {
        &self.inner.now
    }

    /// What may be done with it at the moment.
    pub fn access(&self) -> &Access {
        &self.inner.access
    }

    /// Whom the running hook gives work to, if it does.
    pub fn asker(&self) -> Option<&Agent> {
        match &self.inner.access {
            Access::Assign(asking) => Some(&asking.asker),
            Access::Read | Access::Change => None,
        }
    }

    // ----- reading, with the staged changes in it

    /// One task.
    pub fn task(&self, id: &TaskId) -> Result<Option<Task>, ReadError> {
        match self.inner.tasks.get(id) {
            Some(task) => Ok(task.clone()),
            None => self.inner.view.task(id),
        }
    }

    /// Children in the order of ids, those after `past`, at most `limit`.
    pub fn children(
        &self,
        parent: &TaskId,
        which: Family,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError> {
        let staged = self.staged().filter(|task| {
            task.parent.as_ref() == Some(parent)
                && which.has(task.status)
                && past.is_none_or(|past| task.id > *past)
        });
        let staged: Vec<TaskId> = staged.map(|task| task.id.clone()).collect();
        let mut found = self
            .unstaged(past, limit, |past| self.inner.view.children(parent, which, past, limit))?;
        found.extend(staged);
        found.sort_unstable();
        found.truncate(limit);
        Ok(found)
    }

    /// Ready tasks in the order asked for, those after `past`, at most `limit`.
    pub fn ready(
        &self,
        query: &ReadyQuery,
        past: Option<OrderKey>,
        limit: usize,
    ) -> Result<Vec<Candidate>, ReadError> {
        let mut found: Vec<Candidate> = Vec::new();
        let mut from = past;
        loop {
            let page = self.inner.view.ready(query, from, limit)?;
            let last = page.last().map(|candidate| candidate.place);
            let full = page.len() == limit;
            found.extend(
                page.into_iter().filter(|candidate| !self.inner.tasks.contains_key(&candidate.id)),
            );
            if !full || found.len() >= limit {
                break;
            }
            from = last;
        }
        for task in self.staged() {
            if let Some(place) = query.place(task)
                && past.is_none_or(|past| place > past)
            {
                found.push(Candidate::of(task, place));
            }
        }
        found.sort_by_key(|candidate| candidate.place);
        found.truncate(limit);
        Ok(found)
    }

    /// How many claims agents of this name hold.
    pub fn claims_held(&self, agent: &Name) -> Result<u32, ReadError> {
        let stored = i64::from(self.inner.view.claims_held(agent)?);
        let held = stored + self.inner.held.get(agent).copied().unwrap_or_default();
        Ok(u32::try_from(held).unwrap_or_default())
    }

    /// Tasks that name this one in their `after`, those after `past`, at most `limit`.
    pub(crate) fn dependents(
        &self,
        on: &TaskId,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError> {
        let staged = self
            .staged()
            .filter(|task| task.after.contains(on) && past.is_none_or(|past| task.id > *past));
        let staged: Vec<TaskId> = staged.map(|task| task.id.clone()).collect();
        let mut found =
            self.unstaged(past, limit, |past| self.inner.view.dependents(on, past, limit))?;
        found.extend(staged);
        found.sort_unstable();
        found.truncate(limit);
        Ok(found)
    }

    /// At least `limit` of what `page` gives a page at a time, if there is so much, without the staged tasks: they
    /// may hide stored ones, so one page may not be enough.
    fn unstaged(
        &self,
        past: Option<&TaskId>,
        limit: usize,
        page: impl Fn(Option<&TaskId>) -> Result<Vec<TaskId>, ReadError>,
    ) -> Result<Vec<TaskId>, ReadError> {
        let mut found = Vec::new();
        let mut past = past.cloned();
        loop {
            let more = page(past.as_ref())?;
            let last = more.last().cloned();
            let full = more.len() == limit;
            found.extend(more.into_iter().filter(|id| !self.inner.tasks.contains_key(id)));
            if !full || found.len() >= limit {
                return Ok(found);
            }
            past = last;
        }
    }

    /// A value of the workflow's own metadata.
    pub(crate) fn meta(&self, key: &TaskId) -> Result<Option<Json>, ReadError> {
        match self.inner.metas.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.inner.view.meta(key),
        }
    }

    /// The tasks that were changed and are still there.
    fn staged(&self) -> impl Iterator<Item = &Task> {
        self.inner.tasks.values().flatten()
    }

    /// What a policy remembered under `key`.
    pub fn recall(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        match self.inner.memory.get(&(space, key.to_owned())) {
            Some(value) => Ok(value.clone()),
            None => self.inner.view.recall(space, key),
        }
    }

    // ----- the host's own staging

    /// Stages a change that the host has checked, and keeps the staged tasks and counters in step.
    pub(crate) fn apply(&mut self, change: Change) -> Result<(), ReadError> {
        if let Some(id) = change.task() {
            let before = self.task(id)?;
            let mut task = match (&change, before.clone()) {
                (Change::Added(added), _) => (**added).clone(),
                (_, Some(task)) => task,
                (_, None) => {
                    return Err(ReadError::Damaged(format!(
                        "a change names the missing task `{id}`"
                    )));
                }
            };
            change.apply(&mut task, self.inner.now.wall);
            let after = Some(task).filter(|_| !matches!(change, Change::Archived(_)));
            self.put(id, before.as_ref(), after);
        }
        if let Change::MetaSet { key, value } = &change {
            self.inner.metas.insert(key.clone(), value.clone());
        }
        if let Change::Keyed { command, key, record } = &change {
            self.inner.keys.insert((*command, key.clone()), record.clone());
        }
        self.inner.changes.push(change);
        Ok(())
    }

    /// Takes the last staged change back: what a refused answer must not leave is aborted as a whole, but
    /// `review` and `retry` replace the change that they answer.
    pub(crate) fn replace_last(
        &mut self,
        id: &TaskId,
        before: Task,
        change: Change,
    ) -> Result<(), ReadError> {
        let position = self.inner.changes.iter().rposition(|change| change.task() == Some(id));
        if let Some(position) = position {
            self.inner.changes.remove(position);
        }
        let staged = self.inner.tasks.get(id).cloned().flatten();
        self.put(id, staged.as_ref(), Some(before));
        self.apply(change)
    }

    /// Puts a task as it stands now in place of what it was, in the counters too.
    fn put(&mut self, id: &TaskId, was: Option<&Task>, is: Option<Task>) {
        let mut count = |task: &Task, step: i64| {
            if let Some(claim) = &task.claim {
                *self.inner.held.entry(claim.agent.clone()).or_default() += step;
            }
        };
        if let Some(was) = was {
            count(was, -1);
        }
        if let Some(is) = &is {
            count(is, 1);
        }
        self.inner.tasks.insert(id.clone(), is);
    }

    pub(crate) fn lend(&mut self, access: Access) {
        if matches!(access, Access::Assign(_)) {
            self.inner.claimed = None;
        }
        self.inner.access = access;
    }

    pub(crate) fn next_born(&mut self) -> Result<u64, ReadError> {
        self.inner.head.born = match &mut self.inner.numbers {
            Some(numbers) => numbers.born()?,
            None => self.inner.head.born + 1,
        };
        Ok(self.inner.head.born)
    }

    /// The token of a claim that the host itself stages.
    pub(crate) fn next_token(&mut self, task: &TaskId) -> Result<Token, ReadError> {
        self.inner.head.token = match &mut self.inner.numbers {
            Some(numbers) => numbers.token(task)?,
            None => self.inner.head.token.next(),
        };
        Ok(self.inner.head.token)
    }

    /// The numbers it began with.
    pub(crate) fn head(&self) -> &Head {
        &self.inner.head
    }

    /// Whether any task is open, and whether any may be claimed, after what was staged.
    pub(crate) fn is_any_open_or_ready(&self) -> Result<(bool, bool), ReadError> {
        // More than could be among the staged ones.
        let enough = self.inner.tasks.len() as u64 + 1;
        let (mut open, mut ready) = self.inner.view.open_and_ready(enough)?;
        let mut count = |task: &Task, step: i64| {
            open = open.saturating_add_signed(step * i64::from(!task.status.is_finished()));
            ready = ready.saturating_add_signed(step * i64::from(task.ready_rank().is_some()));
        };
        for (id, task) in &self.inner.tasks {
            if let Some(task) = task {
                count(task, 1);
            }
            if let Some(was) = self.inner.view.task(id)? {
                count(&was, -1);
            }
        }
        Ok((open > 0, ready > 0))
    }

    pub(crate) fn view(&self) -> &dyn View {
        &*self.inner.view
    }

    pub(crate) fn key(
        &self,
        command: crate::Command,
        key: &str,
    ) -> Result<Option<KeyRecord>, ReadError> {
        match self.inner.keys.get(&(command, key.to_owned())) {
            Some(record) => Ok(Some(record.clone())),
            None => self.inner.view.key(command, key),
        }
    }

    /// The task whose claim the running hook has staged.
    pub fn claimed(&self) -> Option<&TaskId> {
        self.inner.claimed.as_ref()
    }

    /// What was staged so far, in order.
    pub fn changes(&self) -> &[Change] {
        &self.inner.changes
    }

    pub(crate) fn into_changes(self) -> Vec<Change> {
        self.inner.changes
    }

    pub(crate) fn next_happened(&mut self) -> Option<Happened> {
        self.inner.happened.pop_front()
    }

    pub(crate) fn take_reconsidered(&mut self) -> BTreeSet<TaskId> {
        std::mem::take(&mut self.inner.reconsider)
    }

    /// Staged pending tasks that wait on `on`.
    pub(crate) fn staged_waiters<'a>(
        &'a self,
        on: &'a TaskId,
    ) -> impl Iterator<Item = TaskId> + 'a {
        self.staged().filter(move |task| waits_on(task, on)).map(|task| task.id.clone())
    }
}

/// Whether `task` is pending and was told to wait for `on`.
pub(crate) fn waits_on(task: &Task, on: &TaskId) -> bool {
    task.status == Status::Pending
        && matches!(&task.readiness, Readiness::Waiting { on: tasks, .. } if tasks.contains(on))
}

pub(crate) fn finish(id: &TaskId, status: Status, why: &str) -> Change {
    Change::Finished {
        id: id.clone(),
        status,
        verb: None,
        reason: Some(why.to_owned()),
        result: None,
        error: None,
    }
}
