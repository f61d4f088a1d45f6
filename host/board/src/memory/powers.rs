//! What policies and agents have beside a board in memory: locks, small files, large values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use parking_lot::{Condvar, Mutex};

use crate::{
    CONTEXT_BYTES_MAX, ContextEntry, ContextFailure, Contexts, FILE_BYTES_MAX, FileFailure,
    LifeGuard, LockFailure, Millis, Owner, Place, Powers, TaskId,
};

/// Locks and files of policies whose board is in memory. Its shared directory is there, and no other board shares it.
#[derive(Default)]
pub(super) struct MemoryPowers {
    own: Mutex<BTreeMap<String, Vec<u8>>>,
    shared: Mutex<BTreeMap<String, Vec<u8>>>,
    locks: Arc<(Mutex<BTreeSet<String>>, Condvar)>,
}

struct MemoryLock {
    locks: Arc<(Mutex<BTreeSet<String>>, Condvar)>,
    name: String,
}

impl LifeGuard for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.locks.0.lock().remove(&self.name);
        self.locks.1.notify_all();
    }
}

impl Powers for MemoryPowers {
    fn lock(&self, name: &str, timeout: Duration) -> Result<Box<dyn LifeGuard>, LockFailure> {
        let deadline = Deadline::now() + timeout;
        let mut held = self.locks.0.lock();
        while held.contains(name) {
            if self.locks.1.wait_until(&mut held, deadline).timed_out() && held.contains(name) {
                return Err(LockFailure::Timeout);
            }
        }
        held.insert(name.to_owned());
        Ok(Box::new(MemoryLock { locks: self.locks.clone(), name: name.to_owned() }))
    }

    fn read(&self, at: Place, name: &str, _timeout: Duration) -> Result<Vec<u8>, FileFailure> {
        self.files(at).lock().get(name).cloned().ok_or(FileFailure::NotFound)
    }

    fn replace(
        &self,
        at: Place,
        name: &str,
        content: &[u8],
        expected: Option<&[u8]>,
        _timeout: Duration,
    ) -> Result<(), FileFailure> {
        if content.len() > FILE_BYTES_MAX {
            return Err(FileFailure::TooLarge);
        }
        let mut files = self.files(at).lock();
        let now = files.get(name).map(Vec::as_slice).unwrap_or_default();
        if expected.is_some_and(|expected| expected != now) {
            return Err(FileFailure::Changed);
        }
        files.insert(name.to_owned(), content.to_vec());
        Ok(())
    }
}

impl MemoryPowers {
    fn files(&self, at: Place) -> &Mutex<BTreeMap<String, Vec<u8>>> {
        match at {
            Place::Board => &self.own,
            Place::Shared => &self.shared,
        }
    }
}

/// Large values of a board in memory.
#[derive(Default)]
pub(super) struct MemoryContexts {
    values: Mutex<BTreeMap<(Owner, TaskId), Vec<u8>>>,
}

impl Contexts for MemoryContexts {
    fn get(&self, owner: &Owner, key: &TaskId) -> Result<Option<Vec<u8>>, ContextFailure> {
        Ok(self.values.lock().get(&(owner.clone(), key.clone())).cloned())
    }

    fn set(
        &self,
        owner: &Owner,
        key: &TaskId,
        value: &[u8],
        _deadline: Deadline,
    ) -> Result<(), ContextFailure> {
        check_length(value.len())?;
        self.values.lock().insert((owner.clone(), key.clone()), value.to_vec());
        Ok(())
    }

    fn append(
        &self,
        owner: &Owner,
        key: &TaskId,
        more: &[u8],
        _deadline: Deadline,
    ) -> Result<u64, ContextFailure> {
        let mut values = self.values.lock();
        let value = values.entry((owner.clone(), key.clone())).or_default();
        check_length(value.len() + more.len())?;
        value.extend_from_slice(more);
        Ok(value.len() as u64)
    }

    fn remove(
        &self,
        owner: &Owner,
        key: &TaskId,
        _deadline: Deadline,
    ) -> Result<bool, ContextFailure> {
        Ok(self.values.lock().remove(&(owner.clone(), key.clone())).is_some())
    }

    fn list(&self, owner: &Owner) -> Result<Vec<ContextEntry>, ContextFailure> {
        let values = self.values.lock();
        let own = values.iter().filter(|((of, _), _)| of == owner);
        Ok(own
            .map(|((_, key), value)| ContextEntry {
                key: key.clone(),
                bytes: value.len() as u64,
                changed_at: Millis(0),
            })
            .collect())
    }

    fn owners(&self) -> Result<Vec<Owner>, ContextFailure> {
        let values = self.values.lock();
        let owners: BTreeSet<Owner> = values.keys().map(|(owner, _)| owner.clone()).collect();
        Ok(owners.into_iter().collect())
    }
}

fn check_length(bytes: usize) -> Result<(), ContextFailure> {
    if bytes as u64 > CONTEXT_BYTES_MAX { Err(ContextFailure::TooLarge) } else { Ok(()) }
}
