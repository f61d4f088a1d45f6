//! What must hold of a board that travels: checked where it is exported as well as where it is imported, so that
//! nobody carries away what nobody will take in.

use std::collections::BTreeMap;

use taskhost_board::image::Record;
use taskhost_board::transfer::TransferHeader;
use taskhost_board::{ReadError, Sequence, Status, Task, TaskId};

/// The tasks that a task names and can't do without: a completed one waits for nothing any more, and what it came
/// after may be archived.
pub(crate) fn needed(task: &Task) -> impl Iterator<Item = &TaskId> {
    let is_needed = task.status != Status::Completed;
    task.parent.iter().chain(&task.after).filter(move |_| is_needed)
}

/// Looks at a board's entries and records one after the other.
pub(crate) struct Travel<'a> {
    header: &'a TransferHeader,
    last: Option<Sequence>,
    /// Tasks that are named and haven't come yet, each with one that names it.
    missing: BTreeMap<TaskId, TaskId>,
}

impl<'a> Travel<'a> {
    pub(crate) fn begin(header: &'a TransferHeader) -> Result<Self, String> {
        let id = &header.board;
        if !(1..=64).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("the board's id is not up to 64 letters and digits".into());
        }
        Ok(Self { header, last: None, missing: BTreeMap::new() })
    }

    pub(crate) fn entry(&mut self, sequence: Sequence) -> Result<(), String> {
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
    pub(crate) fn record(
        &mut self,
        record: &Record,
        is_there: impl Fn(&TaskId) -> Result<bool, ReadError>,
    ) -> Result<(), String> {
        match record {
            Record::Task(task) => {
                self.counters(task)?;
                self.missing.remove(&task.id);
                for id in needed(task) {
                    if *id != task.id && !is_there(id).map_err(|error| error.to_string())? {
                        self.missing.entry(id.clone()).or_insert_with(|| task.id.clone());
                    }
                }
                Ok(())
            }
            Record::Key { key, record, .. } => match record.token {
                Some(token) if token > self.header.token => {
                    let last = self.header.token;
                    Err(format!(
                        "request key `{key}` has token {token}, and the last one given is {last}"
                    ))
                }
                _ => Ok(()),
            },
            Record::Memory { .. } | Record::Meta { .. } | Record::Wake { .. } => Ok(()),
        }
    }

    /// A token that would be given again would fence nobody.
    fn counters(&self, task: &Task) -> Result<(), String> {
        let tokens = [
            task.claim.as_ref().map(|claim| claim.token),
            task.closed.as_ref().map(|closed| closed.token),
        ];
        let header = self.header;
        if let Some(token) = tokens.into_iter().flatten().find(|token| *token > header.token) {
            let (id, last) = (&task.id, header.token);
            return Err(format!("`{id}` has token {token}, and the last one given is {last}"));
        }
        if task.born == 0 || task.born > header.born {
            let (born, last) = (task.born, header.born);
            return Err(format!("`{}` is number {born} of {last} that were created", task.id));
        }
        Ok(())
    }

    /// What only the end shows.
    pub(crate) fn end(&self) -> Result<(), String> {
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
