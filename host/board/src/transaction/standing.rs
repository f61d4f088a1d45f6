//! Where a transaction stands between two hooks, so that the next hook can be run again elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Access, Transaction};
use crate::{Change, Head, Instant, PolicyLimits, ReadError, Space, TaskId, TaskLocks, View};

/// What a hook finds besides the board and the staged changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    id: String,
    seed: u64,
    now: Instant,
    pub(crate) head: Head,
    access: Access,
    steps_left: u32,
    /// How many steps each policy had staged; older recordings don't say so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    steps_staged: BTreeMap<Space, u32>,
    memory_keys_added: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed: Option<TaskId>,
}

impl Standing {
    /// The transaction's name.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The transaction's time.
    pub(crate) fn now(&self) -> &Instant {
        &self.now
    }
}

impl Transaction {
    /// Where it stands now. What it has staged is apart, in [`Transaction::changes`].
    pub(crate) fn standing(&self) -> Standing {
        let inner = &self.inner;
        Standing {
            id: inner.id.clone(),
            seed: inner.seed,
            now: inner.now.clone(),
            head: inner.head.clone(),
            access: inner.access.clone(),
            steps_left: inner.steps_left,
            steps_staged: inner.steps_staged.clone(),
            memory_keys_added: inner.memory_keys_added,
            claimed: inner.claimed.clone(),
        }
    }

    /// The transaction that stood so after it had staged `changes`. `view` must know the tasks that they are about, and
    /// answers with the head of `standing`.
    pub(crate) fn restored(
        view: Box<dyn View>,
        locks: Box<dyn TaskLocks>,
        standing: &Standing,
        changes: &[Change],
    ) -> Result<Self, ReadError> {
        let Standing { id, seed, now, .. } = standing.clone();
        // A recording may come from anybody.
        let steps = standing.steps_left.min(PolicyLimits::STEPS_SETTABLE_MAX);
        let mut tx = Self::new(view, now, id, seed, steps)?.with_locks(locks);
        for change in changes {
            // A policy's steps put what it remembers where they can be read; the host stages no such change.
            if let Change::Remembered { space, key, value } = change {
                tx.inner.memory.insert((*space, key.clone()), value.clone());
            }
            tx.apply(change.clone())?;
        }
        // The changes have counted what the head had counted already.
        tx.inner.head = standing.head.clone();
        tx.inner.access = standing.access.clone();
        tx.inner.steps_staged.clone_from(&standing.steps_staged);
        tx.inner.memory_keys_added = standing.memory_keys_added;
        tx.inner.claimed.clone_from(&standing.claimed);
        Ok(tx)
    }

    /// Has another view and other locks answer from now on; gives back those that did.
    pub(crate) fn redirect(
        &mut self,
        view: Box<dyn View>,
        locks: Box<dyn TaskLocks>,
    ) -> (Box<dyn View>, Box<dyn TaskLocks>) {
        (
            std::mem::replace(&mut self.inner.view, view),
            std::mem::replace(&mut self.inner.locks, locks),
        )
    }
}
