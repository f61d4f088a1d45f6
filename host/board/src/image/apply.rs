//! Changing the map: one entry at a time, or a snapshot record by record.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::derive::{Class, Gathered, Place, records, scopes};
use super::ready::next_by_rank;
use super::{
    Direction, Read, Start, Write, decode, encode, encode_short, encode_task, get, get_task, keys,
};
use crate::{
    BoardSettings, BootId, Change, Command, Entry, Head, Json, KeyRecord, Millis, Name, PolicySet,
    ReadError, Sequence, Space, Task, TaskId,
};

/// One record of a snapshot: what a board holds besides its head, policies and settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A task.
    Task(Box<Task>),
    /// A request key.
    Key {
        /// The command it belongs to.
        command: Command,
        /// The key.
        key: String,
        /// What it stands for.
        record: KeyRecord,
    },
    /// What a policy remembers.
    Memory {
        /// Which policy.
        space: Space,
        /// Under which key.
        key: String,
        /// The value.
        value: Vec<u8>,
    },
    /// A value of the workflow's own metadata.
    Meta {
        /// Under which key.
        key: TaskId,
        /// The value.
        value: Json,
    },
    /// A task whose waiters are to be asked about.
    Wake {
        /// The task.
        on: TaskId,
        /// The last waiter that was asked.
        past: Option<TaskId>,
    },
}

/// Begins an empty map: a board without tasks, whose timers go by the clock of `boot`.
pub fn start(
    map: &mut impl Write,
    boot: &BootId,
    head: &Head,
    policies: &PolicySet,
    settings: &BoardSettings,
) -> Result<(), ReadError> {
    map.put(keys::BOOT, &encode(boot))?;
    map.put(keys::POLICIES, &encode(policies))?;
    map.put(keys::SETTINGS, &encode(settings))?;
    // The counters are kept by `load`, task by task.
    let head = Head { counts: crate::Counts::default(), ..head.clone() };
    map.put(keys::HEAD, &encode_short(&head))
}

/// Puts a snapshot's record in a map that was started.
pub fn load(map: &mut impl Write, record: &Record) -> Result<(), ReadError> {
    match record {
        Record::Task(task) => {
            let head = head(map)?;
            expect_new(map, &head, task).map_err(ReadError::Damaged)?;
            let mut writer = Writer::with(map, head)?;
            writer.replace(None, Some(task))?;
            writer.close()
        }
        Record::Key { command, key, record } => {
            map.put(&keys::request_key(*command, key), &encode(record))
        }
        Record::Memory { space, key, value } => remember(map, *space, key, Some(value)),
        Record::Meta { key, value } => map.put(&keys::meta(key), &encode(value)),
        Record::Wake { on, past } => map.put(&keys::wake(on), &encode(past)),
    }
}

/// Does what `entry` says, which must be the entry after the map's sequence: applied twice, it would be counted
/// twice.
pub fn apply(map: &mut impl Write, sequence: Sequence, entry: &Entry) -> Result<(), ReadError> {
    let head = head(map)?;
    if head.sequence.next() != sequence {
        let last = head.sequence;
        return Err(ReadError::Failed(format!("entry {sequence} doesn't follow entry {last}")));
    }
    let mut tasks: BTreeMap<&TaskId, (Option<Task>, Task)> = BTreeMap::new();
    let mut gone: BTreeSet<&TaskId> = BTreeSet::new();
    for change in &entry.changes {
        if let Some(id) = change.task() {
            let (_, task) = match (tasks.entry(id), change) {
                (std::collections::btree_map::Entry::Occupied(slot), _) => slot.into_mut(),
                (std::collections::btree_map::Entry::Vacant(slot), Change::Added(task)) => {
                    expect_new(map, &head, task)
                        .map_err(|why| ReadError::Damaged(format!("entry {sequence}: {why}")))?;
                    slot.insert((None, (**task).clone()))
                }
                (std::collections::btree_map::Entry::Vacant(slot), _) => {
                    let old = get_task(map, id)?.ok_or_else(|| {
                        ReadError::Damaged(format!(
                            "entry {sequence} changes `{id}`, which doesn't exist"
                        ))
                    })?;
                    slot.insert((Some(old.clone()), old))
                }
            };
            change.apply(task, entry.time);
        }
    }
    // Only now that nothing can be wrong with it any more: an entry is done whole or not at all.
    for change in &entry.changes {
        match change {
            Change::Wake { on, past } => map.put(&keys::wake(on), &encode(past))?,
            Change::Woken { on } => map.delete(&keys::wake(on))?,
            Change::Remembered { space, key, value } => {
                remember(map, *space, key, value.as_deref())?
            }
            Change::Keyed { command, key, record } => {
                map.put(&keys::request_key(*command, key), &encode(record))?;
            }
            Change::PoliciesSet(policies) => map.put(keys::POLICIES, &encode(policies))?,
            Change::SettingsSet(settings) => map.put(keys::SETTINGS, &encode(settings))?,
            Change::MetaSet { key, value: Some(value) } => {
                map.put(&keys::meta(key), &encode(value))?;
            }
            Change::MetaSet { key, value: None } => map.delete(&keys::meta(key))?,
            Change::Archived(task) => {
                gone.insert(&task.id);
            }
            _ => {}
        }
    }
    let mut writer = Writer::with(map, head)?;
    for change in &entry.changes {
        // Even of a claim that ended in the same entry: a token is never given twice.
        if let Change::Claimed { claim, .. } = change {
            writer.head.token = writer.head.token.max(claim.token);
        }
    }
    for (id, (old, new)) in &tasks {
        writer.replace(old.as_ref(), Some(new).filter(|_| !gone.contains(id)))?;
    }
    writer.head.sequence = sequence;
    writer.close()
}

/// Refuses a task in another one's place, which would leave that one's records behind.
fn expect_new(map: &(impl Read + ?Sized), head: &Head, task: &Task) -> Result<(), String> {
    let is_taken =
        |key: &[u8]| map.get(key).map(|found| found.is_some()).map_err(|e| e.to_string());
    if is_taken(&keys::task(&task.id))? {
        return Err(format!("`{}` is added, and is there already", task.id));
    }
    // Past the youngest one nobody has a place.
    if task.born <= head.born && is_taken(&keys::born(task.born))? {
        return Err(format!("`{}` has another task's place in the order of creation", task.id));
    }
    Ok(())
}

fn remember(
    map: &mut impl Write,
    space: Space,
    key: &str,
    value: Option<&[u8]>,
) -> Result<(), ReadError> {
    let place = keys::memory(space, key);
    let had = map.get(&place)?.is_some();
    let mut count: u32 = get(map, &keys::memory_count(space))?.unwrap_or_default();
    match value {
        Some(value) => map.put(&place, value)?,
        None => map.delete(&place)?,
    }
    count = count + u32::from(value.is_some()) - u32::from(had);
    match count {
        0 => map.delete(&keys::memory_count(space)),
        count => map.put(&keys::memory_count(space), &encode(&count)),
    }
}

fn head(map: &(impl Read + ?Sized)) -> Result<Head, ReadError> {
    required(map, keys::HEAD)
}

/// A record that every map has from its beginning.
pub(super) fn required<T: serde::de::DeserializeOwned>(
    map: &(impl Read + ?Sized),
    key: &[u8],
) -> Result<T, ReadError> {
    let missing = || ReadError::Damaged(format!("the index has no `{}`", key.escape_ascii()));
    get(map, key)?.ok_or_else(missing)
}

/// A task that is listed somewhere.
pub(super) fn required_task(map: &(impl Read + ?Sized), id: &TaskId) -> Result<Task, ReadError> {
    let missing = || ReadError::Damaged(format!("the index lists `{id}`, which it doesn't have"));
    get_task(map, id)?.ok_or_else(missing)
}

/// Replaces tasks and keeps what follows from them, and the head's counters, in step.
struct Writer<'a, W> {
    map: &'a mut W,
    head: Head,
    boot: BootId,
}

impl<'a, W: Write> Writer<'a, W> {
    fn with(map: &'a mut W, head: Head) -> Result<Self, ReadError> {
        let boot = required(map, keys::BOOT)?;
        Ok(Self { map, head, boot })
    }

    fn close(self) -> Result<(), ReadError> {
        self.map.put(keys::HEAD, &encode_short(&self.head))
    }

    /// Puts `new` in the place of `old`: of nothing for a task that comes to be, nothing for one that goes.
    fn replace(&mut self, old: Option<&Task>, new: Option<&Task>) -> Result<(), ReadError> {
        let stale = old.map(|task| records(task, &self.boot)).unwrap_or_default();
        let fresh = new.map(|task| records(task, &self.boot)).unwrap_or_default();
        for key in stale.keys().filter(|key| !fresh.contains_key(*key)) {
            self.map.delete(key)?;
        }
        for (key, value) in &fresh {
            if stale.get(key) != Some(value) {
                self.map.put(key, value)?;
            }
        }
        if let Some(new) = new {
            self.map.put(&keys::task(&new.id), &encode_task(new))?;
            if let Some(claim) = &new.claim {
                self.head.token = self.head.token.max(claim.token);
            }
            self.head.born = self.head.born.max(new.born);
        } else if let Some(old) = old {
            self.map.delete(&keys::task(&old.id))?;
        }
        for (task, step) in [(old, -1), (new, 1)] {
            if let Some(task) = task {
                self.head.counts.count(task, step);
            }
        }
        self.count_classes(old, new)?;
        self.count_held(old, new)
    }

    /// Keeps how many ready tasks each class has, and which is the first; the lists are up to date already.
    fn count_classes(&mut self, old: Option<&Task>, new: Option<&Task>) -> Result<(), ReadError> {
        let standing = |task: &Task| {
            let scopes = scopes(task).map(|scope| scope.cloned()).collect::<Vec<_>>();
            task.ready_rank().map(|rank| (Class::of(task), Place::by_rank(task, rank), scopes))
        };
        let (was, is) = (old.and_then(standing), new.and_then(standing));
        if was == is {
            return Ok(());
        }
        if let Some((class, place, scopes)) = was {
            for scope in scopes {
                self.leave(scope.as_ref(), &class, &place)?;
            }
        }
        if let Some((class, place, scopes)) = is {
            for scope in scopes {
                self.enter(scope.as_ref(), &class, &place)?;
            }
        }
        Ok(())
    }

    fn enter(
        &mut self,
        scope: Option<&Name>,
        class: &Class,
        place: &Place,
    ) -> Result<(), ReadError> {
        let key = keys::class(scope, class.id());
        let gathered = match get::<Gathered>(self.map, &key)? {
            None => Gathered { class: class.clone(), count: 1, first: place.clone() },
            Some(mut gathered) => {
                gathered.count += 1;
                if place.at < gathered.first.at {
                    gathered.first = place.clone();
                }
                gathered
            }
        };
        self.map.put(&key, &encode_short(&gathered))
    }

    fn leave(
        &mut self,
        scope: Option<&Name>,
        class: &Class,
        place: &Place,
    ) -> Result<(), ReadError> {
        let id = class.id();
        let key = keys::class(scope, id);
        let lacking = || ReadError::Damaged("the index lacks a class of a ready task".into());
        let mut gathered: Gathered = get(self.map, &key)?.ok_or_else(lacking)?;
        gathered.count = gathered.count.saturating_sub(1);
        if gathered.count == 0 {
            return self.map.delete(&key);
        }
        if gathered.first.at == place.at {
            // Past it, since a map that many entries are applied to still has the places of all that left before.
            gathered.first = next_by_rank(self.map, scope, id, place.at)?.ok_or_else(|| {
                let count = gathered.count;
                ReadError::Damaged(format!("the index lists none of {count} tasks of a class"))
            })?;
        }
        self.map.put(&key, &encode_short(&gathered))
    }

    fn count_held(&mut self, old: Option<&Task>, new: Option<&Task>) -> Result<(), ReadError> {
        let holder = |task: &Task| task.claim.as_ref().map(|claim| claim.agent.clone());
        let (was, is) = (old.and_then(holder), new.and_then(holder));
        if was == is {
            return Ok(());
        }
        for (agent, step) in [(was, -1_i32), (is, 1)] {
            let Some(agent) = agent else { continue };
            let key = keys::held(&agent);
            let held: u32 = get(self.map, &key)?.unwrap_or_default();
            match held.saturating_add_signed(step) {
                0 => self.map.delete(&key)?,
                held => self.map.put(&key, &encode(&held))?,
            }
        }
        Ok(())
    }
}

/// Hands over every record of the map, as a snapshot keeps them; request keys that `now` has outlived are
/// left out. Stops at the first error of `each`.
pub fn dump<E: From<ReadError>>(
    map: &(impl Read + ?Sized),
    now: Millis,
    mut each: impl FnMut(Record) -> Result<(), E>,
) -> Result<(), E> {
    let kept_ms = required::<BoardSettings>(map, keys::SETTINGS)?.keys_kept_ms();
    walk(map, keys::BORN, |_, id| {
        let id = String::from_utf8_lossy(&id).into_owned();
        let id = TaskId::new(id).map_err(|e| ReadError::Damaged(e.to_string()))?;
        each(Record::Task(Box::new(required_task(map, &id)?)))
    })?;
    walk(map, keys::KEYS, |key, value| {
        let record: KeyRecord = decode(&value)?;
        let (command, key) = parse_request_key(&key)?;
        if record.at.plus(kept_ms) < now {
            Ok(())
        } else {
            each(Record::Key { command, key, record })
        }
    })?;
    for space in [Space::Custom, Space::Standard] {
        let prefix = keys::memory_of(space);
        walk(map, &prefix, |key, value| {
            let key = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
            each(Record::Memory { space, key, value })
        })?;
    }
    walk(map, keys::META, |key, value| {
        let key = String::from_utf8_lossy(&key[keys::META.len()..]).into_owned();
        let key = TaskId::new(key).map_err(|e| ReadError::Damaged(e.to_string()))?;
        each(Record::Meta { key, value: decode(&value)? })
    })?;
    walk(map, keys::WAKES, |key, value| {
        let on = String::from_utf8_lossy(&key[keys::WAKES.len()..]).into_owned();
        let on = TaskId::new(on).map_err(|e| ReadError::Damaged(e.to_string()))?;
        each(Record::Wake { on, past: decode(&value)? })
    })
}

fn parse_request_key(key: &[u8]) -> Result<(Command, String), ReadError> {
    let text = String::from_utf8_lossy(&key[keys::KEYS.len()..]).into_owned();
    let parsed = text.split_once('\0').and_then(|(word, key)| {
        let command =
            [Command::Add, Command::Claim].into_iter().find(|command| command.as_str() == word)?;
        Some((command, key.to_owned()))
    });
    parsed
        .ok_or_else(|| ReadError::Damaged("the index has a request key that can't be read".into()))
}

pub(super) fn walk<E: From<ReadError>>(
    map: &(impl Read + ?Sized),
    prefix: &[u8],
    mut each: impl FnMut(Vec<u8>, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    const PAGE: usize = 1024;
    let mut last: Option<Vec<u8>> = None;
    loop {
        let start = last.as_deref().map_or(Start::End, Start::Past);
        let page = map.scan(prefix, start, Direction::Forward, PAGE)?;
        let full = page.len() == PAGE;
        last = page.last().map(|(key, _)| key.clone());
        for (key, value) in page {
            each(key, value)?;
        }
        if !full {
            return Ok(());
        }
    }
}

/// Compares the map with what follows from its tasks, and describes each difference (at most 20).
pub fn check(map: &(impl Read + ?Sized), fresh: &mut impl Write) -> Result<Vec<String>, ReadError> {
    let head = head(map)?;
    let boot: BootId = required(map, keys::BOOT)?;
    let policies: PolicySet = required(map, keys::POLICIES)?;
    let settings: BoardSettings = required(map, keys::SETTINGS)?;
    start(fresh, &boot, &head, &policies, &settings)?;
    dump(map, Millis(0), |record| load(fresh, &record))?;
    compare(map, fresh)
}

fn compare(map: &(impl Read + ?Sized), fresh: &impl Read) -> Result<Vec<String>, ReadError> {
    const DIFFERENCES_MAX: usize = 20;
    let mut differences = Vec::new();
    for (one, other, what) in
        [(&map as &dyn Read, fresh as &dyn Read, "should not have"), (fresh, &map, "lacks")]
    {
        walk(one, b"", |key, value| {
            if differences.len() < DIFFERENCES_MAX && other.get(&key)?.as_ref() != Some(&value) {
                differences.push(format!("the index {what} `{}`", key.escape_ascii()));
            }
            Ok::<_, ReadError>(())
        })?;
    }
    Ok(differences)
}

impl<R: Read + ?Sized> Read for &R {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        (**self).get(key)
    }
    fn scan(
        &self,
        prefix: &[u8],
        start: Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<super::Pair>, ReadError> {
        (**self).scan(prefix, start, direction, limit)
    }
}
