//! Switching to the next generation while others go on working: to set policies, to make the journal short, and to
//! go on in a newer format; or while the board stands still, to say that it is elsewhere.
//!
//! 1. Read the board at an instant, off the lock; ask the new policy about its pending tasks, page by page; write
//!    the next generation's snapshot and index with the answers.
//! 2. Copy the lines that came meanwhile into the next journal, still off the lock, until few are left.
//! 3. Under the lock: sync the old journal, which becomes history, copy the rest, add a line for the switch itself,
//!    sync, and publish.
//!
//! The policy never runs under the lock: what changed meanwhile was answered by the old policy, so the switch's own
//! line marks it as unasked, and wakes whatever the new policy lets wait on it; the transactions after the switch
//! take these in batches, as always.
//!
//! Two switches at once would do the work twice, so they take turns, by a lock of their own. Recovery from a failed
//! sync doesn't wait for them: then the generation isn't the one that was prepared for, and the switch starts over.
//! A crash at any point leaves one generation current, and litter that the next switch sweeps up.

use std::time::Instant as Deadline;

use taskhost_board::image::ImageView;
use taskhost_board::{
    Ask, BeginError, CommitError, Committed, Elsewhere, PolicySet, ReadError, SwitchError,
    SwitchPlan, View as _,
};

use crate::board_lock::BoardGuard;
use crate::disk::Hold;
use crate::draft::Draft;
use crate::format::snapshot::Header;
use crate::format::{BoardFile, FORMAT, names};
use crate::index::{Meta, SharedReading};
use crate::lock::{FileLock, LockError};
use crate::options::Notice;
use crate::publish::PublishError;
use crate::state::{Inner, failed};

/// How many bytes of the journal may be left to copy under the lock. Simulated journals are short, and something has to
/// be copied before the lock there too.
const REST_BYTES: u64 = if cfg!(any(test, feature = "simulation")) { 1 } else { 64 * 1024 };
/// How often the rest is copied off the lock before it is done under it, however much is left.
const ROUNDS_MAX: u32 = 16;
/// How often it is started over because the generation changed meanwhile.
const ATTEMPTS_MAX: u32 = 8;

/// Why a generation is switched.
pub(crate) enum Purpose<'a, 'b> {
    Policies(&'a SwitchPlan, &'a mut Ask<'b>),
    /// To make the journal short.
    Compaction,
    /// The same, if it is long enough to be worth it.
    DueCompaction,
    /// To go on in the format that this version writes.
    Upgrade,
    /// To say where the board is, if not here: whoever has it open finds another generation, and looks.
    Say(Option<&'a Elsewhere>),
}

impl Inner {
    /// Sets the board's policies.
    pub(crate) fn switch(
        &self,
        plan: SwitchPlan,
        ask: &mut Ask<'_>,
        deadline: Deadline,
    ) -> Result<Committed, SwitchError> {
        let switched = self.next_generation(Purpose::Policies(&plan, ask), deadline)?;
        switched
            .ok_or_else(|| begin(ReadError::Failed("there was nothing to switch".into())).into())
    }

    /// Begins a generation with an empty journal.
    pub(crate) fn compact(&self, deadline: Deadline) -> Result<(), SwitchError> {
        self.next_generation(Purpose::Compaction, deadline).map(|_| ())
    }

    /// Begins the next generation; `None` if nothing needs to be done.
    pub(crate) fn next_generation(
        &self,
        mut purpose: Purpose<'_, '_>,
        deadline: Deadline,
    ) -> Result<Option<Committed>, SwitchError> {
        self.lock.same_process().map_err(|e| ReadError::Failed(e.to_string())).map_err(begin)?;
        let started = Deadline::now();
        let Some(_turn) = self.turn(&purpose, deadline)? else { return Ok(None) };
        self.expect_here().map_err(begin)?;
        if let Purpose::Policies(plan, _) = &purpose {
            self.put_components(&plan.components).map_err(begin)?;
            for digest in plan.policies.digests() {
                self.component(digest).map_err(begin)?;
            }
        }
        for _ in 0..ATTEMPTS_MAX {
            // Somebody else may have done it while the lock was waited for.
            if !self.is_due(&purpose)? {
                return Ok(None);
            }
            // The caller's patience is for the lock, not for the work before it, which may be long.
            let patience = deadline.saturating_duration_since(started);
            let Some(mut draft) = self.prepare(&mut purpose, deadline)? else { continue };
            let guard = self.lock(Deadline::now() + patience).map_err(SwitchError::from);
            let result = guard.and_then(|guard| self.finish(&mut draft, &purpose, guard));
            if !matches!(result, Ok(Some(_))) {
                draft.discard(self);
            }
            if let Some(committed) = result? {
                if draft.file.format < FORMAT {
                    self.notice(Notice::Upgraded { from: draft.file.format, to: FORMAT });
                }
                return Ok(Some(committed));
            }
        }
        Err(begin(ReadError::Failed("the board's generation changed again and again".into()))
            .into())
    }

    /// Says where the board is, if not here: for one who has the board's lock and that of switches.
    pub(crate) fn say(
        &self,
        guard: BoardGuard,
        elsewhere: Option<&Elsewhere>,
    ) -> Result<(), SwitchError> {
        let changed = || begin(ReadError::Failed("the board's generation changed".into()));
        let mut purpose = Purpose::Say(elsewhere);
        let mut draft = self.prepare(&mut purpose, self.wait_max())?.ok_or_else(changed)?;
        let result = self.finish(&mut draft, &purpose, guard);
        if !matches!(result, Ok(Some(_))) {
            draft.discard(self);
        }
        result?.ok_or_else(changed)?;
        Ok(())
    }

    /// Takes the lock of switches; `None` if somebody else is at it already and that will do.
    pub(crate) fn turn(
        &self,
        purpose: &Purpose<'_, '_>,
        deadline: Deadline,
    ) -> Result<Option<FileLock>, BeginError> {
        let can_wait = !matches!(purpose, Purpose::DueCompaction);
        let deadline = if can_wait { deadline } else { Deadline::now() };
        let turn = self.helpers.lock(&self.disk, "", names::SWITCH_LOCK, Hold::Exclusive, deadline);
        match turn {
            Ok(turn) => Ok(Some(turn)),
            Err(LockError::Timeout(_)) if !can_wait => Ok(None),
            Err(LockError::Timeout(waited)) => {
                let file = self.disk.identity(names::SWITCH_LOCK).ok();
                let holder = file.and_then(|file| self.platform.lock_holder(file));
                Err(BeginError::Timeout { waited, holder })
            }
            Err(other) => Err(ReadError::Failed(other.to_string()).into()),
        }
    }

    fn is_due(&self, purpose: &Purpose<'_, '_>) -> Result<bool, BeginError> {
        match purpose {
            Purpose::Policies(..) | Purpose::Compaction | Purpose::Say(_) => Ok(true),
            Purpose::DueCompaction => Ok(self.compaction_is_due()),
            Purpose::Upgrade => Ok(self.board_file()?.format < FORMAT),
        }
    }

    /// Steps 1 and 2. `None` if the generation changed meanwhile.
    fn prepare(
        &self,
        purpose: &mut Purpose<'_, '_>,
        deadline: Deadline,
    ) -> Result<Option<Draft>, SwitchError> {
        let (current, reading, meta) = self.snapshot(deadline)?;
        let file = self.board_file()?;
        if file.generation != current.generation {
            return Ok(None);
        }
        let reading = SharedReading::new(reading);
        let header = self.next_header(&file, &reading, &meta, purpose)?;
        let mut draft = Draft::begin(self, file, &header, &meta).map_err(begin)?;
        let written = draft.write_snapshot(self, &header, &meta, &reading, purpose);
        drop(reading);
        let copied = written.and_then(|()| {
            for _ in 0..ROUNDS_MAX {
                let rest = current.journal.len().map_err(failed("journal")).map_err(begin)?;
                if rest.saturating_sub(draft.old.offset) <= REST_BYTES {
                    break;
                }
                draft.copy_lines(&current).map_err(begin)?;
                // So that little is left to sync under the lock. In each round, for others write on while it lasts.
                draft.journal.sync().map_err(failed(&draft.journal_name)).map_err(begin)?;
            }
            Ok(())
        });
        if let Err(error) = copied {
            draft.discard(self);
            return Err(error);
        }
        Ok(Some(draft))
    }

    fn next_header(
        &self,
        file: &BoardFile,
        reading: &SharedReading,
        meta: &Meta,
        purpose: &Purpose<'_, '_>,
    ) -> Result<Header, SwitchError> {
        let view = ImageView::new(reading.clone());
        let head = view.head().map_err(begin)?;
        let policies = view.policies().map_err(begin)?;
        let policies = match purpose {
            Purpose::Policies(plan, _) => {
                check_policies(plan, &policies)?;
                plan.policies.clone()
            }
            Purpose::Compaction | Purpose::DueCompaction | Purpose::Upgrade | Purpose::Say(_) => {
                policies
            }
        };
        let elsewhere = match purpose {
            Purpose::Say(elsewhere) => elsewhere.cloned(),
            _ => file.elsewhere.clone(),
        };
        Ok(Header {
            format: FORMAT,
            board: file.board.clone(),
            generation: file.generation.next(),
            base: head.sequence,
            token: head.token,
            born: head.born,
            policies,
            settings: view.settings().map_err(begin)?,
            created: self.platform.now().wall,
            past: self.past_of(file, meta).map_err(begin)?,
            elsewhere,
        })
    }

    /// Step 3. `None` if the generation changed meanwhile.
    fn finish(
        &self,
        draft: &mut Draft,
        purpose: &Purpose<'_, '_>,
        guard: BoardGuard,
    ) -> Result<Option<Committed>, SwitchError> {
        // What was prepared continues one generation and no other; a poisoned one was left by `mended`.
        let current = self.mended(&guard)?;
        let (current, reading, meta) = self.catch_up(&guard, current)?;
        if current.generation != draft.file.generation {
            return Ok(None);
        }
        let elsewhere = match purpose {
            Purpose::Say(elsewhere) => elsewhere.cloned(),
            _ => {
                current.expect_here().map_err(begin)?;
                None
            }
        };
        let policies = ImageView::new(reading).policies().map_err(begin)?;
        if let Purpose::Policies(plan, _) = purpose {
            check_policies(plan, &policies)?;
        }
        // The old journal becomes history, which nobody syncs or mends any more, and which is read whole: a power
        // failure must not tear its end, nor bring back one that was cut off. Nothing says whether a cut is durable, so
        // it is synced in any case.
        self.sync_journal(&current).map_err(CommitError::NotWritten)?;
        let not_written = |error: ReadError| CommitError::NotWritten(error.to_string());
        draft.copy_lines(&current).map_err(not_written)?;
        draft.expect_all(&current, meta.tail()).map_err(not_written)?;
        if let Purpose::Policies(plan, _) = purpose {
            draft.add_switch(self, plan).map_err(not_written)?;
        }
        draft.journal.sync().map_err(failed(&draft.journal_name)).map_err(not_written)?;
        let words = self.words(&draft.file.board).map_err(not_written)?;
        let Some(next) = draft.take_next(elsewhere) else { return Ok(None) };
        let committed = Committed { sequence: next.through };
        match self.publish(&guard, &draft.file, words, next) {
            Ok(current) => {
                self.sweep_litter(&guard, &current);
                drop(guard);
                self.retire(&current, false);
                // What can't be removed now is removed by the next switch.
                let _ = self.trim_history();
                Ok(Some(committed))
            }
            // It is done; whoever comes next opens it.
            Err(PublishError::Open(_)) => Ok(Some(committed)),
            Err(PublishError::Unchanged(why)) => {
                draft.remove_index(self);
                Err(CommitError::NotWritten(why).into())
            }
            Err(PublishError::Unknown(why)) => Err(CommitError::Unknown(why).into()),
        }
    }
}

/// Refuses a plan that was made for other policies than those that are set now.
fn check_policies(plan: &SwitchPlan, now: &PolicySet) -> Result<(), SwitchError> {
    let found = now.leading().digest;
    match plan.expect {
        Some(expected) if expected != found => Err(SwitchError::Changed { found, expected }),
        _ if plan.derived_from != *now => Err(SwitchError::Moved),
        _ => Ok(()),
    }
}

pub(crate) fn begin(error: ReadError) -> BeginError {
    BeginError::Read(error)
}
