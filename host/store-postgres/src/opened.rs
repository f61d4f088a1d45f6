//! [`PostgresOpened`]: a transaction as the domain wants it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant as Deadline;

use parking_lot::Mutex;
use taskhost_board::{
    Cell, Combiner, CommitError, Committed, Entry, Instant, Measure, Meter, Numbers, Opened,
    ReadError, TaskId, TaskLocks, Token, View, Vital,
};

use crate::desk::Turn;
use crate::link::Call;
use crate::rows::number;
use crate::shared::Shared;
use crate::sql;
use crate::tx::Tx;
use crate::view::TxView;

/// How many places in the order of creation are drawn at once at most.
const BIRTHS_MAX: i64 = 1_000;

/// An open transaction.
pub(crate) struct PostgresOpened {
    pub(crate) tx: Arc<Mutex<Tx>>,
    now: Instant,
    /// Whoever has one decides for others as well.
    turn: Option<Turn>,
    pub(crate) held: Held,
}

/// For how long a transaction is open.
pub(crate) struct Held {
    pub(crate) shared: Arc<Shared>,
    pub(crate) since: Deadline,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.recorder.record(Measure::LockHold, self.since.elapsed());
        self.shared.recorder.write_now_and_then(&self.shared);
    }
}

impl PostgresOpened {
    pub(crate) fn new(tx: Tx) -> Self {
        let held = Held { shared: tx.shared.clone(), since: Deadline::now() };
        Self { now: tx.outset.now.clone(), tx: Arc::new(Mutex::new(tx)), turn: None, held }
    }

    /// One in which others are served as well.
    pub(crate) fn with_turn(tx: Tx, turn: Turn) -> Self {
        Self { turn: Some(turn), ..Self::new(tx) }
    }
}

impl Opened for PostgresOpened {
    fn now(&self) -> Instant {
        self.now.clone()
    }

    fn view(&mut self) -> Box<dyn View> {
        Box::new(TxView(self.tx.clone()))
    }

    fn is_time_to_look_for_dead(&mut self) -> bool {
        self.tx.lock().shared.is_time_to_look_for_dead()
    }

    fn dead(&mut self, holders: &[Vital]) -> Vec<Vital> {
        self.tx.lock().look_for_dead(holders).unwrap_or_default()
    }

    fn is_dead(&mut self, holder: &Vital) -> bool {
        let dead = self.tx.lock().dead(std::slice::from_ref(holder), false);
        dead.is_ok_and(|dead| !dead.is_empty())
    }

    fn task_locks(&mut self) -> Box<dyn TaskLocks> {
        Box::new(Hands(self.tx.clone()))
    }

    fn numbers(&mut self) -> Option<Box<dyn Numbers>> {
        Some(Box::new(Drawn(self.tx.clone())))
    }

    fn lost(&mut self) -> Option<BTreeSet<Cell>> {
        self.tx.lock().lost()
    }

    fn commit(self: Box<Self>, entry: Entry) -> Result<Committed, CommitError> {
        let sent = Deadline::now();
        let committed = self.tx.lock().commit(&entry);
        self.held.shared.recorder.record(Measure::Sync, sent.elapsed());
        committed
    }

    fn commit_and_combine(
        mut self: Box<Self>,
        entry: Entry,
        combiner: &mut dyn Combiner,
    ) -> Result<Committed, CommitError> {
        match self.turn.take().filter(|_| combiner.decides()) {
            Some(turn) => (*self).commit_for_all(&entry, turn, combiner),
            None => self.commit(entry),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<(), CommitError> {
        // There was nothing: those who wait find that out side by side.
        self.turn.take().into_iter().for_each(|mut turn| turn.decline_all());
        let mut tx = self.tx.lock();
        let end = if tx.has_notes { sql::COMMIT } else { sql::ROLLBACK };
        let Some(mut link) = tx.take_link() else { return Ok(()) };
        // What was read was committed, and so durable; notes that are lost are made again.
        let _ = link.pipeline(&[Call::of(end, Vec::new())]);
        Ok(())
    }
}

/// The locks on tasks that are held by hand.
struct Hands(Arc<Mutex<Tx>>);

impl TaskLocks for Hands {
    fn try_hold(&mut self, task: &TaskId) -> Result<bool, ReadError> {
        let mut tx = self.0.lock();
        if let Some((key, backend)) = tx.shared.hand_around(task)
            && !tx.rows(Call::of(sql::IS_HELD_BY, vec![&key, &backend]))?.is_empty()
        {
            return Ok(true);
        }
        if let Some(is_free) = tx.offers.get(task).and_then(|offer| offer.is_free) {
            return Ok(is_free);
        }
        let seed = tx.shared.hand_seed;
        let rows = tx.rows(Call::of(sql::TRY_HAND, vec![&task.as_str(), &seed]))?;
        Ok(rows.first().is_some_and(|row| row.get("free")))
    }
}

/// Numbers from the board's sequences.
struct Drawn(Arc<Mutex<Tx>>);

impl Numbers for Drawn {
    fn token(&mut self, task: &TaskId) -> Result<Token, ReadError> {
        let mut tx = self.0.lock();
        if let Some(token) = tx.offers.get_mut(task).and_then(|offer| offer.token.take()) {
            return Ok(Token(token));
        }
        let rows = tx.rows(Call::of(sql::NEXT_TOKEN, Vec::new()))?;
        Ok(Token(rows.first().map(|row| number(row.get("n"))).unwrap_or_default()))
    }

    fn born(&mut self) -> Result<u64, ReadError> {
        let mut tx = self.0.lock();
        if tx.births.is_empty() {
            // One who adds many asks for many: twice as many each time.
            tx.births_drawn = (tx.births_drawn * 2).clamp(1, BIRTHS_MAX);
            let how_many = tx.births_drawn;
            let rows = tx.rows(Call::of(sql::NEXT_BIRTHS, vec![&how_many]))?;
            tx.births.extend(rows.iter().map(|row| number(row.get("n"))));
        }
        let drawn = tx.births.pop_front();
        drawn.ok_or_else(|| ReadError::Failed("the server drew no number".into()))
    }
}
