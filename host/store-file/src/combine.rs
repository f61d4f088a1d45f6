//! Combining, as the file store does it: posting what is wanted instead of waiting for the board's lock, and serving what
//! others have posted before letting go of it. What can be posted where is said in `words::slots`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{
    BeginError, Begun, Combiner, CommitError, Decided, Entry, Measure, Meter as _, Opened,
    PostError, Posting, ReadError, Sequence, Tally,
};

use crate::board_lock::BoardGuard;
use crate::commit::FileOpened;
use crate::format::names;
use crate::hand::Lockable;
use crate::state::{Current, Inner, Queue, failed};
use crate::words::{Answer, Look, PATIENCE, Posted, Slots, Taken, Turn, Wake};

/// How many are served before the lock is let go of: those who wait for something else have their turn before long.
const SERVED_MAX: usize = 32;
/// For how long others are served, unless one of them takes longer.
const SERVING_MAX: Duration = Duration::from_millis(5);
/// After how many transactions of a handle the slots are rid of what dead processes left.
const SWEEP_EVERY: u64 = 256;
/// How many of a handle's claims aren't posted after one that was declined: as a rule there is nothing to claim then.
const SKIPPED_AFTER_DECLINE: u32 = 16;

/// Those that are served in one transaction.
#[derive(Default)]
pub(crate) struct Served(Vec<Taken>);

impl Served {
    /// One that was decided.
    #[cfg(test)]
    pub(crate) fn of(taken: Taken) -> Self {
        Self(vec![taken])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says that their entries are about to be appended; `false` if one of them doesn't want that any more.
    pub(crate) fn begin_appending(&self) -> bool {
        self.0.iter().all(Taken::begin_appending)
    }

    /// Tells them what came of it. Those who get an answer are woken once it is durable ([`Served::wake`]).
    pub(crate) fn answer(&self, appended: &Result<(), CommitError>) {
        for taken in &self.0 {
            match appended {
                Ok(()) => taken.answer(),
                // As it was left, so that its poster finds out.
                Err(CommitError::Unknown(_)) => {}
                Err(CommitError::NotWritten(_) | CommitError::Conflict | CommitError::Lost(_)) => {
                    taken.decline()
                }
            }
        }
    }

    pub(crate) fn wake(&self) {
        self.0.iter().for_each(Taken::wake);
    }
}

impl FileOpened {
    /// Serves what others have posted, after this transaction's own entry.
    pub(crate) fn serve(&mut self, combiner: &mut dyn Combiner) -> Served {
        let mut served = Served::default();
        // Where the lock is held by hand, around this process, whoever waits for it outside has to wait on.
        if !combiner.decides() || self.inner.lock.path() != names::LOCK {
            return served;
        }
        let Some(slots) = self.current.words.slots().cloned() else { return served };
        if self.inner.begun.load(Ordering::Relaxed) % SWEEP_EVERY == 1 {
            slots.sweep(self.now.boot_ms);
        }
        let began = Deadline::now();
        let mut next = 0;
        while served.0.len() < SERVED_MAX
            && began.elapsed() < SERVING_MAX
            && let Some(taken) = slots.take(&mut next, self.now.boot_ms)
        {
            self.go_on_for_others();
            match self.serve_one(combiner, taken) {
                Some(taken) => served.0.push(taken),
                // It may be that nothing can be decided here, or nothing is left.
                None => break,
            }
        }
        served
    }

    /// Serves one; nothing, if its poster is to do it.
    fn serve_one(&mut self, combiner: &mut dyn Combiner, taken: Taken) -> Option<Taken> {
        let Some(Decided { entry, answer }) = combiner.decide(self, &taken.request) else {
            taken.decline();
            return None;
        };
        let (generation, sequence) = (self.current.generation, self.next_sequence());
        if Slots::has_room_for(answer.len())
            && taken.stage(generation, sequence, &answer)
            && self.stage(&entry).is_ok()
        {
            return Some(taken);
        }
        combiner.dropped();
        taken.decline();
        None
    }
}

impl Inner {
    /// Opens a transaction, or has its work done by whoever has one open.
    pub(crate) fn begin_or_post(
        self: &Arc<Self>,
        posting: &Posting<'_>,
        deadline: Deadline,
    ) -> Result<Begun, PostError> {
        self.inherited
            .check(&Lockable::Board)
            .map_err(failed(names::LOCK))
            .map_err(BeginError::from)?;
        let Some(place) = self.place_to_post() else {
            return Ok(opened(self.begin(deadline)?));
        };
        let deadline = self.before_begin(deadline)?;
        if !place.is_syncing()
            && let Some(guard) = self.try_lock(&place.queue)?
        {
            return Ok(opened(self.begin_locked(guard)?));
        }
        match place.post(self, posting) {
            Some(posted) => self.wait_for(&place, &posted, posting.seed, deadline),
            None => Ok(opened(self.lock_and_begin(deadline)?)),
        }
    }

    fn lock_and_begin(self: &Arc<Self>, deadline: Deadline) -> Result<FileOpened, BeginError> {
        let guard = self.lock(deadline)?;
        self.begin_locked(guard)
    }

    /// Where this handle can post, if it can and it is worth while.
    fn place_to_post(&self) -> Option<Place> {
        // What is locked by hand around this process is for those inside, and others don't know who that is.
        if !self.inherited.is_empty() {
            return None;
        }
        let skips = |left: u32| left.checked_sub(1);
        if self.posts_skipped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, skips).is_ok() {
            return None;
        }
        let current = self.follow()?;
        let queue = self.queue()?;
        let slots = queue.slots.clone()?;
        // Entries after it may be lost, and others have their numbers then.
        let since = current.words.durable_through();
        let syncing = current.words.sync_turn();
        Some(Place { current, queue, slots, syncing, since })
    }

    fn try_lock(&self, queue: &Queue) -> Result<Option<BoardGuard>, BeginError> {
        let guard = self.lock.try_lock(&queue.turn);
        let guard = guard.map_err(|error| ReadError::Failed(error.to_string()))?;
        Ok(guard.map(|guard| guard.calling(queue.slots.clone())))
    }

    /// Waits until somebody has served what was posted, or the lock can be had.
    fn wait_for(
        self: &Arc<Self>,
        place: &Place,
        posted: &Posted,
        seed: u64,
        deadline: Deadline,
    ) -> Result<Begun, PostError> {
        self.recorder.count(Tally::Contended);
        let began = Deadline::now();
        let mut patience = deadline.min(began + PATIENCE);
        loop {
            posted.hear();
            // Who let go of the lock just before it was posted doesn't know of it.
            if !place.is_syncing() && posted.look() == Look::Open {
                match self.try_lock(&place.queue) {
                    // While it is held here, nobody else serves it; but it may just have been served.
                    Ok(Some(guard)) if posted.take_back() => {
                        return Ok(opened(self.begin_locked(guard)?));
                    }
                    Err(error) if posted.take_back() => return Err(error.into()),
                    Ok(_) | Err(_) => {}
                }
            }
            match posted.look() {
                Look::Open => {}
                Look::Answered(answer) => {
                    // It was waited for all the same.
                    self.recorder.record(Measure::LockWait, began.elapsed());
                    return self.accept(place, posted, answer, seed, deadline);
                }
                Look::Declined => {
                    self.posts_skipped.store(SKIPPED_AFTER_DECLINE, Ordering::Relaxed);
                    return Ok(opened(self.lock_and_begin(deadline)?));
                }
                // It takes an instant, unless whoever is at it died.
                Look::Appending if Deadline::now() < patience => {}
                Look::Appending | Look::Lost => return self.find(place, posted, seed, deadline),
            }
            if !posted.sleep(patience) {
                if posted.take_back_unless_taken() {
                    place.end_dead_sync();
                    return Ok(opened(self.lock_and_begin(deadline)?));
                }
                let now = Deadline::now();
                if now >= deadline && posted.take_back() {
                    // Whoever is at it has the lock.
                    return Ok(opened(self.lock_and_begin(deadline)?));
                }
                if posted.look() == Look::Open {
                    patience = deadline.max(now).min(now + PATIENCE);
                }
            }
        }
    }

    /// Hands over an answer once it is durable.
    fn accept(
        self: &Arc<Self>,
        place: &Place,
        posted: &Posted,
        answer: Answer,
        seed: u64,
        deadline: Deadline,
    ) -> Result<Begun, PostError> {
        match self.generation_of(place, &answer) {
            Some(current) => self.answered(&current, answer),
            None => self.find(place, posted, seed, deadline),
        }
    }

    /// The generation that an answer's entry is in, where it is the one it was posted in or the one after a switch.
    fn generation_of(&self, place: &Place, answer: &Answer) -> Option<Arc<Current>> {
        if answer.generation == place.current.generation {
            return Some(place.current.clone());
        }
        self.follow().filter(|current| current.generation == answer.generation)
    }

    fn answered(&self, current: &Current, answer: Answer) -> Result<Begun, PostError> {
        self.make_answerable(current, answer.sequence)?;
        self.recorder.count(Tally::Combined);
        Ok(Begun::Served(answer.content))
    }

    /// Looks in the journal for what became of a posting, once nobody can be at it any more.
    fn find(
        self: &Arc<Self>,
        place: &Place,
        posted: &Posted,
        seed: u64,
        deadline: Deadline,
    ) -> Result<Begun, PostError> {
        let guard = self.lock(deadline).map_err(|error| {
            CommitError::Unknown(format!(
                "another process was about to do it, and came to a stop ({error}); look at the board before you try again"
            ))
        })?;
        if let Look::Answered(answer) = posted.look()
            && let Some(current) = self.generation_of(place, &answer)
        {
            drop(guard);
            return self.answered(&current, answer);
        }
        // Who is stopped for long enough to lose the lock's file doesn't append any more.
        let answer = posted.leave();
        let unknown = |error: &dyn std::fmt::Display| {
            CommitError::Unknown(format!(
                "another process was at it and has ended, and what came of it can't be read: {error}"
            ))
        };
        let found = self.begin_locked(guard).map_err(|error| unknown(&error))?;
        let through = found.applied();
        Opened::finish(Box::new(found))?;
        let (mut first, mut ours) = (None, None);
        let mut look = |sequence: Sequence, entry: Entry| {
            first.get_or_insert(sequence);
            if entry.seed == seed {
                ours = Some((sequence, entry));
            }
            ours.is_none()
        };
        self.history(place.since, &mut look).map_err(|error| unknown(&error))?;
        let begins = first.unwrap_or(through.next());
        match ours {
            Some((sequence, entry)) => {
                self.recorder.count(Tally::Combined);
                // What it was answered tells more: its task may have gone to somebody else since.
                let answer = answer.filter(|answer| answer.sequence == sequence);
                Ok(match answer {
                    Some(answer) => Begun::Served(answer.content),
                    None => Begun::Found(Box::new(entry)),
                })
            }
            None if begins > place.since.next() => {
                Err(unknown(&format!("the history begins with entry {begins}")).into())
            }
            None => Ok(opened(self.lock_and_begin(deadline)?)),
        }
    }
}

fn opened(opened: FileOpened) -> Begun {
    Begun::Opened(Box::new(opened))
}

/// Where something is posted.
struct Place {
    /// The generation whose lock is waited for.
    current: Arc<Current>,
    queue: Queue,
    slots: Arc<Slots>,
    /// Who syncs the journal.
    syncing: Option<Turn>,
    /// The newest entry before it was posted.
    since: Sequence,
}

impl Place {
    /// Whether the journal is being synced. Then whoever is called afterwards decides for all that have come meanwhile: the
    /// more it is at once, the less each costs.
    fn is_syncing(&self) -> bool {
        self.syncing.as_ref().is_some_and(Turn::is_taken)
    }

    /// Ends the turn of one that has synced for longer than anybody does: it may be dead.
    fn end_dead_sync(&self) {
        if self.is_syncing()
            && let Some(syncing) = &self.syncing
        {
            drop(syncing.seize(Wake::All));
        }
    }

    fn post(&self, inner: &Inner, posting: &Posting<'_>) -> Option<Posted> {
        let now = inner.platform.now();
        // The seed is as good as any number to tell posters apart.
        self.slots.post(posting.request, posting.seed as usize, now.boot_ms)
    }
}
