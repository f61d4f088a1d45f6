//! Moving a board to another place, with everything that is on it, while agents have it open.
//!
//! 1. The board stands still: nobody changes it until the end.
//! 2. It is exported into the new place, as a board that nobody works on there before it has left here; and what is there
//!    then is compared with what left. A crash leaves the board here as it was, and a copy there that the next try makes anew.
//! 3. Here it is said where it is now: from this instant on, it isn't worked on here any more. A crash leaves a board that
//!    nobody works on at either place, and the next try goes on with step 4.
//! 4. There it is said that it has arrived: from here on it is a board like any other.
//!
//! So at no instant it is worked on at both places, and whoever does it again finishes it, or has done it before.

use std::io::{self, BufReader, BufWriter, Write as _};
use std::panic;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use taskhost_board::transfer::TransferLine;
use taskhost_board::{
    BeginError, Coming, Digest, Elsewhere, ExportError, Keeper, Sequence, Status, Still,
    SwitchError,
};

use crate::spans::operation;
use crate::{Address, Board, Error, OpenError, OpenOptions, stores};

/// How long it is waited for those who have a board alone for a moment.
const MOMENT: Duration = Duration::from_secs(1);
/// How far apart two clocks may be where leases go by one and then by the other: less than any lease is.
const APART_MAX: Duration = Duration::from_secs(30);

/// A board that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Where it was.
    pub from: String,
    /// Where it is, as whoever would change it where it was is told: without a password.
    pub to: String,
    /// How many tasks it has.
    pub tasks: u64,
    /// Its last entry.
    pub sequence: Sequence,
    /// Whether an earlier try had moved it, so that at most the last step was left.
    pub already: bool,
}

/// A board was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It is there.
    #[error("the board is at `{0}` already: name the place that it is to be moved to")]
    Same(String),
    /// What came isn't what left.
    #[error(
        "what arrived at `{0}` isn't what left, so the board stays where it was, and the copy there isn't used: move it to \
         another place, and please report this"
    )]
    Differs(String),
    /// What is held here would be given out again there too early, or too late.
    #[error(
        "tasks are claimed, and the clocks here and at `{there}` are {} s apart, by which leases end: set them right, or move the \
         board when nothing is claimed. The board stays where it was",
        apart.as_secs()
    )]
    Clocks {
        /// Where it was to be moved.
        there: String,
        /// How far the clocks are apart.
        apart: Duration,
    },
    /// The board that was moved isn't where it was moved to.
    #[error("the board was moved to `{to}`, but there is {found}: look what became of it there")]
    Gone {
        /// Where it was moved to.
        to: String,
        /// What is there.
        found: &'static str,
    },
    /// Nothing could be handed on from one place to the other.
    #[error("the board could not be handed on: {0}")]
    Pipe(io::Error),
}

impl Board {
    /// Moves the board to `to`, a directory or a `postgres://…` at which there is none, while it stands still. It is the same
    /// board there: its ids, tokens, claims, request keys, policies and history go on. Whoever would change it here, or waits
    /// here for something to happen, is told where it is; it can still be read here, as it was.
    ///
    /// If this is cut short, the same again finishes it.
    pub fn migrate(
        &self,
        to: impl Into<Address>,
        options: &OpenOptions,
    ) -> Result<Migrated, Error> {
        let to = to.into();
        operation!("taskhost.migrate", self.address()).run(|| self.move_to(&to, options))
    }

    fn move_to(&self, to: &Address, options: &OpenOptions) -> Result<Migrated, Error> {
        let (here, there) = (stores::told(self.address())?, stores::told(to)?);
        if stores::are_same(self.address(), to) || here == there {
            return Err(MigrateError::Same(there).into());
        }
        // 1. Nobody changes it until `still` is gone.
        let still = self.store().still(self.deadline())?;
        let gone = Elsewhere::MovedTo(there.clone());
        match still.elsewhere()? {
            None if self.is_at(to, options) => return Err(MigrateError::Same(there).into()),
            None => {}
            Some(elsewhere) if elsewhere == gone => {
                return self.arrive(&*still, here, there, to, options);
            }
            Some(elsewhere) => return Err(elsewhere.refusal().into()),
        }
        // 2. A copy that nobody uses, nor makes anew from now on.
        let coming = Coming { board: self.store().id()?, from: here.clone() };
        let (arrived, left) = carry(&*still, to, &coming, options)?;
        let waits = arrived.still(self.deadline())?;
        if waits.elsewhere()? != Some(coming.elsewhere())
            || left.is_none()
            || sum_of(&*waits)? != left
        {
            return Err(MigrateError::Differs(there).into());
        }
        self.expect_one_time(&*arrived, &there)?;
        // 3. It is gone.
        if let Err(error) = still.say(Some(&gone)) {
            // If it was said all the same, and whoever looks under the lock finds it, it is so; unless somebody else said it, of
            // another copy.
            let again = self.store().still(self.deadline())?;
            if again.elsewhere()? != Some(gone) || sum_of(&*again)? != left {
                return Err(of_switch(error));
            }
        }
        // 4. It has arrived.
        waits.say(None).map_err(of_switch)?;
        told(&*arrived, here, there, false)
    }

    /// Leases are over by the clock of the place: whoever holds a task keeps it for as long as they were told only where both
    /// clocks say about the same.
    fn expect_one_time(&self, arrived: &dyn Keeper, there: &str) -> Result<(), Error> {
        let (view, own) = self.store().snapshot()?;
        let other = arrived.snapshot()?.1;
        let apart = Duration::from_millis(own.wall.0.abs_diff(other.wall.0));
        if apart > APART_MAX && view.head()?.counts.of(Status::InProgress) > 0 {
            return Err(MigrateError::Clocks { there: there.to_owned(), apart }.into());
        }
        Ok(())
    }

    /// Whether this very board is there, which stands still for us: an address can be spelt in many ways.
    fn is_at(&self, to: &Address, options: &OpenOptions) -> bool {
        let Ok(found) = stores::open(to, options) else { return false };
        let (Ok(id), Ok(own)) = (found.id(), self.store().id()) else { return false };
        let stands_still = || found.still(Instant::now() + MOMENT).err();
        // A copy of it has a lock of its own.
        id == own && matches!(stands_still(), Some(BeginError::Timeout { .. }))
    }

    /// Step 4 of an earlier try.
    fn arrive(
        &self,
        left: &dyn Still,
        here: String,
        there: String,
        to: &Address,
        options: &OpenOptions,
    ) -> Result<Migrated, Error> {
        let gone = |found| Error::from(MigrateError::Gone { to: there.clone(), found });
        let mut arrived = match stores::open(to, options) {
            Err(OpenError::NoBoard { .. }) => return Err(gone("none")),
            opened => opened?,
        };
        let board = self.store().id()?;
        if arrived.id()? != board {
            return Err(gone("another one"));
        }
        let waits = arrived.still(self.deadline())?;
        // It may have come from here when this place was called otherwise.
        let from = match waits.elsewhere()? {
            None => {
                drop(waits);
                return told(&*arrived, here, there, true);
            }
            Some(Elsewhere::ArrivingFrom(from)) => from,
            Some(elsewhere) => return Err(elsewhere.refusal().into()),
        };
        let sum = sum_of(left)?;
        if sum.is_some() && sum_of(&*waits)? == sum {
            waits.say(None).map_err(of_switch)?;
            return told(&*arrived, here, there, true);
        }
        // A try that had lost its lock put an older copy there. What left stands still, and is carried again.
        drop(waits);
        arrived = carry(left, to, &Coming { board, from }, options)?.0;
        let waits = arrived.still(self.deadline())?;
        if sum.is_none() || sum_of(&*waits)? != sum {
            return Err(MigrateError::Differs(there).into());
        }
        waits.say(None).map_err(of_switch)?;
        told(&*arrived, here, there, true)
    }
}

fn of_switch(error: SwitchError) -> Error {
    taskhost_board::Error::from(error).into()
}

/// What is told of a board that has arrived.
fn told(board: &dyn Keeper, from: String, to: String, already: bool) -> Result<Migrated, Error> {
    let head = board.snapshot()?.0.head()?;
    Ok(Migrated { from, to, tasks: head.counts.total(), sequence: head.sequence, already })
}

/// The sum of an export, if this is its end.
fn sum(line: &TransferLine) -> Option<Digest> {
    match line {
        TransferLine::End { sum, .. } => Some(*sum),
        _ => None,
    }
}

/// The sum of what stands still.
fn sum_of(still: &dyn Still) -> Result<Option<Digest>, Error> {
    let mut found = None;
    still.export(&mut |line| {
        found = sum(&line).or(found);
        Ok(())
    })?;
    Ok(found)
}

/// Step 2: makes a board of one that stands still, and says what the sum was of what left.
fn carry(
    still: &dyn Still,
    to: &Address,
    coming: &Coming,
    options: &OpenOptions,
) -> Result<(Arc<dyn Keeper>, Option<Digest>), Error> {
    let (reader, writer) = io::pipe().map_err(MigrateError::Pipe)?;
    let mut left = None;
    let (imported, exported) = thread::scope(|scope| {
        let import =
            scope.spawn(|| stores::import(to, BufReader::new(reader), Some(coming), options));
        let mut out = BufWriter::new(writer);
        let exported = still.export(&mut |line| {
            left = sum(&line).or(left);
            out.write_all(&line.encode()?)
        });
        let exported = exported.and_then(|()| Ok(out.flush()?));
        // Otherwise the import would wait for more.
        drop(out);
        (import.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)), exported)
    });
    match (imported, exported) {
        (Ok(arrived), Ok(())) => Ok((arrived, left)),
        // Whoever takes in nothing more reads nothing more.
        (Err(error), Ok(()) | Err(ExportError::Write(_))) => Err(error.into()),
        (_, Err(error)) => Err(error.into()),
    }
}
