//! What a witness remembers of what stands beside the journal: large values, and policies' files.
//!
//! - [`Kept`]: which value is meant. [`Values`]: what each may be, after all that was asked for and answered.
//!
//! Only for values that one process after the other changes: of two changes under way at once, either may be last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use parking_lot::Mutex;
use taskhost_board::{
    ContextEntry, ContextFailure, Contexts, FileFailure, LifeGuard, LockFailure, Owner, Place,
    Powers, Store as _, TaskId,
};

use super::Testimony;
use crate::FileStore;

/// A value beside the journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// A large value.
    Context(Owner, TaskId),
    /// A file of the board's policies.
    File(String),
}

type Value = Option<Vec<u8>>;

/// What each value may be; those that were never touched aren't there.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeMap<Kept, Vec<Value>>);

impl Values {
    /// Something is about to change a value. Returns what it is if it does.
    fn attempt(&mut self, what: &Kept, change: impl Fn(&Value) -> Value) -> Vec<Value> {
        let possible = self.0.entry(what.clone()).or_insert_with(|| vec![None]);
        let changed: Vec<Value> = possible.iter().map(change).collect();
        for value in &changed {
            if !possible.contains(value) {
                possible.push(value.clone());
            }
        }
        changed
    }

    /// What policies keep isn't asked about any more: it isn't part of a board that is moved.
    pub fn forget_files(&mut self) {
        self.0.retain(|what, _| matches!(what, Kept::Context(..)));
    }

    /// It did.
    fn acknowledge(&mut self, what: &Kept, changed: Vec<Value>) {
        self.0.insert(what.clone(), changed);
    }

    /// The values that are none of those that they may be.
    pub(super) fn contradictions(&self, store: &FileStore) -> Vec<String> {
        let wrong = |(what, possible): (&Kept, &Vec<Value>)| {
            let found = match what {
                Kept::Context(owner, key) => {
                    store.contexts().get(owner, key).map_err(|e| e.to_string())
                }
                Kept::File(name) => match store.powers().read(Place::Board, name, PATIENCE) {
                    Err(FileFailure::NotFound) => Ok(None),
                    read => read.map(Some).map_err(|e| e.to_string()),
                },
            };
            match found {
                Ok(value) if possible.contains(&value) => None,
                Ok(value) => Some(format!("{what:?} is {value:?} and may only be {possible:?}")),
                Err(error) => Some(format!("{what:?} can't be read: {error}")),
            }
        };
        self.0.iter().filter_map(wrong).collect()
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct WitnessedContexts {
    pub(super) contexts: Arc<dyn Contexts>,
    pub(super) testimony: Arc<Mutex<Testimony>>,
}

impl WitnessedContexts {
    fn change<T>(
        &self,
        owner: &Owner,
        key: &TaskId,
        change: impl Fn(&Value) -> Value,
        act: impl FnOnce() -> Result<T, ContextFailure>,
    ) -> Result<T, ContextFailure> {
        let what = Kept::Context(owner.clone(), key.clone());
        let changed = self.testimony.lock().values.attempt(&what, change);
        let done = act()?;
        self.testimony.lock().values.acknowledge(&what, changed);
        Ok(done)
    }
}

impl Contexts for WitnessedContexts {
    fn get(&self, owner: &Owner, key: &TaskId) -> Result<Value, ContextFailure> {
        let found = self.contexts.get(owner, key)?;
        // What somebody was told stays.
        let what = Kept::Context(owner.clone(), key.clone());
        self.testimony.lock().values.acknowledge(&what, vec![found.clone()]);
        Ok(found)
    }

    fn set(
        &self,
        owner: &Owner,
        key: &TaskId,
        value: &[u8],
        deadline: Deadline,
    ) -> Result<(), ContextFailure> {
        let change = |_: &Value| Some(value.to_vec());
        self.change(owner, key, change, || self.contexts.set(owner, key, value, deadline))
    }

    fn append(
        &self,
        owner: &Owner,
        key: &TaskId,
        more: &[u8],
        deadline: Deadline,
    ) -> Result<u64, ContextFailure> {
        let change = |before: &Value| Some([before.as_deref().unwrap_or_default(), more].concat());
        self.change(owner, key, change, || self.contexts.append(owner, key, more, deadline))
    }

    fn remove(
        &self,
        owner: &Owner,
        key: &TaskId,
        deadline: Deadline,
    ) -> Result<bool, ContextFailure> {
        self.change(owner, key, |_| None, || self.contexts.remove(owner, key, deadline))
    }

    fn list(&self, owner: &Owner) -> Result<Vec<ContextEntry>, ContextFailure> {
        self.contexts.list(owner)
    }

    fn owners(&self) -> Result<Vec<Owner>, ContextFailure> {
        self.contexts.owners()
    }
}

pub(super) struct WitnessedPowers {
    pub(super) powers: Arc<dyn Powers>,
    pub(super) testimony: Arc<Mutex<Testimony>>,
}

impl Powers for WitnessedPowers {
    fn lock(&self, name: &str, timeout: Duration) -> Result<Box<dyn LifeGuard>, LockFailure> {
        self.powers.lock(name, timeout)
    }

    fn read(&self, at: Place, name: &str, timeout: Duration) -> Result<Vec<u8>, FileFailure> {
        self.powers.read(at, name, timeout)
    }

    fn replace(
        &self,
        at: Place,
        name: &str,
        content: &[u8],
        expected: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<(), FileFailure> {
        let replace = || self.powers.replace(at, name, content, expected, timeout);
        if at != Place::Board {
            return replace();
        }
        let what = Kept::File(name.to_owned());
        let changed = self.testimony.lock().values.attempt(&what, |before| {
            let fits = expected.is_none_or(|it| it == before.as_deref().unwrap_or_default());
            if fits { Some(content.to_vec()) } else { before.clone() }
        });
        replace()?;
        // If one was expected, what is there now was put there in its place.
        let done = changed.into_iter().filter(|value| value.as_deref() == Some(content)).collect();
        self.testimony.lock().values.acknowledge(&what, done);
        Ok(())
    }
}
