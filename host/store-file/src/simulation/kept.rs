//! What a witness remembers of what stands beside the journal: large values, and policies' files.
//!
//! - [`Kept`]: which value is meant. [`Values`]: what each may be, after all that was asked for and answered, be it a
//!   value, a list, or that there is none.
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

    /// Those that anybody has touched or asked for.
    pub(super) fn known(&self) -> impl Iterator<Item = &Kept> {
        self.0.keys()
    }

    /// Somebody was told of a value.
    fn told(&mut self, what: Kept, value: Value) {
        self.0.insert(what, vec![value]);
    }

    /// Somebody was told something about a value: it is one of those of which that is true.
    fn told_that(&mut self, what: &Kept, holds: impl Fn(&Value) -> bool) {
        if let Some(possible) = self.0.get_mut(what) {
            possible.retain(holds);
        }
    }

    /// Somebody was told which values an owner has, and how long they are.
    fn listed(&mut self, owner: &Owner, entries: &[ContextEntry]) {
        for (what, possible) in &mut self.0 {
            if let Kept::Context(of, key) = what
                && of == owner
            {
                let entry = entries.iter().find(|entry| entry.key == *key);
                let length = entry.map(|entry| entry.bytes);
                possible.retain(|value| value.as_ref().map(|it| it.len() as u64) == length);
            }
        }
    }

    /// Somebody was told who has values: nobody else has any, and who has one value at most has that.
    fn owners(&mut self, owners: &[Owner]) {
        let mut counts: BTreeMap<Owner, usize> = BTreeMap::new();
        for what in self.0.keys() {
            if let Kept::Context(of, _) = what {
                *counts.entry(of.clone()).or_default() += 1;
            }
        }
        for (what, possible) in &mut self.0 {
            let Kept::Context(of, _) = what else { continue };
            let is_owner = owners.contains(of);
            if !is_owner || counts.get(of) == Some(&1) {
                possible.retain(|value| value.is_some() == is_owner);
            }
        }
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
        self.testimony.lock().values.told(what, found.clone());
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
        let listed = self.contexts.list(owner)?;
        self.testimony.lock().values.listed(owner, &listed);
        Ok(listed)
    }

    fn owners(&self) -> Result<Vec<Owner>, ContextFailure> {
        let owners = self.contexts.owners()?;
        self.testimony.lock().values.owners(&owners);
        Ok(owners)
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
        let found = self.powers.read(at, name, timeout);
        let value = match &found {
            Ok(content) => Some(content.clone()),
            Err(FileFailure::NotFound) => None,
            Err(_) => return found,
        };
        if at == Place::Board {
            self.testimony.lock().values.told(Kept::File(name.to_owned()), value);
        }
        found
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
        let replaced = replace();
        if let (Err(FileFailure::Changed), Some(expected)) = (&replaced, expected) {
            // Nothing was done, because of what was there.
            let differs = |value: &Value| value.as_deref().unwrap_or_default() != expected;
            self.testimony.lock().values.told_that(&what, differs);
        }
        replaced?;
        // If one was expected, what is there now was put there in its place.
        let done = changed.into_iter().filter(|value| value.as_deref() == Some(content)).collect();
        self.testimony.lock().values.acknowledge(&what, done);
        Ok(())
    }
}
