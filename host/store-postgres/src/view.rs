//! A board as a transaction reads it.
//!
//! Lists are read as they are at that moment, and what they name is looked at, and so locked, one by one: whoever goes by
//! a list finds each task as it stays. Where it matters that nothing is added to a list meanwhile (a task's children, those
//! who wait for it), the lock on that task is the lock on the list: whoever adds to it takes it too, when they commit.

use std::sync::Arc;

use parking_lot::Mutex;
use taskhost_board::image::Record;
use taskhost_board::{
    BoardSettings, Candidate, Cell, Census, Command, Counts, Due, Family, Head, Instant, Json,
    KeyRecord, ListQuery, Millis, Name, OrderKey, Page, PolicySet, Process, ReadError, ReadyQuery,
    Sequence, SessionId, Space, Status, Task, TaskId, Token, View, Vital, Wake,
};

use crate::dump::dump;
use crate::link::{Call, Param, Row};
use crate::lives;
use crate::rows::{bigint, number, process_text};
use crate::sql;
use crate::tx::Tx;

/// A view of an open transaction.
pub(crate) struct TxView(pub(crate) Arc<Mutex<Tx>>);

pub(crate) fn task_id(text: String) -> Result<TaskId, ReadError> {
    TaskId::new(text).map_err(|e| ReadError::Damaged(e.to_string()))
}

fn task_ids(rows: &[Row]) -> Result<Vec<TaskId>, ReadError> {
    rows.iter().map(|row| task_id(row.get(0))).collect()
}

fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn past(id: Option<&TaskId>) -> &str {
    id.map_or("", TaskId::as_str)
}

/// How a row names the policy whose memory it is.
pub(crate) fn space_word(space: Space) -> &'static str {
    match space {
        Space::Custom => "custom",
        Space::Standard => "standard",
    }
}

/// The cell of something that a policy remembers.
pub(crate) fn memory_cell(space: Space, key: &str) -> Cell {
    Cell(format!("memory {} {key}", space_word(space)))
}

pub(crate) fn status_of(word: &str) -> Result<Status, ReadError> {
    let found = Status::ALL.into_iter().find(|status| status.as_str() == word);
    found.ok_or_else(|| ReadError::Damaged(format!("a task's row has the status `{word}`")))
}

impl Tx {
    fn ids(&mut self, call: Call<'_>) -> Result<Vec<TaskId>, ReadError> {
        task_ids(&self.rows(call)?)
    }

    /// The ids of a list that goes by what is asked for; those of a transaction that changes something are its own then.
    fn ids_to_take(
        &mut self,
        look: &'static str,
        take: &'static str,
        by: Param<'_>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError> {
        let statement = if self.is_changing() { take } else { look };
        let ids = self.ids(Call::of(statement, vec![by, &limited(limit)]))?;
        if self.is_changing() {
            // Locked, but not read yet.
            self.taken.extend(ids.iter().cloned());
        }
        Ok(ids)
    }

    fn counts(&mut self) -> Result<Counts, ReadError> {
        let answers = self
            .run(&[Call::of(sql::COUNTS, Vec::new()), Call::of(sql::COUNT_PENDING, Vec::new())])?;
        let mut counts = Counts::default();
        for row in answers.first().into_iter().flatten() {
            counts.by_status[status_of(row.get("status"))? as usize] = number(row.get("n"));
        }
        if let Some(row) = answers.get(1).and_then(|rows| rows.first()) {
            counts.ready = number(row.get("ready"));
            counts.timed = number(row.get("timed"));
            counts.unasked = number(row.get("unasked"));
        }
        Ok(counts)
    }
}

impl View for TxView {
    fn head(&self) -> Result<Head, ReadError> {
        let mut tx = self.0.lock();
        let answers =
            tx.run(&[Call::of(sql::HEAD, Vec::new()), Call::of(sql::TRIMMED, Vec::new())])?;
        let mut rows = answers.iter().map(|rows| rows.first());
        let (head, trimmed) = (rows.next().flatten(), rows.next().flatten());
        let read = |column| head.map(|row| number(row.get(column))).unwrap_or_default();
        // Where all of the history was removed, its last entry isn't there any more.
        let trimmed = trimmed.map(|row| number(row.get("trimmed"))).unwrap_or_default();
        let (sequence, token, born) = (read("sequence").max(trimmed), read("token"), read("born"));
        let counts = tx.counts()?;
        Ok(Head { sequence: Sequence(sequence), token: Token(token), born, counts })
    }

    fn outset(&self) -> Result<Head, ReadError> {
        let tx = self.0.lock();
        let counts = Counts { unasked: u64::from(tx.outset.unasked), ..Counts::default() };
        Ok(Head { sequence: Sequence(tx.outset.sequence), counts, ..Head::default() })
    }

    fn open_and_ready(&self, enough: u64) -> Result<(u64, u64), ReadError> {
        let rows = self.0.lock().rows(Call::of(sql::OPEN_AND_READY, vec![&bigint(enough)]))?;
        let read = |column| rows.first().map(|row| number(row.get(column))).unwrap_or_default();
        Ok((read("open"), read("ready")))
    }

    fn policies(&self) -> Result<PolicySet, ReadError> {
        Ok(self.0.lock().outset.basis.policies.clone())
    }

    fn settings(&self) -> Result<BoardSettings, ReadError> {
        Ok(self.0.lock().outset.basis.settings.clone())
    }

    fn task(&self, id: &TaskId) -> Result<Option<Task>, ReadError> {
        let mut tx = self.0.lock();
        tx.look_at(std::slice::from_ref(id))?;
        Ok(tx.seen.get(id).and_then(|seen| seen.task.clone()))
    }

    fn children(
        &self,
        parent: &TaskId,
        which: Family,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError> {
        let (parent_name, past, limit) = (parent.as_str(), self::past(past), limited(limit));
        let mut tx = self.0.lock();
        tx.take_over(std::slice::from_ref(parent))?;
        let ended: i16 = match which {
            Family::Every => {
                return tx.ids(Call::of(sql::CHILDREN, vec![&parent_name, &past, &limit]));
            }
            Family::Open => 0,
            Family::Unsuccessful => 2,
        };
        tx.ids(Call::of(sql::CHILDREN_OF, vec![&parent_name, &past, &limit, &ended]))
    }

    fn ready(
        &self,
        query: &ReadyQuery,
        past: Option<OrderKey>,
        limit: usize,
    ) -> Result<Vec<Candidate>, ReadError> {
        self.0.lock().ready(query, past, limit)
    }

    fn claims_held(&self, agent: &Name) -> Result<u32, ReadError> {
        let cell = Cell(format!("agent {agent}"));
        let name = agent.as_str();
        let call = Call::of(sql::HELD, vec![&name]);
        let rows = self.0.lock().rows_with(cell, true, call)?;
        let held = rows.first().map(|row| number(row.get("n"))).unwrap_or_default();
        Ok(u32::try_from(held).unwrap_or(u32::MAX))
    }

    fn recall(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let mut tx = self.0.lock();
        let place = (space, key.to_owned());
        if let Some(value) = tx.memory.get(&place) {
            return Ok(value.clone());
        }
        // A claim that looks something up as a rule changes it: what others would change at once, one changes at a time.
        let alone = tx.asking.is_some();
        let (word, bytes) = (space_word(space), key.as_bytes());
        let call = Call::of(sql::RECALL, vec![&word, &bytes]);
        let rows = tx.rows_with(memory_cell(space, key), alone, call)?;
        let value = rows.first().map(|row| row.get("value"));
        tx.memory.insert(place, value.clone());
        Ok(value)
    }

    fn remembered(&self, space: Space) -> Result<u32, ReadError> {
        let cell = Cell(format!("memory {}", space_word(space)));
        let word = space_word(space);
        let call = Call::of(sql::REMEMBERED, vec![&word]);
        let rows = self.0.lock().rows_with(cell, true, call)?;
        let keys = rows.first().map(|row| number(row.get("n"))).unwrap_or_default();
        Ok(u32::try_from(keys).unwrap_or(u32::MAX))
    }

    fn waiters(
        &self,
        on: &TaskId,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError> {
        let mut tx = self.0.lock();
        tx.take_over(std::slice::from_ref(on))?;
        tx.ids(Call::of(sql::WAITERS, vec![&on.as_str(), &self::past(past), &limited(limit)]))
    }

    fn unasked(&self, limit: usize) -> Result<Vec<TaskId>, ReadError> {
        let mut tx = self.0.lock();
        if tx.is_changing() && !tx.outset.unasked {
            return Ok(Vec::new());
        }
        let statement = if tx.is_changing() { sql::UNASKED_TO_ASK } else { sql::UNASKED_TASKS };
        let ids = tx.ids(Call::of(statement, vec![&limited(limit)]))?;
        if tx.is_changing() {
            tx.taken.extend(ids.iter().cloned());
        }
        Ok(ids)
    }

    fn wakes(&self, limit: usize) -> Result<Vec<Wake>, ReadError> {
        let mut tx = self.0.lock();
        if tx.is_changing() && !tx.outset.wakes {
            return Ok(Vec::new());
        }
        let statement = if tx.is_changing() { sql::WAKES_TO_TAKE } else { sql::WAKES };
        let rows = tx.rows(Call::of(statement, vec![&limited(limit)]))?;
        let wake = |row: &Row| -> Result<Wake, ReadError> {
            let past: Option<String> = row.get("past");
            Ok(Wake { on: task_id(row.get("awaited"))?, past: past.map(task_id).transpose()? })
        };
        rows.iter().map(wake).collect()
    }

    fn due(&self, now: &Instant, limit: usize) -> Result<Vec<Due>, ReadError> {
        let mut tx = self.0.lock();
        if tx.is_changing() && !tx.outset.due {
            return Ok(Vec::new());
        }
        let now = bigint(now.wall.0);
        let leases = tx.ids_to_take(sql::LEASES_OVER, sql::LEASES_TO_END, &now, limit)?;
        let left = limit - leases.len().min(limit);
        let timers = match left {
            0 => Vec::new(),
            left => tx.ids_to_take(sql::TIMERS_OVER, sql::TIMERS_TO_END, &now, left)?,
        };
        Ok(leases.into_iter().map(Due::Lease).chain(timers.into_iter().map(Due::Ask)).collect())
    }

    fn next_due(&self, now: &Instant) -> Result<Option<Millis>, ReadError> {
        let mut tx = self.0.lock();
        let (grace, now) = (tx.shared.grace_ms, bigint(now.wall.0));
        let mut calls = vec![Call::of(sql::NEXT_DUE, vec![&now])];
        if tx.is_changing() {
            // Whoever finds nothing to claim comes back when a missing holder's grace is over. What is only read of a board
            // follows from its history alone.
            calls.push(Call::of(lives::NEXT_PROOF, vec![&grace, &now]));
        }
        let answers = tx.run(&calls)?;
        let rows = answers.iter().filter_map(|rows| rows.first());
        let at: Option<i64> = rows.filter_map(|row| row.get::<_, Option<i64>>("at")).min();
        Ok(at.map(|at| Millis(number(at))))
    }

    fn vitals(&self, limit: usize) -> Result<Vec<Vital>, ReadError> {
        let limit = limited(limit);
        let answers = self.0.lock().run(&[
            Call::of(sql::SESSIONS, vec![&limit]),
            Call::of(sql::PROCESSES, vec![&limit]),
        ])?;
        let mut vitals = Vec::new();
        for row in answers.first().into_iter().flatten() {
            let session = SessionId::new(row.get::<_, String>("session"));
            vitals.push(Vital::Session(session.map_err(|e| ReadError::Damaged(e.to_string()))?));
        }
        for row in answers.get(1).into_iter().flatten() {
            let process: Process = serde_json::from_str(row.get("process"))
                .map_err(|e| ReadError::Damaged(format!("a claim's process: {e}")))?;
            vitals.push(Vital::Process(process));
        }
        Ok(vitals)
    }

    fn vital_claims(&self, vital: &Vital, limit: usize) -> Result<Vec<TaskId>, ReadError> {
        let mut tx = self.0.lock();
        match vital {
            Vital::Session(session) => {
                tx.ids_to_take(sql::OF_SESSION, sql::OF_SESSION_TO_END, &session.as_str(), limit)
            }
            Vital::Process(process) => tx.ids_to_take(
                sql::OF_PROCESS,
                sql::OF_PROCESS_TO_END,
                &process_text(process),
                limit,
            ),
        }
    }

    fn dependents(
        &self,
        on: &TaskId,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError> {
        let mut tx = self.0.lock();
        tx.take_over(std::slice::from_ref(on))?;
        tx.ids(Call::of(sql::DEPENDENTS, vec![&on.as_str(), &self::past(past), &limited(limit)]))
    }

    fn meta(&self, key: &TaskId) -> Result<Option<Json>, ReadError> {
        let cell = Cell(format!("meta {key}"));
        let name = key.as_str();
        let call = Call::of(sql::META, vec![&name]);
        let rows = self.0.lock().rows_with(cell, true, call)?;
        rows.first().map(|row| json(row.get("value"))).transpose()
    }

    fn metas(&self) -> Result<Vec<(TaskId, Json)>, ReadError> {
        let call = Call::of(sql::METAS, Vec::new());
        let rows = self.0.lock().rows_with(Cell("metas".into()), true, call)?;
        rows.iter().map(|row| Ok((task_id(row.get("key"))?, json(row.get("value"))?))).collect()
    }

    fn census(&self) -> Result<Census, ReadError> {
        let answers = self
            .0
            .lock()
            .run(&[Call::of(sql::CENSUS, Vec::new()), Call::of(sql::HOLDERS, Vec::new())])?;
        let name = |text: String| Name::new(text).map_err(|e| ReadError::Damaged(e.to_string()));
        let mut census = Census::default();
        for row in answers.first().into_iter().flatten() {
            let (status, n) = (status_of(row.get("status"))? as usize, number(row.get("n")));
            census.types.entry(name(row.get("type"))?).or_default()[status] += n;
            if let Some(assignee) = row.get::<_, Option<String>>("assignee") {
                census.assignees.entry(name(assignee)?).or_default()[status] += n;
            }
        }
        for row in answers.get(1).into_iter().flatten() {
            census.holders.insert(name(row.get("agent"))?, number(row.get("n")));
        }
        Ok(census)
    }

    fn dump(&self, now: Millis, each: &mut dyn FnMut(Record) -> bool) -> Result<(), ReadError> {
        dump(&mut self.0.lock(), now, each)
    }

    fn key(&self, command: Command, key: &str) -> Result<Option<KeyRecord>, ReadError> {
        let mut tx = self.0.lock();
        let place = (command, key.to_owned());
        if let Some(record) = tx.keys.get(&place) {
            return Ok(record.clone());
        }
        let rows = tx.rows(Call::of(sql::KEY, vec![&command.as_str(), &key]))?;
        let record = rows.first().map(key_record).transpose()?;
        tx.keys.insert(place, record.clone());
        Ok(record)
    }

    fn list(&self, query: &ListQuery) -> Result<Page, ReadError> {
        self.0.lock().list(query)
    }
}

/// What a row says that was answered to a request key.
pub(crate) fn key_record(row: &Row) -> Result<KeyRecord, ReadError> {
    serde_json::from_str(row.get("record"))
        .map_err(|e| ReadError::Damaged(format!("a request key's record: {e}")))
}

pub(crate) fn json(text: &str) -> Result<Json, ReadError> {
    Json::parse(text).map_err(|e| ReadError::Damaged(format!("a value's row: {e}")))
}

impl Tx {
    fn list(&mut self, query: &ListQuery) -> Result<Page, ReadError> {
        let statuses: Vec<&str> = query.statuses.iter().map(|status| status.as_str()).collect();
        let types: Vec<&str> = query.types.iter().map(Name::as_str).collect();
        let labels: Vec<&str> = query.labels.iter().map(Name::as_str).collect();
        let parent = query.parent.as_ref().map(TaskId::as_str);
        let assignee = query.assignee.as_ref().map(Name::as_str);
        let agent = query.agent.as_ref().map(Name::as_str);
        let past = query.past.map_or(-1, bigint);
        // One more shows whether there is a next page.
        let limit = limited(query.limit.saturating_add(1));
        let matching: Vec<Param<'_>> = vec![
            &statuses,
            &types,
            &labels,
            &parent,
            &assignee,
            &query.ready,
            &query.roots,
            &agent,
        ];
        let mut paged = matching.clone();
        paged.extend([&past as Param<'_>, &limit]);
        let answers =
            self.run(&[Call::of(sql::LIST, paged), Call::of(sql::LIST_TOTAL, matching)])?;
        let mut page = Page::default();
        for row in answers.first().into_iter().flatten() {
            let task = crate::rows::task_of(row.get("body"), row.get("data"), row.get("result"))?;
            page.tasks.push(task);
        }
        if page.tasks.len() > query.limit {
            page.tasks.truncate(query.limit);
            page.next = page.tasks.last().map(|task| task.born);
        }
        let total = answers.get(1).and_then(|rows| rows.first());
        page.total = total.map(|row| number(row.get("n"))).unwrap_or_default();
        Ok(page)
    }
}
