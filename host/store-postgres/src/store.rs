//! [`PostgresStore`]: a board in PostgreSQL, as the domain wants it.

use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{
    Aim, Ask, BeginError, Begun, Committed, Contexts, Digest, Elsewhere, Entry, Instant, LifeGuard,
    Mark, Meter, Millis, Opened, PostError, Posting, Powers, ReadError, Sequence, SessionId, Store,
    SwitchError, SwitchPlan, TaskId, View,
};

use crate::address::Address;
use crate::begin;
use crate::combine;
use crate::components;
use crate::contexts::PostgresContexts;
use crate::create::{self, OpenError};
use crate::history;
use crate::home::Home;
use crate::link::Call;
use crate::lives::{Life, life_key};
use crate::opened::PostgresOpened;
use crate::options::OpenOptions;
use crate::pool::Pool;
use crate::powers::{PostgresPowers, SessionLock};
use crate::rows::number;
use crate::shared::{Shared, read_error};
use crate::sql;
use crate::still::elsewhere;
use crate::switch;
use crate::view::TxView;

/// For how long it is taken for granted that nothing has happened of which nobody is told, such as a claim.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// A handle of a board in PostgreSQL. Clones share the handle; threads may use it at once.
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) home: Arc<Home>,
}

impl PostgresStore {
    /// Opens the board at `address`.
    pub fn open(address: &Address, options: &OpenOptions) -> Result<Self, OpenError> {
        let store = Self::handle(address, options);
        create::check(&store.shared)?;
        crate::hand::find_inherited(&store.shared).map_err(BeginError::from)?;
        Ok(store)
    }

    /// A handle of whatever is at `address`.
    pub(crate) fn handle(address: &Address, options: &OpenOptions) -> Self {
        let pool = Pool::new(address.clone(), address.pool());
        let shared = Arc::new(Shared::new(address.clone(), pool, options));
        let home = Arc::new(Home::noting(
            address.clone(),
            Some(sql::LAST_ENTRY.to_owned()),
            Some(sql::NOTE_FOUND.to_owned()),
        ));
        Self { shared, home }
    }

    /// Where the board is.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// What to wait past, and where the board is, if it is elsewhere.
    fn marked(&self) -> Result<(Mark, Option<Elsewhere>), BeginError> {
        // Before the number is asked for, so that nothing is heard between the two and forgotten.
        let deaths = self.home.signs();
        let asked = Call::of(sql::LAST_ENTRY_AND_ELSEWHERE, Vec::new());
        let rows = self.shared.ask(&[asked], self.deadline())?;
        let row = rows.first().and_then(|rows| rows.first());
        let newest = row.map(|row| number(row.get(0))).unwrap_or_default();
        let mark = Mark { newest: Sequence(newest), deaths };
        let elsewhere = row.and_then(elsewhere);
        // Whoever would wait elsewhere asks again, and is told.
        let fresh = elsewhere.is_none().then(|| (mark, Deadline::now()));
        *self.shared.marked.lock() = fresh;
        Ok((mark, elsewhere))
    }

    /// What to wait past, if it is worth waiting: nothing happens any more on a board that was moved.
    fn mark_here(&self) -> Result<Mark, BeginError> {
        match self.marked()? {
            (mark, None) => Ok(mark),
            (_, Some(elsewhere)) => Err(elsewhere.refusal().into()),
        }
    }

    /// Refuses a board that is elsewhere.
    pub(crate) fn expect_here(&self) -> Result<(), ReadError> {
        let rows = self.shared.ask(&[Call::of(sql::ELSEWHERE, Vec::new())], self.deadline())?;
        let row = rows.first().and_then(|rows| rows.first());
        row.and_then(elsewhere).map_or(Ok(()), |elsewhere| Err(elsewhere.refusal()))
    }

    fn deadline(&self) -> Deadline {
        Deadline::now() + self.shared.lock_wait
    }
}

impl Store for PostgresStore {
    fn begin(&self, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        self.begin_for(&Aim::default(), deadline)
    }

    fn begin_for(&self, aim: &Aim, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        let tx = combine::begin(&self.shared, aim, deadline)?;
        Ok(Box::new(PostgresOpened::new(tx)))
    }

    fn begin_or_post(&self, posting: &Posting<'_>, deadline: Deadline) -> Result<Begun, PostError> {
        combine::begin_or_post(&self.shared, posting, deadline)
    }

    fn snapshot(&self) -> Result<(Box<dyn View>, Instant), BeginError> {
        let tx = begin::look(&self.shared, self.deadline())?;
        let now = tx.outset.now.clone();
        Ok((Box::new(TxView(Arc::new(parking_lot::Mutex::new(tx)))), now))
    }

    fn mark(&self) -> Result<Mark, BeginError> {
        Ok(self.marked()?.0)
    }

    fn wait(&self, past: Mark, timeout: Duration) -> Result<Mark, BeginError> {
        let deadline = Deadline::now() + timeout;
        // What happened between the mark and now. Whoever waits often and shortly doesn't ask each time.
        let is_fresh = |mark: &Mark| {
            let marked = *self.shared.marked.lock();
            marked.is_some_and(|(last, at)| last == *mark && at.elapsed() < ASK_EVERY)
        };
        if !is_fresh(&past) || self.home.signs() != past.deaths {
            let now = self.mark_here()?;
            if now != past {
                return Ok(now);
            }
        }
        let is_still = self.home.wait(past.deaths, deadline) == past.deaths;
        if is_still && is_fresh(&past) { Ok(past) } else { self.mark_here() }
    }

    fn wall(&self) -> Millis {
        self.shared.server_now()
    }

    fn component(&self, digest: Digest) -> Result<Vec<u8>, ReadError> {
        components::component(&self.shared, digest)
    }

    fn live(&self, session: &SessionId) -> Result<Box<dyn LifeGuard>, ReadError> {
        self.expect_here()?;
        Ok(Box::new(Life::begin(&self.shared, &self.home, session)?))
    }

    fn lock_task(
        &self,
        task: &TaskId,
        deadline: Deadline,
    ) -> Result<Option<Box<dyn LifeGuard>>, BeginError> {
        crate::hand::wait_for_task(&self.shared, task, deadline)?;
        Ok(None)
    }

    fn task_locker(&self, task: &TaskId) -> Result<Option<String>, ReadError> {
        crate::hand::holder(&self.shared, task)
    }

    fn contexts(&self) -> Arc<dyn Contexts> {
        Arc::new(PostgresContexts(self.shared.clone()))
    }

    fn meter(&self) -> Arc<dyn Meter> {
        self.shared.recorder.clone()
    }

    fn powers(&self) -> Arc<dyn Powers> {
        Arc::new(PostgresPowers(self.shared.clone()))
    }

    fn switch(
        &self,
        plan: SwitchPlan,
        ask: &mut Ask<'_>,
        deadline: Deadline,
    ) -> Result<Committed, SwitchError> {
        switch::switch(&self.shared, plan, ask, deadline)
    }

    fn history(
        &self,
        past: Sequence,
        each: &mut dyn FnMut(Sequence, Entry) -> bool,
    ) -> Result<(), ReadError> {
        history::entries(&self.shared, past, each)
    }
}

/// Holds the board or a task by hand.
impl PostgresStore {
    /// Locks the board by hand until the guard is dropped: nobody changes it meanwhile.
    pub(crate) fn lock_board_by_hand(&self, deadline: Deadline) -> Result<SessionLock, BeginError> {
        let began = Deadline::now();
        let taken = SessionLock::take(&self.shared, vec![self.shared.board_lock()], deadline);
        match taken.map_err(|error| BeginError::Read(read_error(&error)))? {
            Some(lock) => Ok(lock),
            None => {
                let holder = begin::holder(&self.shared);
                Err(BeginError::Timeout { waited: began.elapsed(), holder })
            }
        }
    }

    /// Locks a task by hand until the guard is dropped: nobody is given it meanwhile.
    pub(crate) fn lock_task_by_hand(
        &self,
        task: &TaskId,
        deadline: Deadline,
    ) -> Result<SessionLock, BeginError> {
        crate::hand::hold(&self.shared, task, deadline)
    }

    /// Whether a session's life lock is free; see [`Store::live`].
    pub fn is_session_missing(&self, session: &SessionId) -> Result<bool, ReadError> {
        let (key, name) = (life_key(&self.shared, session), session.as_str());
        let rows = self
            .shared
            .ask(&[Call::of(sql::FREE_LIVES, vec![&vec![name], &vec![key]])], self.deadline())?;
        Ok(rows.first().and_then(|rows| rows.first()).is_some_and(|row| row.get("free")))
    }
}
