//! The large values beside a board, with spans over what is done with them.

use std::sync::Arc;
use std::time::Instant;

use taskhost_board::{ContextEntry, ContextFailure, Contexts, Owner, TaskId};

use crate::Address;
use crate::spans::operation;

/// The same values. Spans say whose they are and never which, nor what is in them.
pub(crate) struct TracedContexts {
    pub(crate) address: Arc<Address>,
    pub(crate) behind: Arc<dyn Contexts>,
}

/// A span over one operation on an owner's values.
macro_rules! of_owner {
    ($name:literal, $contexts:expr, $owner:expr) => {{
        let (task, agent) = match $owner {
            Owner::Task(id) => (Some(id.as_str()), None),
            Owner::Agent(name) => (None, Some(name.as_str())),
        };
        operation!($name, $contexts.address, task, agent)
    }};
}

impl Contexts for TracedContexts {
    fn get(&self, owner: &Owner, key: &TaskId) -> Result<Option<Vec<u8>>, ContextFailure> {
        of_owner!("taskhost.context_get", self, owner).run(|| self.behind.get(owner, key))
    }

    fn set(
        &self,
        owner: &Owner,
        key: &TaskId,
        value: &[u8],
        deadline: Instant,
    ) -> Result<(), ContextFailure> {
        of_owner!("taskhost.context_set", self, owner)
            .run(|| self.behind.set(owner, key, value, deadline))
    }

    fn append(
        &self,
        owner: &Owner,
        key: &TaskId,
        more: &[u8],
        deadline: Instant,
    ) -> Result<u64, ContextFailure> {
        of_owner!("taskhost.context_append", self, owner)
            .run(|| self.behind.append(owner, key, more, deadline))
    }

    fn remove(
        &self,
        owner: &Owner,
        key: &TaskId,
        deadline: Instant,
    ) -> Result<bool, ContextFailure> {
        of_owner!("taskhost.context_remove", self, owner)
            .run(|| self.behind.remove(owner, key, deadline))
    }

    fn list(&self, owner: &Owner) -> Result<Vec<ContextEntry>, ContextFailure> {
        of_owner!("taskhost.context_list", self, owner).run(|| self.behind.list(owner))
    }

    fn owners(&self) -> Result<Vec<Owner>, ContextFailure> {
        operation!("taskhost.context_owners", self.address).run(|| self.behind.owners())
    }
}
