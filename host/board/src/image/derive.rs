//! The records that follow from a task: all of them, and nothing that doesn't.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{encode, encode_short, keys};
use crate::{BootId, Family, Millis, Name, Order, OrderKey, Readiness, Status, Task, TaskId};

/// What ready tasks share when the same agents may claim them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Class {
    pub(super) task_type: Name,
    pub(super) needs: Vec<Name>,
    pub(super) assignee: Option<Name>,
}

impl Class {
    pub(super) fn of(task: &Task) -> Self {
        Self {
            task_type: task.task_type.clone(),
            needs: task.needs.clone(),
            assignee: task.assignee.as_ref().map(|assignee| assignee.name.clone()),
        }
    }

    /// Eight bytes that stand for it in keys: 64 bits of SHA-256, so that collisions aren't to be expected.
    pub(super) fn id(&self) -> [u8; 8] {
        let mut hash = Sha256::new();
        let texts = [&self.task_type].into_iter().chain(&self.needs);
        for text in texts {
            hash.update(text.as_str());
            hash.update([0]);
        }
        if let Some(assignee) = &self.assignee {
            hash.update([1]);
            hash.update(assignee.as_str());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        id
    }
}

/// What a scope keeps of a class that has a ready task.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Gathered {
    pub(super) class: Class,
    /// How many ready tasks of the scope are in it.
    pub(super) count: u64,
    /// The first of them by rank: with many classes, all but the chosen one's lists are left unread.
    pub(super) first: Place,
}

/// A task in a list of ready ones.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Place {
    pub(super) at: OrderKey,
    pub(super) listed: Listed,
}

impl Place {
    /// Where a ready task of this rank stands by rank.
    pub(super) fn by_rank(task: &Task, rank: i32) -> Self {
        let at = OrderKey::new(Order::Rank, rank, task.priority, task.born);
        Self { at, listed: Listed::of(task, rank) }
    }
}

/// What a ready list says of a task, so that offering it needs no look at the task itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Listed {
    pub(super) id: TaskId,
    pub(super) task_type: Name,
    pub(super) priority: i32,
    pub(super) rank: i32,
    pub(super) created_at: Millis,
    pub(super) attempts: u32,
}

impl Listed {
    fn of(task: &Task, rank: i32) -> Self {
        Self {
            id: task.id.clone(),
            task_type: task.task_type.clone(),
            priority: task.priority,
            rank,
            created_at: task.created_at,
            attempts: task.attempts,
        }
    }
}

/// The scopes whose lists a task is in: the whole board, and each of its labels.
pub(super) fn scopes(task: &Task) -> impl Iterator<Item = Option<&Name>> {
    std::iter::once(None).chain(task.labels.iter().map(Some))
}

/// Every record that follows from `task`, the task's own record excepted.
pub(super) fn records(task: &Task, boot: &BootId) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    records.insert(keys::born(task.born), task.id.as_str().as_bytes().to_vec());
    for on in &task.after {
        records.insert(keys::dependent(on, &task.id), Vec::new());
    }
    if let Some(parent) = &task.parent {
        for which in [Family::Every, Family::Open, Family::Unsuccessful] {
            if which.has(task.status) {
                records.insert(keys::child(parent, which, &task.id), Vec::new());
            }
        }
    }
    if let Some(claim) = &task.claim {
        records.insert(keys::due_lease(&claim.lease, boot, &task.id), Vec::new());
        if claim.living {
            records.insert(keys::session_claim(&claim.session, &task.id), Vec::new());
        }
        if let Some(process) = &claim.process {
            records.insert(keys::process_claim(process, &task.id), encode(process));
        }
    }
    if task.status != Status::Pending {
        return records;
    }
    match &task.readiness {
        Readiness::Unasked => {
            records.insert(keys::unasked(&task.id), Vec::new());
        }
        Readiness::Ready(rank) => {
            let class = Class::of(task).id();
            let listed = encode_short(&Listed::of(task, *rank));
            for scope in scopes(task) {
                for (by_age, order) in [(false, Order::Rank), (true, Order::Oldest)] {
                    let place = OrderKey::new(order, *rank, task.priority, task.born);
                    records.insert(keys::ready(by_age, scope, class, place), listed.clone());
                }
            }
        }
        Readiness::Waiting { on, .. } => {
            for on in on {
                records.insert(keys::waiter(on, &task.id), Vec::new());
            }
        }
        Readiness::Until(at) => {
            records.insert(keys::due_ask(*at, &task.id), Vec::new());
        }
        Readiness::Never(_) => {}
    }
    records
}
