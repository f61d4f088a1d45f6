//! What a transaction is going to write: one entry, or several that were decided one after the other.
//!
//! Rows are written late, all in one go. Whoever reads in between has what was staged written before, in the same turn
//! ([`Tx::run_for`]), so that whatever is read is as the staged entries have left it.

use std::collections::BTreeMap;

use taskhost_board::{Change, CommitError, Entry, ReadError};

use crate::commit::Changed;
use crate::link::Call;
use crate::rows::{UNASKED, Writes, bigint, newly_ready, timer_of};
use crate::sql;
use crate::tx::Tx;
use crate::view::space_word;

/// What is still to be written.
#[derive(Default)]
pub(crate) struct Staged {
    /// Tasks as they are in the tables, and as they are to be.
    tasks: Changed,
    others: Others,
}

/// Entries, in their order, each with the time and the seed of its transaction.
#[derive(Default)]
pub(crate) struct Lines {
    pub(crate) times: Vec<i64>,
    pub(crate) seeds: Vec<i64>,
    pub(crate) texts: Vec<String>,
    /// Whether somebody who waits may go on because of one of them.
    pub(crate) are_worth_telling: bool,
}

/// What else entries write, in the order of its tables: in all transactions the same, so that those whose rows come in
/// each other's way wait in one direction. Of what is written twice, only the last is written.
#[derive(Default)]
pub(crate) struct Others {
    wakes: BTreeMap<String, Option<Option<String>>>,
    memory: BTreeMap<(&'static str, Vec<u8>), Option<Vec<u8>>>,
    keys: BTreeMap<(&'static str, String), (String, i64)>,
    metas: BTreeMap<String, Option<String>>,
    policies: Option<String>,
    settings: Option<String>,
    /// What the keys that were used before this are free again.
    keys_since: i64,
}

fn text(value: &impl serde::Serialize) -> Result<String, ReadError> {
    serde_json::to_string(value).map_err(|e| ReadError::Failed(e.to_string()))
}

impl Others {
    fn add(&mut self, entry: &Entry, kept_ms: u64) -> Result<(), ReadError> {
        self.keys_since = bigint(entry.time.0.saturating_sub(kept_ms));
        for change in &entry.changes {
            match change {
                Change::Wake { on, past } => {
                    let past = past.as_ref().map(ToString::to_string);
                    self.wakes.insert(on.to_string(), Some(past));
                }
                Change::Woken { on } => {
                    self.wakes.insert(on.to_string(), None);
                }
                Change::Remembered { space, key, value } => {
                    let place = (space_word(*space), key.as_bytes().to_vec());
                    self.memory.insert(place, value.clone());
                }
                Change::Keyed { command, key, record } => {
                    let kept = (text(record)?, bigint(record.at.0));
                    self.keys.insert((command.as_str(), key.clone()), kept);
                }
                Change::MetaSet { key, value } => {
                    let value = value.as_ref().map(|value| value.as_str().to_owned());
                    self.metas.insert(key.to_string(), value);
                }
                Change::PoliciesSet(policies) => self.policies = Some(text(policies)?),
                Change::SettingsSet(settings) => self.settings = Some(text(settings)?),
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn calls(&self) -> Vec<Call<'_>> {
        let mut calls = Vec::new();
        for (on, wake) in &self.wakes {
            calls.push(match wake {
                Some(past) => Call::of(sql::PUT_WAKE, vec![on, past]),
                None => Call::of(sql::DELETE_WAKE, vec![on]),
            });
        }
        for ((space, key), value) in &self.memory {
            calls.push(match value {
                Some(value) => Call::of(sql::PUT_MEMORY, vec![space, key, value]),
                None => Call::of(sql::DELETE_MEMORY, vec![space, key]),
            });
        }
        for ((command, key), (record, at)) in &self.keys {
            calls.push(Call::of(sql::DELETE_OLD_KEY, vec![command, key, &self.keys_since]));
            calls.push(Call::of(sql::PUT_KEY, vec![command, key, record, at]));
        }
        for (key, value) in &self.metas {
            calls.push(match value {
                Some(value) => Call::of(sql::PUT_META, vec![key, value]),
                None => Call::of(sql::DELETE_META, vec![key]),
            });
        }
        for (value, statement) in
            [(&self.policies, sql::SET_POLICIES), (&self.settings, sql::SET_SETTINGS)]
        {
            calls.extend(value.as_ref().map(|value| Call::of(statement, vec![value])));
        }
        calls
    }
}

impl Staged {
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.others.calls().is_empty()
    }

    /// What changes tasks: whatever became of one, its rows are written once.
    pub(crate) fn writes(&self) -> Writes {
        let mut writes = Writes::default();
        for (old, new) in self.tasks.values() {
            writes.replace(old.as_ref(), new.as_ref());
        }
        writes
    }

    pub(crate) fn others(&self) -> &Others {
        &self.others
    }
}

impl Lines {
    fn push(&mut self, entry: &Entry) -> Result<(), ReadError> {
        self.texts.push(text(entry)?);
        self.times.push(bigint(entry.time.0));
        self.seeds.push(entry.seed.cast_signed());
        self.are_worth_telling |= is_worth_telling(entry);
        Ok(())
    }
}

/// Whether somebody who waits may go on because of this entry.
fn is_worth_telling(entry: &Entry) -> bool {
    !entry.changes.iter().all(|change| {
        matches!(
            change,
            Change::Claimed { .. }
                | Change::Renewed { .. }
                | Change::Kept { .. }
                | Change::Keyed { .. }
                | Change::Remembered { .. }
        )
    })
}

impl Tx {
    /// Takes up an entry: what is decided next is decided on what it leaves.
    pub(crate) fn stage(&mut self, entry: &Entry) -> Result<(), CommitError> {
        self.try_stage(entry).map_err(|error| self.not_committed(&error))
    }

    fn try_stage(&mut self, entry: &Entry) -> Result<(), ReadError> {
        let tasks = self.prepare(entry)?;
        let newly_ready = newly_ready(&tasks);
        self.name_classes(&newly_ready)?;
        self.lines.push(entry)?;
        let kept_ms = self.outset.basis.settings.keys_kept_ms();
        self.staged.others.add(entry, kept_ms)?;
        if !newly_ready.is_empty() {
            // It may come before those that were read ahead.
            self.ahead = None;
        }
        self.outset.wakes |= entry.changes.iter().any(|c| matches!(c, Change::Wake { .. }));
        for change in &entry.changes {
            if let Change::Remembered { space, key, value } = change {
                self.memory.insert((*space, key.clone()), value.clone());
            }
        }
        for (id, (old, new)) in tasks {
            let timer = new.as_ref().and_then(timer_of);
            self.outset.unasked |= timer == Some(UNASKED);
            self.outset.due |= timer.is_some();
            if let Some(seen) = self.seen.get_mut(&id) {
                seen.task.clone_from(&new);
            }
            self.staged.tasks.entry(id).or_insert((old, None)).1 = new;
        }
        Ok(())
    }
}
