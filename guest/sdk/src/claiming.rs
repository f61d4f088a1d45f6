//! Giving the asker the first task of a cursor that can be claimed.

use crate::assignment::Answer;
use crate::{Cursor, DurationMs, StepError, Transaction};

/// How many tasks that can't be claimed after all are passed over: more would come near the deadline.
const PASSED_OVER_MAX: u32 = 256;

impl Cursor {
    /// Claims the first task that can be claimed, and says what came of it: `staged`, or `nothing` if there is none.
    ///
    /// A task that somebody has locked by hand can't be, and is passed over. The lease is in milliseconds, 30 minutes if
    /// none is given; usually it is the one that the request would like.
    #[must_use = "it is the hook's answer"]
    pub fn claim_first(&self, tx: &Transaction, lease: Option<DurationMs>) -> Answer {
        for _ in 0..PASSED_OVER_MAX {
            let Some(task) = self.next(1).pop() else { return Answer::Nothing(None) };
            match tx.claim(&task.id, lease) {
                Ok(()) => return Answer::Staged,
                Err(StepError::Conflict(_)) => {}
                Err(error) => return Answer::Refused(error.message().to_owned()),
            }
        }
        Answer::Nothing(None)
    }
}
