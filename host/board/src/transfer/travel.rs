//! What must hold of a board that travels: checked where it is exported as well as where it is imported, so that
//! nobody carries away what nobody will take in.

use std::collections::BTreeMap;

use super::TransferHeader;
use crate::image::Record;
use crate::{ReadError, Sequence, Status, Task, TaskId, Token};

/// The tasks that a task names and can't do without: a completed one waits for nothing any more, and what it came
/// after may be archived.
pub fn needed(task: &Task) -> impl Iterator<Item = &TaskId> {
    let is_needed = task.status != Status::Completed;
    task.parent.iter().chain(&task.after).filter(move |_| is_needed)
}

/// Looks whether a record has only tokens and numbers that the board has given: one that would be given again would
/// fence nobody.
pub fn in_count(record: &Record, token: Token, born: u64) -> Result<(), String> {
    let (name, tokens) = match record {
        Record::Task(task) => {
            let held = task.claim.as_ref().map(|claim| claim.token);
            let closed = task.closed.as_ref().map(|closed| closed.token);
            (format!("`{}`", task.id), [held, closed])
        }
        Record::Key { key, record, .. } => (format!("request key `{key}`"), [record.token, None]),
        Record::Memory { .. } | Record::Meta { .. } | Record::Wake { .. } => return Ok(()),
    };
    if let Some(high) = tokens.into_iter().flatten().find(|found| *found > token) {
        return Err(format!("{name} has token {high}, and the last one given is {token}"));
    }
    match record {
        Record::Task(task) if task.born == 0 || task.born > born => {
            Err(format!("{name} is number {} of {born} that were created", task.born))
        }
        _ => Ok(()),
    }
}

/// Looks at a board's entries and records one after the other.
pub struct Travel<'a> {
    header: &'a TransferHeader,
    last: Option<Sequence>,
    /// Tasks that are named and haven't come yet, each with one that names it.
    missing: BTreeMap<TaskId, TaskId>,
}

impl<'a> Travel<'a> {
    /// Begins with the header.
    pub fn begin(header: &'a TransferHeader) -> Result<Self, String> {
        let id = &header.board;
        if !(1..=64).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("the board's id is not up to 64 letters and digits".into());
        }
        Ok(Self { header, last: None, missing: BTreeMap::new() })
    }

    /// Takes in an entry's number.
    pub fn entry(&mut self, sequence: Sequence) -> Result<(), String> {
        if let Some(last) = self.last
            && last.0.checked_add(1) != Some(sequence.0)
        {
            return Err(format!("entry {sequence} follows entry {last}"));
        }
        let end = self.header.sequence;
        if sequence > end || sequence == Sequence(0) {
            return Err(format!("there is no entry {sequence}: the last one is {end}"));
        }
        self.last = Some(sequence);
        Ok(())
    }

    /// Takes in a record; `is_there` says whether a task is known already, or else will come.
    pub fn record(
        &mut self,
        record: &Record,
        is_there: impl Fn(&TaskId) -> Result<bool, ReadError>,
    ) -> Result<(), String> {
        in_count(record, self.header.token, self.header.born)?;
        let Record::Task(task) = record else { return Ok(()) };
        self.missing.remove(&task.id);
        for id in needed(task) {
            if *id != task.id && !is_there(id).map_err(|error| error.to_string())? {
                self.missing.entry(id.clone()).or_insert_with(|| task.id.clone());
            }
        }
        Ok(())
    }

    /// What only the end shows.
    pub fn end(&self) -> Result<(), String> {
        let end = self.header.sequence;
        if let Some(last) = self.last.filter(|last| *last != end) {
            return Err(format!("the history ends at entry {last}, the board at {end}"));
        }
        match self.missing.first_key_value() {
            Some((id, by)) => Err(format!("`{by}` names the task `{id}`, which there isn't")),
            None => Ok(()),
        }
    }
}
