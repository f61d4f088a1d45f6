//! The queries of a board, answered from the map.

use super::apply::{Record, dump, required, required_task, walk};
use super::{Direction, Read, Start, decode, decode_task, get, get_task, keys, ready};
use crate::{
    BoardSettings, Candidate, Census, Command, Due, Family, Head, Instant, Json, KeyRecord,
    ListQuery, Millis, Name, OrderKey, Page, PolicySet, Process, ReadError, ReadyQuery, SessionId,
    Space, Task, TaskId, View, Vital, Wake,
};

/// A board's view on an ordered map.
#[derive(Debug)]
pub struct ImageView<R> {
    map: R,
}

impl<R: Read> ImageView<R> {
    /// The board that `map` holds.
    pub fn new(map: R) -> Self {
        Self { map }
    }

    /// The map.
    pub fn map(&self) -> &R {
        &self.map
    }

    fn required<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Result<T, ReadError> {
        required(&self.map, key)
    }

    /// The ids at the ends of keys that begin with `prefix`.
    fn ids(
        &self,
        prefix: &[u8],
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError> {
        let past = past.map(|id| [prefix, id.as_str().as_bytes()].concat());
        let start = past.as_deref().map_or(Start::End, Start::Past);
        let pairs = self.map.scan(prefix, start, Direction::Forward, limit)?;
        pairs.iter().map(|(key, _)| id(&key[prefix.len()..])).collect()
    }

    /// Hands over the first claim of each session or process, whose keys begin with what `owner` answers, for at
    /// most `limit` of them.
    fn each_owner(
        &self,
        table: &[u8],
        limit: usize,
        mut owner: impl FnMut(&[u8], &[u8]) -> Result<Vec<u8>, ReadError>,
    ) -> Result<(), ReadError> {
        let mut last: Option<Vec<u8>> = None;
        for _ in 0..limit {
            let start = last.as_deref().map_or(Start::End, Start::Past);
            // An owner may have very many claims, so each owner is looked for by itself.
            let found = self.map.scan(table, start, Direction::Forward, 1)?;
            let Some((key, value)) = found.first() else { return Ok(()) };
            let mut past = owner(key, value)?;
            // An owner's last possible claim ends in 0xff, which no id contains: all of its claims are passed.
            past.push(0xff);
            last = Some(past);
        }
        Ok(())
    }

    /// The timers of one clock, the earliest first.
    fn timers(&self, table: &[u8], limit: usize) -> Result<Vec<(u64, Due)>, ReadError> {
        let pairs = self.map.scan(table, Start::End, Direction::Forward, limit)?;
        let timer = |key: &[u8]| -> Result<(u64, Due), ReadError> {
            let damaged = || ReadError::Damaged("the index has a timer that can't be read".into());
            let (time, rest) = key[table.len()..].split_first_chunk::<8>().ok_or_else(damaged)?;
            let (kind, task) = rest.split_first().ok_or_else(damaged)?;
            let due =
                if *kind == keys::DUE_LEASE { Due::Lease(id(task)?) } else { Due::Ask(id(task)?) };
            Ok((u64::from_be_bytes(*time), due))
        };
        pairs.iter().map(|(key, _)| timer(key)).collect()
    }
}

/// Why a walk over the whole board ended early.
enum Stop {
    Enough,
    Failed(ReadError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

fn id(bytes: &[u8]) -> Result<TaskId, ReadError> {
    TaskId::new(String::from_utf8_lossy(bytes).into_owned())
        .map_err(|e| ReadError::Damaged(e.to_string()))
}

impl<R: Read + Send> View for ImageView<R> {
    fn head(&self) -> Result<Head, ReadError> {
        self.required(keys::HEAD)
    }

    fn policies(&self) -> Result<PolicySet, ReadError> {
        self.required(keys::POLICIES)
    }

    fn settings(&self) -> Result<BoardSettings, ReadError> {
        self.required(keys::SETTINGS)
    }

    fn task(&self, id: &TaskId) -> Result<Option<Task>, ReadError> {
        get_task(&self.map, id)
    }

    fn children(
        &self,
        parent: &TaskId,
        which: Family,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError> {
        self.ids(&keys::children(parent, which), past, limit)
    }

    fn ready(
        &self,
        query: &ReadyQuery,
        past: Option<OrderKey>,
        limit: usize,
    ) -> Result<Vec<Candidate>, ReadError> {
        ready::ready(&self.map, query, past, limit)
    }

    fn claims_held(&self, agent: &Name) -> Result<u32, ReadError> {
        Ok(get(&self.map, &keys::held(agent))?.unwrap_or_default())
    }

    fn recall(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.map.get(&keys::memory(space, key))
    }

    fn remembered(&self, space: Space) -> Result<u32, ReadError> {
        Ok(get(&self.map, &keys::memory_count(space))?.unwrap_or_default())
    }

    fn waiters(
        &self,
        on: &TaskId,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError> {
        self.ids(&keys::waiters(on), past, limit)
    }

    fn unasked(&self, limit: usize) -> Result<Vec<TaskId>, ReadError> {
        self.ids(keys::UNASKED, None, limit)
    }

    fn wakes(&self, limit: usize) -> Result<Vec<Wake>, ReadError> {
        let pairs = self.map.scan(keys::WAKES, Start::End, Direction::Forward, limit)?;
        pairs
            .iter()
            .map(|(key, value)| {
                Ok(Wake { on: id(&key[keys::WAKES.len()..])?, past: decode(value)? })
            })
            .collect()
    }

    fn due(&self, now: &Instant, limit: usize) -> Result<Vec<Due>, ReadError> {
        let mut due = Vec::new();
        for (table, time) in [(keys::DUE_BOOT, now.boot_ms), (keys::DUE_WALL, now.wall.0)] {
            let timers = self.timers(table, limit - due.len())?;
            due.extend(timers.into_iter().take_while(|(at, _)| *at <= time).map(|(_, due)| due));
        }
        Ok(due)
    }

    fn next_due(&self, now: &Instant) -> Result<Option<Millis>, ReadError> {
        let by_boot = self
            .timers(keys::DUE_BOOT, 1)?
            .first()
            .map(|(at, _)| now.wall.0.saturating_add(at.saturating_sub(now.boot_ms)));
        let by_wall = self.timers(keys::DUE_WALL, 1)?.first().map(|(at, _)| *at);
        Ok(by_boot.into_iter().chain(by_wall).min().map(Millis))
    }

    fn vitals(&self, limit: usize) -> Result<Vec<Vital>, ReadError> {
        let mut vitals = Vec::new();
        self.each_owner(keys::SESSIONS, limit, |key, _| {
            let name = key[keys::SESSIONS.len()..].split(|byte| *byte == 0).next();
            let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
            let session = SessionId::new(name).map_err(|e| ReadError::Damaged(e.to_string()))?;
            let owner = keys::session(&session);
            vitals.push(Vital::Session(session));
            Ok(owner)
        })?;
        self.each_owner(keys::PROCESSES, limit, |_, value| {
            let process: Process = decode(value)?;
            let owner = keys::process(&process);
            vitals.push(Vital::Process(process));
            Ok(owner)
        })?;
        Ok(vitals)
    }

    fn vital_claims(&self, vital: &Vital, limit: usize) -> Result<Vec<TaskId>, ReadError> {
        let owner = match vital {
            Vital::Session(session) => keys::session(session),
            Vital::Process(process) => keys::process(process),
        };
        self.ids(&owner, None, limit)
    }

    fn dependents(
        &self,
        on: &TaskId,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError> {
        self.ids(&keys::dependents(on), past, limit)
    }

    fn meta(&self, key: &TaskId) -> Result<Option<Json>, ReadError> {
        get(&self.map, &keys::meta(key))
    }

    fn metas(&self) -> Result<Vec<(TaskId, Json)>, ReadError> {
        let pairs = self.map.scan(keys::META, Start::End, Direction::Forward, usize::MAX)?;
        pairs
            .iter()
            .map(|(key, value)| Ok((id(&key[keys::META.len()..])?, decode(value)?)))
            .collect()
    }

    fn census(&self) -> Result<Census, ReadError> {
        let mut census = Census::default();
        walk(&self.map, keys::TASKS, |_, value| {
            census.count(&decode_task(&value)?);
            Ok::<_, ReadError>(())
        })?;
        Ok(census)
    }

    fn dump(&self, now: Millis, each: &mut dyn FnMut(Record) -> bool) -> Result<(), ReadError> {
        let dumped =
            dump(&self.map, now, |record| if each(record) { Ok(()) } else { Err(Stop::Enough) });
        match dumped {
            Ok(()) | Err(Stop::Enough) => Ok(()),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn key(&self, command: Command, key: &str) -> Result<Option<KeyRecord>, ReadError> {
        get(&self.map, &keys::request_key(command, key))
    }

    fn list(&self, query: &ListQuery) -> Result<Page, ReadError> {
        const PAGE: usize = 1024;
        let mut page = Page::default();
        let mut last: Option<Vec<u8>> = None;
        loop {
            let start = last.as_deref().map_or(Start::End, Start::Past);
            let pairs = self.map.scan(keys::BORN, start, Direction::Forward, PAGE)?;
            for (_, value) in &pairs {
                let id = id(value)?;
                let task = required_task(&self.map, &id)?;
                if !query.matches(&task) {
                    continue;
                }
                page.total += 1;
                if query.past.is_some_and(|past| task.born <= past) {
                    continue;
                }
                if page.tasks.len() < query.limit {
                    page.tasks.push(task);
                } else if page.next.is_none() {
                    page.next = page.tasks.last().map(|task| task.born);
                }
            }
            match pairs.last() {
                Some((key, _)) if pairs.len() == PAGE => last = Some(key.clone()),
                _ => return Ok(page),
            }
        }
    }
}
