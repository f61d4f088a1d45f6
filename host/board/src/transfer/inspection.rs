//! [`Inspection`]: a board's lines, each looked at before a store takes it in.
//!
//! Looked at are: that every policy has its component, whole; that no record comes twice; that no large value is too
//! large; and what must hold of every board that travels (`travel`). Every error names its line.

use std::collections::BTreeSet;

use super::travel::Travel;
use super::{TransferError, TransferHeader, TransferLine};
use crate::image::Record;
use crate::{CONTEXT_BYTES_MAX, ContextFailure, Digest, Space, TaskId};

/// What is known of the lines so far.
pub struct Inspection<'a> {
    header: &'a TransferHeader,
    travel: Travel<'a>,
    components: BTreeSet<Digest>,
    seen: BTreeSet<Vec<u8>>,
    /// The last line's number.
    line: u64,
}

impl<'a> Inspection<'a> {
    /// Begins with the header, which is line 1.
    pub fn begin(header: &'a TransferHeader) -> Result<Self, TransferError> {
        let travel = Travel::begin(header).map_err(|why| TransferError::at(1, why))?;
        let (components, seen) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { header, travel, components, seen, line: 1 })
    }

    /// Looks at the line of this number.
    pub fn line(&mut self, number: u64, line: &TransferLine) -> Result<(), TransferError> {
        self.line = number;
        let fits = match line {
            TransferLine::Component { digest, content } => {
                let found = Digest::of(&content.0);
                self.components.insert(*digest);
                if found == *digest {
                    Ok(())
                } else {
                    Err(format!("the component of `{digest}` is another one: `{found}`"))
                }
            }
            TransferLine::Entry { sequence, .. } => self.travel.entry(*sequence),
            TransferLine::Record(record) => self.record(record),
            TransferLine::Context { content, .. } => {
                if content.0.len() as u64 > CONTEXT_BYTES_MAX {
                    Err(ContextFailure::TooLarge.to_string())
                } else {
                    Ok(())
                }
            }
            TransferLine::Header(_) | TransferLine::End { .. } => Err("it can't stand here".into()),
        };
        fits.map_err(|why| TransferError::at(number, why))
    }

    /// Looks at what only the end shows.
    pub fn end(&self) -> Result<(), TransferError> {
        let end = |why: String| TransferError::at(self.line + 1, why);
        for digest in self.header.policies.digests() {
            if !self.components.contains(&digest) {
                return Err(end(format!("the component of policy `{digest}` is missing")));
            }
        }
        self.travel.end().map_err(end)
    }

    fn record(&mut self, record: &Record) -> Result<(), String> {
        let seen = &self.seen;
        self.travel.record(record, |id| Ok(seen.contains(&task_key(id).concat())))?;
        let (key, what): (Vec<&[u8]>, String) = match record {
            Record::Task(task) => {
                if !self.seen.insert([b"b", &task.born.to_be_bytes()[..]].concat()) {
                    return Err(format!(
                        "`{}` has another task's place in the order of creation",
                        task.id
                    ));
                }
                (task_key(&task.id).to_vec(), format!("task `{}`", task.id))
            }
            Record::Key { command, key, .. } => {
                let parts = vec![b"k", command.as_str().as_bytes(), b"\0", key.as_bytes()];
                (parts, format!("request key `{key}`"))
            }
            Record::Memory { space: Space::Custom, key, .. } => {
                (vec![b"c", key.as_bytes()], format!("memory `{key}`"))
            }
            Record::Memory { key, .. } => (vec![b"s", key.as_bytes()], format!("memory `{key}`")),
            Record::Meta { key, .. } => {
                (vec![b"m", key.as_str().as_bytes()], format!("metadata `{key}`"))
            }
            Record::Wake { on, .. } => {
                (vec![b"w", on.as_str().as_bytes()], format!("wake of `{on}`"))
            }
        };
        if self.seen.insert(key.concat()) { Ok(()) } else { Err(format!("{what} comes twice")) }
    }
}

/// Under which key it is remembered that a task has come.
fn task_key(id: &TaskId) -> [&[u8]; 2] {
    [b"t", id.as_str().as_bytes()]
}
