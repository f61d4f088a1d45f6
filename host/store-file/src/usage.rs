//! What a board takes up on disk.
//!
//! Counted are the blocks that are allocated, as `du` does, since an index has holes. A file that vanishes while
//! others are counted counts for nothing.

use std::io;

use taskhost_board::{BeginError, ReadError};

use crate::format::names;
use crate::state::{Inner, failed};

/// What a board takes up on disk: allocated bytes, as `du` counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskUse {
    /// The current journal.
    pub journal: u64,
    /// The snapshot that it continues.
    pub snapshot: u64,
    /// The index and the shared words, which can be made anew.
    pub index: u64,
    /// Retired journals, and what was set aside.
    pub history: u64,
    /// Policy components.
    pub policies: u64,
    /// Large values.
    pub context: u64,
    /// What commands printed.
    pub output: u64,
    /// What policies keep in files.
    pub policy_files: u64,
    /// All of it, with locks and whatever else is there.
    pub total: u64,
}

/// How deep directories are followed: a board's own are less deep.
const DEPTH_MAX: u32 = 16;

impl Inner {
    pub(crate) fn disk_use(&self) -> Result<DiskUse, ReadError> {
        let current = match self.current(self.wait_max()) {
            Ok(current) => Some(current.generation),
            // Which files are current is all that can't be said.
            Err(BeginError::Newer { .. }) => Some(self.any_board_file()?.generation),
            Err(BeginError::Read(error)) => return Err(error),
            Err(error @ BeginError::Timeout { .. }) => {
                return Err(ReadError::Failed(error.to_string()));
            }
        };
        let mut used = DiskUse::default();
        for name in self.disk.list(".").map_err(failed("."))? {
            let bytes = self.allocated(&name)?;
            used.total += bytes;
            if Some(&name) == current.map(names::journal).as_ref() {
                used.journal += bytes;
            } else if Some(&name) == current.map(names::tasks).as_ref() {
                used.snapshot += bytes;
            }
        }
        for directory in self.disk.directories(".").map_err(failed("."))? {
            let bytes = self.below(&directory, DEPTH_MAX)?;
            used.total += bytes;
            match directory.as_str() {
                "index" => used.index += bytes,
                names::HISTORY => used.history += bytes,
                "policies" => used.policies += bytes,
                "context" => used.context += bytes,
                "output" => used.output += bytes,
                "policy-files" => used.policy_files += bytes,
                _ => {}
            }
        }
        Ok(used)
    }

    fn below(&self, directory: &str, depth: u32) -> Result<u64, ReadError> {
        let mut bytes = 0;
        for name in or_gone(self.disk.list(directory)).map_err(failed(directory))? {
            bytes += self.allocated(&format!("{directory}/{name}"))?;
        }
        if depth > 0 {
            for name in or_gone(self.disk.directories(directory)).map_err(failed(directory))? {
                bytes += self.below(&format!("{directory}/{name}"), depth - 1)?;
            }
        }
        Ok(bytes)
    }

    fn allocated(&self, path: &str) -> Result<u64, ReadError> {
        or_gone(self.disk.allocated(path)).map_err(failed(path))
    }
}

fn or_gone<T: Default>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        result => result,
    }
}
