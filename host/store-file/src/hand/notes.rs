//! Who holds a lock, for people.
//!
//! `/proc/locks` says which process took a lock; a note beside the lock's file says on whose behalf. Notes are files of
//! their own and not the content of the lock files: those are permanent, come with every copy of a board, and writing
//! into `board.lock` would wake everybody who waits for the board to change.
//!
//! Invariant: a note is believed only if the process it names is the one that holds the lock according to the kernel:
//! what a killed process left says nothing about who came after it.

use serde::{Deserialize, Serialize};

use super::inherited::Lockable;
use crate::disk::{How, append_all, read_file, remove_if_there, temporary_name};
use crate::state::Inner;

#[derive(Serialize, Deserialize)]
struct Note {
    pid: u32,
    who: String,
}

impl Inner {
    /// Says on whose behalf this process holds a lock. Not durable, and nothing depends on it.
    pub(super) fn leave_note(&self, what: &Lockable, who: &str) {
        let note = Note { pid: std::process::id(), who: who.to_owned() };
        let Ok(content) = serde_json::to_vec(&note) else { return };
        let path = what.note();
        let temporary = temporary_name(&*self.disk, &path);
        let write = || {
            append_all(&*self.disk.open(&temporary, How::New)?, &content)?;
            self.disk.rename(&temporary, &path)
        };
        if write().is_err() {
            let _ = remove_if_there(&*self.disk, &temporary);
        }
    }

    /// Who holds a lock; `None` if that can't be told, or nobody does.
    pub(crate) fn holder_of(&self, what: &Lockable) -> Option<String> {
        let holders = self.platform.lock_holders(self.disk.identity(&what.path()).ok()?);
        let note = read_file(&*self.disk, &what.note()).ok();
        let note: Option<Note> = note.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let said = holders.iter().map(|holder| match &note {
            Some(note) if Some(note.pid) == holder.pid => {
                // A name is anybody's text, and ends up on a terminal.
                let who: String = note.who.chars().filter(|c| !c.is_control()).take(128).collect();
                format!("`{who}`, {}", holder.text)
            }
            _ => holder.text.clone(),
        });
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| said.join(", "))
    }

    /// The same for one who has waited in vain: also what he may not know about himself.
    pub(crate) fn blocked_by(&self, what: &Lockable) -> Option<String> {
        let holder = self.holder_of(what);
        let holder = match what {
            Lockable::Board => holder,
            Lockable::Task(id) => {
                let who = holder.as_deref().unwrap_or("somebody");
                Some(format!("task `{id}` is locked by {who}"))
            }
        };
        let order = self.is_out_of_order(what).then(|| {
            "inside the board's lock it isn't waited for, because a task's lock is taken before the board's".to_owned()
        });
        let parts = [holder, order, self.inherited.hint(what).map(str::to_owned)];
        let said: Vec<String> = parts.into_iter().flatten().collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}
