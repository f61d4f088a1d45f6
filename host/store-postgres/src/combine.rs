//! Claims of a handle that share a transaction: see [`crate::desk`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{
    Aim, BeginError, Begun, Combiner, CommitError, Committed, Decided, Entry, Measure, Meter as _,
    PostError, Posting, Tally,
};

use crate::begin;
use crate::desk::{Asked, SERVED_MAX, Turn};
use crate::opened::PostgresOpened;
use crate::rows::bigint;
use crate::shared::Shared;
use crate::tx::Tx;

/// For how long others are served at most, as far as can be told beforehand: whoever comes later waits as long.
const SERVING_MAX: Duration = Duration::from_millis(50);

/// Opens a transaction, and takes note of what that took.
pub(crate) fn begin(shared: &Arc<Shared>, aim: &Aim, deadline: Deadline) -> Result<Tx, BeginError> {
    let (asked, meter) = (Deadline::now(), &shared.recorder);
    meter.count(Tally::Transactions);
    let begun = begin::begin(shared, aim, deadline);
    meter.record(Measure::LockWait, asked.elapsed());
    if let Err(BeginError::Timeout { .. }) = &begun {
        meter.count(Tally::Contended);
        meter.count(Tally::TimedOut);
    }
    begun
}

/// Opens a transaction, or has its work done in one that is open.
pub(crate) fn begin_or_post(
    shared: &Arc<Shared>,
    posting: &Posting<'_>,
    deadline: Deadline,
) -> Result<Begun, PostError> {
    match shared.desk().ask(posting.request, deadline) {
        Asked::Turn(turn) => {
            let tx = begin(shared, posting.aim, deadline)?;
            Ok(Begun::Opened(Box::new(PostgresOpened::with_turn(tx, turn))))
        }
        Asked::Declined => {
            let tx = begin(shared, posting.aim, deadline)?;
            Ok(Begun::Opened(Box::new(PostgresOpened::new(tx))))
        }
        Asked::Answered(answer) => {
            shared.recorder.count(Tally::Combined);
            Ok(Begun::Served(answer))
        }
        Asked::Unknown(why) => Err(CommitError::Unknown(why).into()),
    }
}

impl PostgresOpened {
    /// Commits the entry, and what is decided for those who wait meanwhile.
    pub(crate) fn commit_for_all(
        mut self,
        entry: &Entry,
        mut turn: Turn,
        combiner: &mut dyn Combiner,
    ) -> Result<Committed, CommitError> {
        // As long as this decision took, each of the others may take.
        let each = self.held.since.elapsed().max(Duration::from_micros(1));
        let room = SERVING_MAX.as_micros() / each.as_micros();
        self.tx.lock().stage(entry)?;
        let served = self.serve(&mut turn, usize::try_from(room).unwrap_or(1), combiner);
        let committed = match served {
            Ok(_) => self.send(),
            Err(ref error) => Err(error.clone()),
        };
        combiner.ended(committed.is_ok());
        match (&committed, served) {
            (Ok(_), Ok(answers)) => turn.answer(answers),
            (Err(CommitError::Unknown(why)), _) => turn.leave_unknown(why),
            // They do it themselves.
            _ => {}
        }
        committed
    }

    fn send(&self) -> Result<Committed, CommitError> {
        let sent = Deadline::now();
        let committed = self.tx.lock().send();
        self.held.shared.recorder.record(Measure::Sync, sent.elapsed());
        committed
    }

    /// Decides for those who wait, and says what to answer them. What can't be had for them loses the whole transaction.
    fn serve(
        &mut self,
        turn: &mut Turn,
        room: usize,
        combiner: &mut dyn Combiner,
    ) -> Result<Vec<Vec<u8>>, CommitError> {
        // They don't go on by themselves any more, so what is read for them isn't kept from others in vain. What was read when
        // this began was for as many as came the last time.
        let posts = turn.take_up(room.clamp(1, SERVED_MAX));
        self.held.shared.served.store(bigint(posts.len() as u64), Ordering::Relaxed);
        if !posts.is_empty() {
            let mut tx = self.tx.lock();
            let read = tx.read_ahead(posts.len());
            read.map_err(|error| tx.not_committed(&error))?;
        }
        let mut answers = Vec::new();
        for post in posts {
            let decided = combiner.decide(self, &post.request);
            let mut tx = self.tx.lock();
            if let Some(cells) = tx.lost() {
                return Err(CommitError::Lost(cells));
            }
            // As a rule nothing is left, or nothing can be decided here: they do it themselves.
            let Some(Decided { entry, answer }) = decided else { break };
            tx.stage(&entry)?;
            answers.push(answer);
        }
        Ok(answers)
    }
}
