//! When the journal is long enough that making it short is worth it.
//!
//! Invariant: over a board's life, what compactions write is no more than what was appended: one is due only when
//! the journal is as long as the snapshot that it continues, and has the size that the board's settings say; or when the
//! index, which each of them gives room for several times of what is in it, is half full.

use std::time::Instant as Deadline;

use taskhost_board::image::ImageView;
use taskhost_board::{SwitchError, View as _};

use crate::disk::How;
use crate::format::names;
use crate::index;
use crate::state::Inner;
use crate::switch::Purpose;

impl Inner {
    /// Whether a compaction is worth it by now. Cheap, and takes no lock; `false` where that can't be said, as of a
    /// board that needs mending first.
    pub(crate) fn compaction_is_due(&self) -> bool {
        let Some(current) = self.open_generation() else { return false };
        if current.elsewhere.is_some() {
            return false;
        }
        let settings =
            index::read(&*current.index).and_then(|reading| ImageView::new(reading).settings());
        let Ok(Some(least)) = settings.map(|settings| settings.compact_bytes()) else {
            return false;
        };
        if current.index.is_filling_up() && least < u64::MAX {
            // Otherwise it is made anew in the middle of somebody's claim.
            return true;
        }
        let snapshot = self.disk.open(&names::tasks(current.generation), How::Read);
        let snapshot = snapshot.and_then(|file| file.len());
        matches!((current.journal.len(), snapshot), (Ok(journal), Ok(snapshot))
            if journal >= least && journal >= snapshot)
    }

    /// Compacts if it is due and nobody else is at it.
    pub(crate) fn compact_if_due(&self, deadline: Deadline) -> Result<bool, SwitchError> {
        if !self.compaction_is_due() {
            return Ok(false);
        }
        Ok(self.next_generation(Purpose::DueCompaction, deadline)?.is_some())
    }
}
