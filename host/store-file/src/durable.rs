//! Making things durable: [`Inner::make_durable`] is the one place where the journal is synced for somebody.
//!
//! Invariants: nothing is said to be durable whose sync failed, by no process, nor what was appended after a sync began; and
//! a generation whose sync failed is poisoned, for everybody.

use std::io;

use taskhost_board::{CommitError, Generation, Sequence};

use crate::disk::How;
use crate::format::names;
use crate::options::PlantedBug;
use crate::state::{Current, Inner};
use crate::words::{Wake, Words};

/// Who made something durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncedBy {
    /// This caller, just now.
    Us,
    /// Somebody else, before.
    Others,
}

impl Inner {
    /// Returns once `sequence`, which was read from or appended to `current`, is durable. An error means that
    /// this can't be known any more; then the generation is poisoned, for every process.
    ///
    /// One window stays. The kernel reports a failed write-back once to every descriptor that was open then, and to
    /// nobody who opens the file after one of them has been told. So an answered change can be lost where all of this
    /// comes together: a sync fails here; this process is killed, or stopped, before the next statement has said so in
    /// the shared words; no process that had the journal open before syncs it any more; another one opens the journal
    /// only now, finds lines past `durable_through`, and its own sync succeeds over pages that the kernel holds for
    /// clean; and then the power fails before the journal is replaced. Everybody who does sync with an older descriptor
    /// is told, and poisons the generation; the threads of one handle, which share one, take turns. A mark set before
    /// each sync and taken away after it doesn't close this: it can't tell a failed sync from one in which the process
    /// was just killed, which is common, and every kill would then cost a new generation. What would close it is that a
    /// process which attaches writes the lines it finds past `durable_through` again, the same bytes in the same place,
    /// so that their pages are its own to sync.
    pub(crate) fn make_durable(
        &self,
        current: &Current,
        sequence: Sequence,
    ) -> Result<SyncedBy, String> {
        if current.is_durable(sequence) {
            return Ok(SyncedBy::Others);
        }
        let _turn = current.syncing.lock();
        if current.is_durable(sequence) {
            // Another thread's sync has covered it meanwhile.
            return Ok(SyncedBy::Others);
        }
        let Some(turn) = current.words.sync_turn() else {
            return self.sync_in_turn(current).map(|()| SyncedBy::Us);
        };
        // One process syncs for all whose lines are there when it begins; the others sleep, and those that came too late
        // for it are served by the next one. Each sync has a cost of its own, however little it makes durable.
        loop {
            if let Some(held) = turn.try_take(Wake::All) {
                let synced = self.sync_in_turn(current);
                drop(held);
                // Those who have come meanwhile wait together for what comes next.
                current.call_one();
                return synced.map(|()| SyncedBy::Us);
            }
            let in_time = turn.wait();
            if current.is_durable(sequence) {
                return Ok(SyncedBy::Others);
            }
            if !in_time {
                self.sync_in_turn(current)?;
                drop(turn.seize(Wake::All));
                return Ok(SyncedBy::Us);
            }
        }
    }

    /// Syncs the journal, whatever is known of it: a cut isn't counted as an entry is, and has to be durable too before
    /// the journal becomes history. An error means the same as in [`Inner::make_durable`].
    pub(crate) fn sync_journal(&self, current: &Current) -> Result<(), String> {
        let _turn = current.syncing.lock();
        self.sync_in_turn(current)
    }

    fn sync_in_turn(&self, current: &Current) -> Result<(), String> {
        if self.options.has(PlantedBug::SyncLeftOut) {
            return Ok(());
        }
        // Read before the sync begins: what is appended during it may be missed by it.
        let through = current.words.appended_through();
        let is_ours = current.words.generation() == current.generation;
        if self.options.has(PlantedBug::AnsweredBeforeSync) {
            current.words.raise_durable(through);
        }
        self.timed_sync(|| {
            // Never tried again: the second sync may succeed although the first one's pages are lost.
            current.journal.sync().inspect_err(|_| {
                self.poison(current.generation, Some(&current.words));
            })
        })
        .map_err(|error| error.to_string())?;
        // A later generation, too: whatever it was recovered from, an entry of this one need not be in it.
        let was_poisoned = current.words.was_poisoned_since(current.generation);
        if was_poisoned && !self.options.has(PlantedBug::PoisonIgnored) {
            return Err("another process's sync of the journal failed".into());
        }
        // Otherwise it was another file that was synced.
        self.expect_found(current).map_err(|error| error.to_string())?;
        let through = match self.options.has(PlantedBug::SyncCoversLater) {
            true => current.words.appended_through(),
            false => through,
        };
        // Words about another generation count its lines, which this sync has nothing to do with: a switch may have come
        // since the caller looked. The journal's own entries are synced all the same.
        if is_ours {
            current.words.raise_durable(through);
        }
        Ok(())
    }

    /// Marks a generation as one whose sync failed: in the words for everybody now, and in a file for those who
    /// find no words.
    pub(crate) fn poison(&self, generation: Generation, words: Option<&Words>) {
        if let Some(words) = words {
            words.poison(generation);
        }
        let mark = || -> io::Result<()> {
            self.disk.open(&names::poisoned(generation), How::Lock)?.sync()?;
            self.disk.sync_dir(".")
        };
        // The disk has just failed, so this may too; then the words are all there is.
        let _ = mark();
    }

    /// Returns once `sequence`, which was appended to `current`, is durable and is found by those who open the board.
    pub(crate) fn make_answerable(
        &self,
        current: &Current,
        sequence: Sequence,
    ) -> Result<SyncedBy, CommitError> {
        let synced = self.make_durable(current, sequence).map_err(CommitError::Unknown)?;
        if synced == SyncedBy::Others {
            // It was this journal that they synced, unless another one has its name by now.
            self.expect_found(current).map_err(|e| CommitError::Unknown(e.to_string()))?;
        }
        Ok(synced)
    }
}
