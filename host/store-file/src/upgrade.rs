//! Boards of an older format: read as they are, and upgraded before this version changes them for the first time.
//!
//! The upgrade is a switch of generations like a compaction, prepared off the lock, so that a crash at any step
//! leaves the board in its old format or in the new one, whole, and handles that are open follow at their next
//! transaction. Invariant: nothing is appended to a journal whose format older versions would take for theirs.

use std::time::Instant as Deadline;

use taskhost_board::{BeginError, ReadError, SwitchError};

use crate::format::FORMAT;
use crate::state::Inner;
use crate::switch::Purpose;

impl Inner {
    /// Makes the board one of this version's format, if it is older. A board never goes back, so whoever takes the
    /// lock afterwards needn't look again. Returns until when to wait for that lock: the caller's patience is for
    /// the lock, not for an upgrade before it, which may be long.
    pub(crate) fn upgrade_if_old(&self, deadline: Deadline) -> Result<Deadline, BeginError> {
        if self.current(deadline)?.format >= FORMAT {
            return Ok(deadline);
        }
        let patience = deadline.saturating_duration_since(Deadline::now());
        self.next_generation(Purpose::Upgrade, deadline).map_err(|error| match error {
            SwitchError::Begin(error) => error,
            other => {
                let why = format!("the board could not be upgraded to format {FORMAT}: {other}");
                BeginError::Read(ReadError::Failed(why))
            }
        })?;
        Ok(Deadline::now() + patience)
    }
}
