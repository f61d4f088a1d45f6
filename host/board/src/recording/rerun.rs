//! The same call again, of the same policy or of another build of it.

use std::sync::Arc;

use super::desk::Shared;
use super::powers::Answering;
use super::{Ending, Recording};
use crate::{
    Change, Choice, Classified, HookError, Hooked, Policy, Powers, ReadError, Rescue, Transaction,
    Verdict,
};

/// What a hook may answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "one for each hook")]
pub enum Answer {
    Readiness(Classified),
    Assignment(Choice),
    Lifecycle(Verdict),
    Recovery(Rescue),
}

/// What a call came to when it was run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// It failed or refused.
    Ended(Ending),
    /// It gave an answer.
    Answered(Answer),
    /// It asked for this, which the recorded call hadn't asked for; so nobody can say what would have come.
    Unknown(String),
}

/// A call that was run again.
#[derive(Debug, Clone)]
pub struct Reran {
    /// What came of it.
    pub came: Came,
    /// What the policies wrote to their logs.
    pub log: Vec<String>,
    /// What they staged.
    pub staged: Vec<Change>,
}

/// A recorded call that is about to be run again, once.
pub struct Rerun<'r> {
    recording: &'r Recording,
    desk: Shared,
}

impl<'r> Rerun<'r> {
    /// Lays the notes out.
    ///
    /// # Errors
    ///
    /// If the recording contradicts itself.
    pub fn new(recording: &'r Recording) -> Result<Self, ReadError> {
        let copy = recording.board.as_ref();
        let copy = copy.map(|copied| copied.view(&recording.policies, recording.transaction.now()));
        let head = recording.transaction.head.clone();
        let desk = Shared::answering(head, recording.notes.clone(), copy.transpose()?);
        Ok(Self { recording, desk })
    }

    /// The locks and files, as they were; what runs the policy is to be given these.
    pub fn powers(&self) -> Arc<dyn Powers> {
        Arc::new(Answering(self.desk.clone()))
    }

    /// Calls the hook.
    ///
    /// # Errors
    ///
    /// If the recording contradicts itself.
    pub fn call(self, policy: &dyn Policy) -> Result<Reran, ReadError> {
        let Recording { call, dry, staged, transaction, .. } = self.recording;
        let tx = Transaction::restored(self.desk.view(), self.desk.locks(), transaction, staged)?;
        let mut hooks = policy.enter(*dry);
        let Hooked { tx, answer } = call.call(&mut *hooks, tx);
        let log = hooks.take_log();
        hooks.close(false);
        let came = match (self.desk.take_missing(), answer) {
            // Whatever it made of the gap.
            (Some(missing), _) => Came::Unknown(missing),
            (None, Ok(answer)) => came(answer),
            (None, Err(HookError::Policy(failure))) => {
                Came::Ended(Ending::Failed((&failure).into()))
            }
            (None, Err(HookError::Read(error))) => return Err(error),
        };
        Ok(Reran { came, log, staged: tx.into_changes().split_off(staged.len()) })
    }
}

fn came(answer: Answer) -> Came {
    match answer {
        Answer::Assignment(Choice::Refused(why)) | Answer::Lifecycle(Verdict::Refused(why)) => {
            Came::Ended(Ending::Refused(why))
        }
        answer => Came::Answered(answer),
    }
}
