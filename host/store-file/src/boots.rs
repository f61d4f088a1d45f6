//! Starts of other machines. A process that a claim names is proved dead by the machine's having been started anew since; but
//! not where the claim came here from another machine, with a board that was imported: then only its lease tells.
//!
//! Invariant: the note is durable before the board is there, and is never changed afterwards.

use std::collections::BTreeSet;
use std::io;

use taskhost_board::{BootId, ReadError};

use crate::disk::{read_file, remove_if_there, replace_file};
use crate::format::names;
use crate::state::{Inner, failed};

impl Inner {
    /// Notes which of these aren't this machine's.
    pub(crate) fn note_boots(&self, boots: &BTreeSet<BootId>) -> Result<(), ReadError> {
        let own = self.platform.now().boot;
        let others: Vec<&str> =
            boots.iter().filter(|boot| **boot != own).map(|boot| boot.0.as_str()).collect();
        if others.is_empty() {
            return self.forget_boots();
        }
        let noted = replace_file(&*self.disk, names::OTHER_BOOTS, others.join("\n").as_bytes());
        noted.map_err(|e| failed(names::OTHER_BOOTS)(e.into()))
    }

    pub(crate) fn forget_boots(&self) -> Result<(), ReadError> {
        remove_if_there(&*self.disk, names::OTHER_BOOTS).map_err(failed(names::OTHER_BOOTS))
    }

    /// Whether this may have been the start of another machine.
    pub(crate) fn may_be_another_machines(&self, boot: &BootId) -> bool {
        match read_file(&*self.disk, names::OTHER_BOOTS) {
            Err(error) => error.kind() != io::ErrorKind::NotFound,
            Ok(noted) => String::from_utf8_lossy(&noted).lines().any(|other| other == boot.0),
        }
    }
}
