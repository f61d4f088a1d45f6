//! A board kept in memory: for tests, for embedders that want no files, and as the twin that the file store's
//! index is tested against.

mod powers;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use parking_lot::{Condvar, Mutex};

use crate::image::{self, Direction, ImageView, Pair, Read, Start, Write};
use crate::{
    Ask, BeginError, BoardSettings, BootId, Change, CommitError, Committed, Contexts, Digest,
    Entry, Head, Instant, LifeGuard, ListQuery, Mark, Meter, Millis, NoMeter, Opened, PolicySet,
    Powers, ReadError, Readiness, Sequence, SessionId, Status, Store, SwitchError, SwitchPlan,
    TaskId, TaskLocks, View, Vital,
};
use powers::{MemoryContexts, MemoryPowers};

/// An ordered map in memory. Clones share the pairs until one of them is changed.
#[derive(Debug, Clone, Default)]
pub struct MemoryMap {
    pairs: Arc<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Read for MemoryMap {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.pairs.get(key).cloned())
    }

    fn scan(
        &self,
        prefix: &[u8],
        start: Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, ReadError> {
        let end = image::prefix_end(prefix);
        let mut low = Bound::Included(prefix);
        let mut high = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        match (start, direction) {
            (Start::End, _) => {}
            (Start::Past(key), Direction::Forward) => low = Bound::Excluded(key),
            (Start::Past(key), Direction::Backward) => high = Bound::Excluded(key),
        }
        let key_of = |bound: Bound<&[u8]>| match bound {
            Bound::Included(key) | Bound::Excluded(key) => Some(key.to_vec()),
            Bound::Unbounded => None,
        };
        // An empty range is legal to ask for; a `BTreeMap` panics at one.
        if let (Some(low), Some(high)) = (key_of(low), key_of(high))
            && low >= high
        {
            return Ok(Vec::new());
        }
        let range = self
            .pairs
            .range::<[u8], _>((low, high))
            .map(|(key, value)| (key.clone(), value.clone()));
        Ok(match direction {
            Direction::Forward => range.take(limit).collect(),
            Direction::Backward => range.rev().take(limit).collect(),
        })
    }
}

impl Write for MemoryMap {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        Arc::make_mut(&mut self.pairs).insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), ReadError> {
        Arc::make_mut(&mut self.pairs).remove(key);
        Ok(())
    }
}

/// A board in memory. Clones are handles of the same board.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Held by the open transaction.
    turn: Mutex<bool>,
    turned: Condvar,
    changed: Condvar,
    powers: Arc<MemoryPowers>,
    contexts: Arc<MemoryContexts>,
}

struct State {
    map: MemoryMap,
    entries: Vec<Entry>,
    /// How many entries were taken out before these.
    taken: u64,
    components: BTreeMap<Digest, Vec<u8>>,
    living: BTreeSet<SessionId>,
    /// How many sessions ended.
    deaths: u64,
    /// Tasks that are locked by hand.
    locked: BTreeSet<TaskId>,
    now: Instant,
}

impl MemoryStore {
    /// A new board with these policies, whose clock stands still until [`MemoryStore::advance`].
    pub fn new(
        policies: &PolicySet,
        components: BTreeMap<Digest, Vec<u8>>,
        settings: &BoardSettings,
    ) -> Result<Self, ReadError> {
        let now = Instant {
            wall: Millis(1_000_000_000_000),
            boot: BootId("memory".into()),
            boot_ms: 1_000,
        };
        let mut map = MemoryMap::default();
        image::start(&mut map, &now.boot, &Head::default(), policies, settings)?;
        let state = State {
            map,
            entries: Vec::new(),
            taken: 0,
            components,
            living: BTreeSet::new(),
            deaths: 0,
            locked: BTreeSet::new(),
            now,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                turn: Mutex::new(false),
                turned: Condvar::new(),
                changed: Condvar::new(),
                powers: Arc::default(),
                contexts: Arc::default(),
            }),
        })
    }

    /// Lets both clocks go on by this much.
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let mut state = self.shared.state.lock();
        state.now.wall = state.now.wall.plus(ms);
        state.now.boot_ms = state.now.boot_ms.saturating_add(ms);
    }

    /// Sets the wall clock. The boot clock goes on by as much as the wall clock does, and never back.
    pub fn set_wall(&self, wall: Millis) {
        let mut state = self.shared.state.lock();
        let passed = wall.0.saturating_sub(state.now.wall.0);
        state.now.wall = wall;
        state.now.boot_ms = state.now.boot_ms.saturating_add(passed);
    }

    /// Takes the entries out that came since this was last called, oldest first: the board goes on as it is, and its
    /// history begins after them. So a board that lives long needs no more memory than what stands on it.
    pub fn take_entries(&self) -> Vec<Entry> {
        let mut state = self.shared.state.lock();
        let entries = std::mem::take(&mut state.entries);
        state.taken += entries.len() as u64;
        entries
    }

    /// Locks a task by hand until the guard is dropped; `None` if it is locked already.
    pub fn lock_by_hand(&self, task: &TaskId) -> Option<Box<dyn LifeGuard>> {
        let locked = self.shared.state.lock().locked.insert(task.clone());
        locked.then(|| -> Box<dyn LifeGuard> {
            Box::new(MemoryTaskLock { store: self.clone(), task: task.clone() })
        })
    }

    /// Every entry so far that wasn't taken out.
    pub fn entries(&self) -> Vec<Entry> {
        self.shared.state.lock().entries.clone()
    }

    /// The differences between the image and what follows from its tasks: none, unless there is a bug.
    pub fn check(&self) -> Result<Vec<String>, ReadError> {
        let map = self.shared.state.lock().map.clone();
        image::check(&map, &mut MemoryMap::default())
    }

    fn commit(&self, entry: Entry) -> Result<Committed, ReadError> {
        let mut state = self.shared.state.lock();
        let sequence = state.newest().next();
        // Taken out, so that nothing is copied. An entry that can't be applied leaves the board empty, and every
        // later read says that it is damaged.
        let mut map = std::mem::take(&mut state.map);
        image::apply(&mut map, sequence, &entry)?;
        state.map = map;
        state.entries.push(entry);
        drop(state);
        self.shared.changed.notify_all();
        Ok(Committed { sequence })
    }
}

struct MemoryOpened {
    store: MemoryStore,
    now: Instant,
}

impl Drop for MemoryOpened {
    fn drop(&mut self) {
        *self.store.shared.turn.lock() = false;
        self.store.shared.turned.notify_one();
    }
}

impl Opened for MemoryOpened {
    fn now(&self) -> Instant {
        self.now.clone()
    }

    fn view(&mut self) -> Box<dyn View> {
        Box::new(ImageView::new(self.store.shared.state.lock().map.clone()))
    }

    fn dead(&mut self, holders: &[Vital]) -> Vec<Vital> {
        let state = self.store.shared.state.lock();
        let dead = |vital: &&Vital| match vital {
            Vital::Session(session) => !state.living.contains(session),
            // There are no processes here.
            Vital::Process(_) => false,
        };
        holders.iter().filter(dead).cloned().collect()
    }

    fn task_locks(&mut self) -> Box<dyn TaskLocks> {
        Box::new(MemoryTaskLocks(self.store.clone()))
    }

    fn commit(self: Box<Self>, entry: Entry) -> Result<Committed, CommitError> {
        self.store.commit(entry).map_err(|e| CommitError::NotWritten(e.to_string()))
    }

    fn finish(self: Box<Self>) -> Result<(), CommitError> {
        Ok(())
    }
}

struct MemoryLife {
    store: MemoryStore,
    session: SessionId,
}

impl LifeGuard for MemoryLife {}

impl Drop for MemoryLife {
    fn drop(&mut self) {
        let mut state = self.store.shared.state.lock();
        state.living.remove(&self.session);
        state.deaths += 1;
        drop(state);
        self.store.shared.changed.notify_all();
    }
}

struct MemoryTaskLock {
    store: MemoryStore,
    task: TaskId,
}

impl LifeGuard for MemoryTaskLock {}

impl Drop for MemoryTaskLock {
    fn drop(&mut self) {
        self.store.shared.state.lock().locked.remove(&self.task);
        self.store.shared.changed.notify_all();
    }
}

struct MemoryTaskLocks(MemoryStore);

impl TaskLocks for MemoryTaskLocks {
    fn try_hold(&mut self, task: &TaskId) -> Result<bool, ReadError> {
        Ok(!self.0.shared.state.lock().locked.contains(task))
    }
}

impl State {
    fn newest(&self) -> Sequence {
        Sequence(self.taken + self.entries.len() as u64)
    }

    fn mark(&self) -> Mark {
        Mark { newest: self.newest(), deaths: self.deaths }
    }
}

impl Store for MemoryStore {
    fn begin(&self, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        let started = Deadline::now();
        let mut taken = self.shared.turn.lock();
        while *taken {
            if self.shared.turned.wait_until(&mut taken, deadline).timed_out() && *taken {
                return Err(BeginError::Timeout { waited: started.elapsed(), holder: None });
            }
        }
        *taken = true;
        let now = self.shared.state.lock().now.clone();
        Ok(Box::new(MemoryOpened { store: self.clone(), now }))
    }

    fn snapshot(&self) -> Result<(Box<dyn View>, Instant), BeginError> {
        let state = self.shared.state.lock();
        Ok((Box::new(ImageView::new(state.map.clone())), state.now.clone()))
    }

    fn mark(&self) -> Result<Mark, BeginError> {
        Ok(self.shared.state.lock().mark())
    }

    fn wait(&self, past: Mark, timeout: Duration) -> Result<Mark, BeginError> {
        let mut state = self.shared.state.lock();
        if state.mark() == past {
            self.shared.changed.wait_for(&mut state, timeout);
        }
        Ok(state.mark())
    }

    fn wall(&self) -> Millis {
        self.shared.state.lock().now.wall
    }

    fn component(&self, digest: Digest) -> Result<Vec<u8>, ReadError> {
        let state = self.shared.state.lock();
        let found = state.components.get(&digest).cloned();
        found.ok_or_else(|| {
            ReadError::Damaged(format!("the board has no policy `{}`", digest.short()))
        })
    }

    fn live(&self, session: &SessionId) -> Result<Box<dyn LifeGuard>, ReadError> {
        if !self.shared.state.lock().living.insert(session.clone()) {
            return Err(ReadError::Failed(format!("session `{session}` is living already")));
        }
        Ok(Box::new(MemoryLife { store: self.clone(), session: session.clone() }))
    }

    fn lock_task(
        &self,
        task: &TaskId,
        deadline: Deadline,
    ) -> Result<Option<Box<dyn LifeGuard>>, BeginError> {
        let started = Deadline::now();
        let mut state = self.shared.state.lock();
        while state.locked.contains(task) {
            if self.shared.changed.wait_until(&mut state, deadline).timed_out()
                && state.locked.contains(task)
            {
                return Err(BeginError::Timeout { waited: started.elapsed(), holder: None });
            }
        }
        Ok(None)
    }

    fn task_locker(&self, task: &TaskId) -> Result<Option<String>, ReadError> {
        let locked = self.shared.state.lock().locked.contains(task);
        Ok(locked.then(|| "this process".to_owned()))
    }

    fn contexts(&self) -> Arc<dyn Contexts> {
        self.shared.contexts.clone()
    }

    fn meter(&self) -> Arc<dyn Meter> {
        Arc::new(NoMeter)
    }

    fn powers(&self) -> Arc<dyn Powers> {
        self.shared.powers.clone()
    }

    fn switch(
        &self,
        plan: SwitchPlan,
        ask: &mut Ask<'_>,
        deadline: Deadline,
    ) -> Result<Committed, SwitchError> {
        let mut opened = self.begin(deadline)?;
        let view = opened.view();
        let now = view.policies().map_err(BeginError::from)?;
        let found = now.leading().digest;
        if let Some(expected) = plan.expect
            && expected != found
        {
            return Err(SwitchError::Changed { found, expected });
        }
        if now != plan.derived_from {
            return Err(SwitchError::Moved);
        }
        let all = ListQuery {
            statuses: vec![Status::Pending],
            limit: usize::MAX,
            ..ListQuery::default()
        };
        let page = view.list(&all).map_err(BeginError::from)?;
        let pending = page.tasks.into_iter().map(|task| task.id).collect();
        let answers = ask(view, opened.now(), pending).map_err(SwitchError::Asking)?;
        let mut changes: Vec<Change> = answers
            .into_iter()
            .map(|(id, readiness)| Change::Answered {
                id,
                readiness: readiness.unwrap_or(Readiness::Unasked),
            })
            .collect();
        changes.push(Change::PoliciesSet(Box::new(plan.policies)));
        self.shared.state.lock().components.extend(plan.components);
        let entry = Entry { time: opened.now().wall, request: plan.request, seed: 0, changes };
        Ok(opened.commit(entry)?)
    }

    fn history(
        &self,
        past: Sequence,
        each: &mut dyn FnMut(Sequence, Entry) -> bool,
    ) -> Result<(), ReadError> {
        let (taken, entries) = {
            let state = self.shared.state.lock();
            (state.taken, state.entries.clone())
        };
        for (entry, number) in entries.into_iter().zip(taken + 1..) {
            if number > past.0 && !each(Sequence(number), entry) {
                break;
            }
        }
        Ok(())
    }
}
