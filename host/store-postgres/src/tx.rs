//! One open transaction: what it has read, which is locked for as long as it goes on, and what it lost by.
//!
//! Invariant: nobody waits for a task while holding a lock. What isn't free at once is named in [`Tx::lost`], and then the
//! transaction is over; the next try waits for all of it, in order, before it takes anything else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use taskhost_board::{
    Asking, Cell, Command, Elsewhere, Instant, KeyRecord, Order, ReadError, Space, Task, TaskId,
};

use crate::keys::{Kind, key};
use crate::link::{Call, LinkError, Row};
use crate::pool::Pooled;
use crate::rows::task_of;
use crate::shared::{Basis, Shared, read_error};
use crate::sql;
use crate::staged::{Lines, Staged};

/// Whether what is read is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It stays as it was read until the transaction ends.
    Changing,
    /// It is as it was at one instant.
    Looking,
}

/// What a transaction began with.
pub(crate) struct Outset {
    pub(crate) now: Instant,
    pub(crate) basis: Arc<Basis>,
    pub(crate) sequence: u64,
    /// Whether there was anything of the kind.
    pub(crate) unasked: bool,
    pub(crate) due: bool,
    pub(crate) wakes: bool,
    /// The number of the last class that ready tasks may be of.
    pub(crate) classes: i64,
}

/// A task as this transaction has read it.
pub(crate) struct Seen {
    pub(crate) task: Option<Task>,
    /// Whether nobody else may even look at it to decide on it.
    pub(crate) is_mine: bool,
}

/// What was found out about a task when it was offered.
pub(crate) struct Offer {
    /// A token that was drawn while the task was locked.
    pub(crate) token: Option<u64>,
    /// Whether nobody has locked it by hand; not where very many are offered at once.
    pub(crate) is_free: Option<bool>,
}

/// The first of all ready tasks, read before anybody asked for them.
pub(crate) struct Ahead {
    pub(crate) order: Order,
    pub(crate) rows: Vec<Row>,
}

/// An open transaction.
pub(crate) struct Tx {
    /// Gone once it has ended.
    link: Option<Pooled>,
    pub(crate) mode: Mode,
    pub(crate) shared: Arc<Shared>,
    pub(crate) outset: Outset,
    pub(crate) seen: BTreeMap<TaskId, Seen>,
    /// Tasks that are this transaction's own and weren't read yet.
    pub(crate) taken: BTreeSet<TaskId>,
    pub(crate) offers: BTreeMap<TaskId, Offer>,
    pub(crate) ahead: Option<Ahead>,
    pub(crate) memory: BTreeMap<(Space, String), Option<Vec<u8>>>,
    pub(crate) keys: BTreeMap<(Command, String), Option<KeyRecord>>,
    /// What has no row and is locked nevertheless, such as how many claims an agent has; whether nobody else has it.
    pub(crate) held_cells: BTreeMap<Cell, bool>,
    pub(crate) births: VecDeque<u64>,
    /// How many places were drawn at once last.
    pub(crate) births_drawn: i64,
    /// Who asks for work in it, if it is a claim.
    pub(crate) asking: Option<Asking>,
    /// Whether it has taken note of something that no entry speaks of.
    pub(crate) has_notes: bool,
    /// Where the board is instead of here, if it is elsewhere.
    pub(crate) elsewhere: Option<Elsewhere>,
    /// What was decided in it and isn't written yet, and all entries.
    pub(crate) staged: Staged,
    pub(crate) lines: Lines,
    lost: Option<BTreeSet<Cell>>,
}

/// The cell of a task.
pub(crate) fn task_cell(id: &TaskId) -> Cell {
    Cell(format!("task {id}"))
}

impl Tx {
    pub(crate) fn new(link: Pooled, mode: Mode, shared: Arc<Shared>, outset: Outset) -> Self {
        Self {
            link: Some(link),
            mode,
            shared,
            outset,
            seen: BTreeMap::new(),
            taken: BTreeSet::new(),
            offers: BTreeMap::new(),
            ahead: None,
            memory: BTreeMap::new(),
            keys: BTreeMap::new(),
            held_cells: BTreeMap::new(),
            births: VecDeque::new(),
            births_drawn: 0,
            asking: None,
            has_notes: false,
            elsewhere: None,
            staged: Staged::default(),
            lines: Lines::default(),
            lost: None,
        }
    }

    /// Refuses a board that is elsewhere.
    pub(crate) fn changeable(&self) -> Result<(), ReadError> {
        self.elsewhere.as_ref().map_or(Ok(()), |elsewhere| Err(elsewhere.refusal()))
    }

    pub(crate) fn is_changing(&self) -> bool {
        self.mode == Mode::Changing
    }

    /// Runs statements in one go.
    pub(crate) fn run(&mut self, calls: &[Call<'_>]) -> Result<Vec<Vec<Row>>, ReadError> {
        self.run_for(calls, &[])
    }

    /// Runs one statement.
    pub(crate) fn rows(&mut self, call: Call<'_>) -> Result<Vec<Row>, ReadError> {
        let mut answers = self.run(&[call])?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// Runs one statement, and leaves what was staged unwritten.
    pub(crate) fn rows_as_they_are(&mut self, call: Call<'_>) -> Result<Vec<Row>, ReadError> {
        let staged = std::mem::take(&mut self.staged);
        let rows = self.rows(call);
        self.staged = staged;
        rows
    }

    /// Runs statements that lock these cells, behind those that write what was staged.
    pub(crate) fn run_for(
        &mut self,
        calls: &[Call<'_>],
        cells: &[Cell],
    ) -> Result<Vec<Vec<Row>>, ReadError> {
        let Some(link) = &mut self.link else {
            return Err(ReadError::Failed("the transaction is over".into()));
        };
        let staged = std::mem::take(&mut self.staged);
        let answered = if staged.is_empty() {
            link.pipeline(calls)
        } else {
            let writes = staged.writes();
            let mut all = writes.calls();
            all.extend(staged.others().calls());
            let before = all.len();
            all.extend_from_slice(calls);
            link.pipeline(&all).map(|mut answers| answers.split_off(before))
        };
        match answered {
            Ok(answers) => Ok(answers),
            Err(error) => {
                // Whatever it was, nothing more can be done in this transaction.
                drop(self.link.take());
                if let LinkError::NotAvailable(_)
                | LinkError::Serialization(_)
                | LinkError::Unique { .. }
                | LinkError::Lost(_) = error
                {
                    self.lose(cells.iter().cloned());
                }
                Err(read_error(&error))
            }
        }
    }

    /// Gives up, because others have these.
    pub(crate) fn lose(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.shared.count_conflict();
        drop(self.link.take());
        self.lost.get_or_insert_default().extend(cells);
    }

    pub(crate) fn lost(&self) -> Option<BTreeSet<Cell>> {
        self.lost.clone()
    }

    /// The connection, for whoever ends the transaction.
    pub(crate) fn take_link(&mut self) -> Option<Pooled> {
        self.link.take()
    }

    /// Takes note of rows of tasks, of which those that aren't among `asked` are none.
    pub(crate) fn see(
        &mut self,
        asked: impl IntoIterator<Item = TaskId>,
        rows: &[Row],
        is_mine: bool,
    ) -> Result<(), ReadError> {
        let mut found = BTreeMap::new();
        for row in rows {
            let task = task_of(row.get("body"), row.get("data"), row.get("result"))?;
            found.insert(task.id.clone(), task);
        }
        for id in asked {
            let task = found.remove(&id);
            let is_mine = is_mine || self.taken.remove(&id);
            let seen = self.seen.entry(id).or_insert(Seen { task: None, is_mine: false });
            seen.task = task;
            seen.is_mine |= is_mine;
        }
        Ok(())
    }

    /// Reads tasks that weren't yet, so that they stay as they are.
    pub(crate) fn look_at(&mut self, ids: &[TaskId]) -> Result<(), ReadError> {
        let ids: Vec<TaskId> =
            ids.iter().filter(|id| !self.seen.contains_key(*id)).cloned().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let statement = if self.is_changing() { sql::TASKS_TO_LOOK_AT } else { sql::TASKS };
        self.read_tasks(statement, &ids, false)
    }

    /// Reads tasks, or reads them again, so that nobody else may even look at them to decide on them.
    pub(crate) fn take_over(&mut self, ids: &[TaskId]) -> Result<(), ReadError> {
        if !self.is_changing() {
            return Ok(());
        }
        let is_mine = |id: &&TaskId| self.seen.get(*id).is_some_and(|seen| seen.is_mine);
        let ids: Vec<TaskId> = ids.iter().filter(|id| !is_mine(id)).cloned().collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.read_tasks(sql::TASKS_TO_CHANGE, &ids, true)
    }

    fn read_tasks(
        &mut self,
        statement: &'static str,
        ids: &[TaskId],
        is_mine: bool,
    ) -> Result<(), ReadError> {
        let names: Vec<&str> = ids.iter().map(TaskId::as_str).collect();
        let cells: Vec<Cell> = ids.iter().map(task_cell).collect();
        let rows = self.run_for(&[Call::of(statement, vec![&names])], &cells)?;
        self.see(ids.iter().cloned(), rows.first().map_or(&[][..], Vec::as_slice), is_mine)
    }

    /// Runs a statement once nobody else has `cell`, which stands for what has no row to be locked, or, unless it is to
    /// be `alone`, nobody has it alone.
    pub(crate) fn rows_with(
        &mut self,
        cell: Cell,
        alone: bool,
        call: Call<'_>,
    ) -> Result<Vec<Row>, ReadError> {
        if !self.is_changing() || self.has(&cell, alone) {
            return self.rows(call);
        }
        let key = cell_key(&self.shared, &cell);
        let lock = if alone { sql::TRY_LOCK } else { sql::TRY_LOCK_SHARED };
        let mut answers = {
            let calls: [Call<'_>; 2] = [Call::of(lock, vec![&key]), call];
            self.run(&calls)?
        };
        self.got(cell, alone, answers.first())?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// Has nobody else have these cells until the transaction ends.
    pub(crate) fn hold_alone(&mut self, cells: Vec<Cell>) -> Result<(), ReadError> {
        let cells: Vec<Cell> = cells.into_iter().filter(|cell| !self.has(cell, true)).collect();
        let keys: Vec<i64> = cells.iter().map(|cell| cell_key(&self.shared, cell)).collect();
        let calls: Vec<Call<'_>> =
            keys.iter().map(|key| Call::of(sql::TRY_LOCK, vec![key])).collect();
        if calls.is_empty() {
            return Ok(());
        }
        let answers = self.run(&calls)?;
        cells
            .into_iter()
            .zip(&answers)
            .try_for_each(|(cell, rows)| self.got(cell, true, Some(rows)))
    }

    fn has(&self, cell: &Cell, alone: bool) -> bool {
        self.held_cells.get(cell).is_some_and(|is_alone| *is_alone || !alone)
    }

    fn got(&mut self, cell: Cell, alone: bool, rows: Option<&Vec<Row>>) -> Result<(), ReadError> {
        if rows.and_then(|rows| rows.first()).is_some_and(|row| row.get("got")) {
            *self.held_cells.entry(cell).or_default() |= alone;
            return Ok(());
        }
        self.lose([cell]);
        Err(ReadError::Failed("another transaction is at the same".into()))
    }
}

/// The advisory lock of a cell that has no row of its own.
pub(crate) fn cell_key(shared: &Shared, cell: &Cell) -> i64 {
    key(shared.address.schema(), Kind::Cell, &cell.0)
}
