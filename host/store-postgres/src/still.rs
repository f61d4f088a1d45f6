//! [`Still`]: a board that nobody changes, so that all of it can be taken elsewhere, and what is said then of where it is.
//!
//! Invariant: between the instant at which it stands still and what is said, nothing was committed: it is said by the
//! connection that has the lock, so whoever lost the lock says nothing.

use std::io;
use std::time::Instant as Deadline;

use taskhost_board::transfer::TransferLine;
use taskhost_board::{
    BeginError, CommitError, Elsewhere, ExportError, ReadError, Still as BoardStill, SwitchError,
};

use crate::begin;
use crate::export::Moment;
use crate::link::{Call, LinkError, Param, Row};
use crate::powers::SessionLock;
use crate::shared::read_error;
use crate::sql;
use crate::store::PostgresStore;

/// A board that stands still until this is dropped.
pub(crate) struct Still<'a> {
    store: &'a PostgresStore,
    lock: SessionLock,
}

/// Where the board is instead of here, as its row says.
pub(crate) fn elsewhere(row: &Row) -> Option<Elsewhere> {
    let place: String = row.get::<_, Option<String>>("moved_to")?;
    let is_arriving: bool = row.get("arriving");
    Some(if is_arriving { Elsewhere::ArrivingFrom(place) } else { Elsewhere::MovedTo(place) })
}

impl PostgresStore {
    /// Waits until nobody changes the board, no longer than until `deadline`, and then keeps everybody from it.
    pub(crate) fn stand_still(&self, deadline: Deadline) -> Result<Still<'_>, BeginError> {
        let (began, shared) = (Deadline::now(), &self.shared);
        let taken = SessionLock::take(shared, shared.board_locks_alone(), deadline);
        let Some(lock) = taken.map_err(|error| read_error(&error))? else {
            let holder = begin::holder(shared);
            return Err(BeginError::Timeout { waited: began.elapsed(), holder });
        };
        Ok(Still { store: self, lock })
    }
}

impl Still<'_> {
    /// The same; whoever waits for it is told that it is this one's.
    pub(crate) fn told_as(self, who: &str) -> Result<Self, LinkError> {
        Ok(Self { lock: self.lock.by_hand(Some(who))?, ..self })
    }
}

impl BoardStill for Still<'_> {
    fn elsewhere(&self) -> Result<Option<Elsewhere>, ReadError> {
        let rows = self.lock.run(Call::of(sql::ELSEWHERE, Vec::new()));
        Ok(rows.map_err(|error| read_error(&error))?.first().and_then(elsewhere))
    }

    fn export(
        &self,
        each: &mut dyn FnMut(TransferLine) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        let shared = &self.store.shared;
        let deadline = Deadline::now() + shared.lock_wait;
        Moment::of_a_still_board(shared, deadline)?.write_down(each)
    }

    fn say(self: Box<Self>, elsewhere: Option<&Elsewhere>) -> Result<(), SwitchError> {
        let (place, is_arriving) = match elsewhere {
            None => (None, false),
            Some(Elsewhere::MovedTo(to)) => (Some(to), false),
            Some(Elsewhere::ArrivingFrom(from)) => (Some(from), true),
        };
        let said: Vec<Param<'_>> = vec![&place, &is_arriving];
        self.lock.run(Call::of(sql::SAY_ELSEWHERE, said)).map_err(|error| match error {
            LinkError::Lost(why) => CommitError::Unknown(why),
            error => CommitError::NotWritten(error.to_string()),
        })?;
        // Whoever waits for something to happen here is told to look again.
        let _ = self.lock.run(self.store.shared.notify());
        Ok(())
    }
}
