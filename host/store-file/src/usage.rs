//! What a board takes up on disk.
//!
//! Counted are the blocks that are allocated, as `du` does, since an index has holes. A file that vanishes while
//! others are counted counts for nothing.

use std::io;

use taskhost_board::{BeginError, DiskUse, ReadError};

use crate::format::names;
use crate::state::{Inner, failed};

/// The parts by their words: the current journal, the snapshot that it continues, and what stands in the directories of
/// the board.
const PARTS: [(&str, &str); 8] = [
    ("journal", "journal"),
    ("snapshot", "snapshot"),
    // With the shared words; it can be made anew.
    ("index", "index"),
    // Retired journals, and what was set aside.
    ("history", names::HISTORY),
    ("policies", "policies"),
    ("context", "context"),
    ("output", "output"),
    ("policy_files", "policy-files"),
];

/// The sums, as long as they are added up.
#[derive(Default)]
struct Used {
    parts: [u64; PARTS.len()],
    total: u64,
}

impl Used {
    fn add(&mut self, place: &str, bytes: u64) {
        self.total += bytes;
        if let Some(part) = PARTS.iter().position(|(_, known)| *known == place) {
            self.parts[part] += bytes;
        }
    }

    fn told(self) -> DiskUse {
        let parts = PARTS.iter().zip(self.parts).map(|((word, _), bytes)| (*word, bytes));
        DiskUse { parts: parts.collect(), total: self.total }
    }
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
        let (journal, snapshot) = (current.map(names::journal), current.map(names::tasks));
        let mut used = Used::default();
        for name in self.disk.list(".").map_err(failed("."))? {
            let part = match Some(&name) {
                name if name == journal.as_ref() => "journal",
                name if name == snapshot.as_ref() => "snapshot",
                _ => "",
            };
            used.add(part, self.allocated(&name)?);
        }
        for directory in self.disk.directories(".").map_err(failed("."))? {
            used.add(&directory, self.below(&directory, DEPTH_MAX)?);
        }
        Ok(used.told())
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
