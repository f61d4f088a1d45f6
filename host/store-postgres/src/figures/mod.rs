//! What a board's processes measure about themselves, together: a row in `figures` for each of them, beside one that says
//! since when.
//!
//! - [`Recorder`]: where a handle records. Its row says all that it has recorded, so it may be written again and again.
//! - [`Measured`]: what all rows say together, and what each of the last processes did.
//! - `totals`: the content of a row. `rows`: the statements.
//!
//! Rows are written beside transactions, never in one: once a second at most, after a transaction, and when the handle
//! is dropped, says that it won't be, or is asked for the figures. So what a process measured within its last second may be told a little later, and
//! is lost if the process is killed. The commit isn't waited for.
//!
//! Whoever finds very many rows puts the oldest together into one, in one statement that fails if any of them was written
//! meanwhile; whose row has gone begins another one with what came since. So counts never go down. Nothing is decided by any of it, so whatever fails here is let be.

mod rows;
mod totals;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use parking_lot::Mutex;
use taskhost_board::{Measure, Measured, Meter, Millis, Process, ProcessFigures, ReadError, Tally};

use self::rows::Row;
use self::totals::Totals;
use crate::per_process::PerProcess;
use crate::shared::Shared;

/// How often a handle that is used writes its row.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// How long a handle that is dropped tries to write.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How many rows there may be before the oldest are put together, and how many are left.
pub(crate) const ROWS: (usize, usize) = (128, 64);

/// Names the process that this runs in; `None` where it can't be named.
pub type ThisProcess = Arc<dyn Fn() -> Option<Process> + Send + Sync>;

/// Where a handle records.
pub(crate) struct Recorder {
    own: PerProcess<Own>,
    this_process: ThisProcess,
    /// Whoever else is told.
    told: Option<Arc<dyn Meter>>,
}

/// What this process has recorded.
struct Own {
    /// Whoever has this doesn't wait for anybody.
    all: Mutex<Totals>,
    /// Whoever has this writes, which nobody else does meanwhile.
    row: Mutex<OwnRow>,
}

/// What the board has of it.
struct OwnRow {
    /// What was in rows of this handle that others have put together with theirs.
    before: Totals,
    /// What its row says.
    written: Totals,
    /// What its row is called, once there is one.
    writer: Option<String>,
    written_at: Deadline,
}

impl Own {
    fn new() -> Self {
        let (before, written) = (Totals::default(), Totals::default());
        let row = OwnRow { before, written, writer: None, written_at: Deadline::now() };
        Self { all: Mutex::default(), row: Mutex::new(row) }
    }
}

impl Meter for Recorder {
    fn record(&self, what: Measure, took: Duration) {
        if let Some(told) = &self.told {
            told.record(what, took);
        }
        self.own().all.lock().record(what, took);
    }

    fn memory(&self, what: Measure, bytes: u64) {
        if let Some(told) = &self.told {
            told.memory(what, bytes);
        }
        self.own().all.lock().memory(what, bytes);
    }

    fn count(&self, what: Tally) {
        if let Some(told) = &self.told {
            told.count(what);
        }
        self.own().all.lock().count(what);
    }
}

impl Recorder {
    pub(crate) fn new(this_process: ThisProcess, told: Option<Arc<dyn Meter>>) -> Self {
        Self { own: PerProcess::new(Own::new()), this_process, told }
    }

    fn own(&self) -> &Own {
        self.own.get(|_| Own::new())
    }

    /// Writes this handle's row, if it hasn't been for a while, and a connection is there that nobody needs.
    pub(crate) fn write_now_and_then(&self, shared: &Shared) {
        let own = self.own();
        if let Some(mut row) = own.row.try_lock()
            && row.written_at.elapsed() >= WRITE_EVERY
        {
            let _ = self.write(own, &mut row, shared, Deadline::now(), false);
        }
    }

    /// Writes what this handle has recorded by now, for the last time if `is_last`.
    fn write(
        &self,
        own: &Own,
        row: &mut OwnRow,
        shared: &Shared,
        deadline: Deadline,
        is_last: bool,
    ) -> Result<(), ReadError> {
        row.written_at = Deadline::now();
        let mut totals = own.all.lock().since(&row.before);
        let is_new = totals != row.written;
        if let Some(writer) = &row.writer {
            let is_needless = !is_new && !is_last;
            if is_needless || rows::update(shared, deadline, writer, is_last, &totals)? {
                row.written = totals;
                return Ok(());
            }
            // Its row is a part of another one by now.
            row.before.add(&row.written);
            totals = totals.since(&row.written);
            row.written = Totals::default();
        } else if !is_new {
            return Ok(());
        }
        let writer = row.writer.insert(format!("{:016x}", crate::random()));
        let process = (self.this_process)();
        let there = rows::insert(shared, deadline, writer, process.as_ref(), is_last, &totals)?;
        row.written = totals;
        if there >= ROWS.0 {
            put_together(shared, deadline)?;
        }
        Ok(())
    }

    /// What all of them measured.
    pub(crate) fn read(&self, shared: &Shared) -> Result<Measured, ReadError> {
        let deadline = Deadline::now() + shared.lock_wait;
        let own = self.own();
        self.write(own, &mut own.row.lock(), shared, deadline, false)?;
        let rows = rows::all(shared, deadline)?;
        let mut all = Totals::default();
        let mut processes: BTreeMap<String, OneProcess> = BTreeMap::new();
        for row in &rows {
            all.add(&row.totals);
            let Some(pid) = row.pid else { continue };
            let name = row.process.clone().unwrap_or_else(|| row.writer.clone());
            let is_alive = !row.has_ended && !is_dead(shared, row);
            let process = processes.entry(name).or_insert_with(|| OneProcess::of(pid, row.since));
            process.since = process.since.min(row.since);
            process.alive |= is_alive;
            process.totals.add(&row.totals);
        }
        let processes = processes.into_values().map(|OneProcess { pid, since, alive, totals }| {
            ProcessFigures { pid, since, alive, figures: totals.figures() }
        });
        let mut processes: Vec<ProcessFigures> = processes.collect();
        processes.sort_by_key(|process| (process.since, process.pid));
        let since = rows.iter().map(|row| row.since).min().unwrap_or_else(|| shared.server_now());
        Ok(Measured { since, all: all.figures(), processes })
    }

    /// The handle is dropped, or as good as dropped.
    pub(crate) fn end(&self, shared: &Shared) {
        if let Some(own) = self.own.existing().filter(|_| !std::thread::panicking()) {
            let deadline = Deadline::now() + LAST_WORDS;
            let _ = self.write(own, &mut own.row.lock(), shared, deadline, true);
        }
    }
}

/// What all handles of a process measured.
struct OneProcess {
    pid: u32,
    since: Millis,
    alive: bool,
    totals: Totals,
}

impl OneProcess {
    fn of(pid: u32, since: Millis) -> Self {
        Self { pid, since, alive: false, totals: Totals::default() }
    }
}

/// Whether the process of a row is proved dead, as far as this machine can tell.
fn is_dead(shared: &Shared, row: &Row) -> bool {
    let process = row.process.as_deref().and_then(|text| serde_json::from_str(text).ok());
    process.is_some_and(|process: Process| (shared.is_process_dead)(&process))
}

/// Puts the oldest rows together into one, unless any of them is written meanwhile.
fn put_together(shared: &Shared, deadline: Deadline) -> Result<(), ReadError> {
    let mut rows = rows::all(shared, deadline)?;
    let (joined, mut single): (Vec<Row>, Vec<Row>) = rows.drain(..).partition(|r| r.pid.is_none());
    single.sort_by_key(|row| row.written);
    single.truncate(single.len().saturating_sub(ROWS.1));
    let mut together = Totals::default();
    let mut since: Option<Millis> = None;
    for row in joined.iter().chain(&single) {
        together.add(&row.totals);
        since = since.into_iter().chain([row.since]).min();
    }
    let gone: Vec<&Row> = joined.iter().chain(&single).collect();
    rows::replace(shared, deadline, &gone, since.unwrap_or_default(), &together)
}
