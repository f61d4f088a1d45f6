//! The limit: what the disk and the kernel's lock allow, whatever stands above them.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;

use super::{Claimer, Contender};

/// Lock, append as many bytes as a claim writes, unlock, sync.
pub struct Bare {
    /// How many bytes are appended in directories that it prepares.
    pub bytes: u64,
}

const JOURNAL: &str = "journal";
const LOCK: &str = "lock";
/// Says how many bytes are appended in this directory.
const BYTES: &str = "bytes";

impl Bare {
    /// About what a claim writes.
    pub const ABOUT: Self = Self { bytes: 512 };
}

impl Contender for Bare {
    fn name(&self) -> &'static str {
        "bare loop"
    }

    fn durability(&self) -> &'static str {
        "flock, append, unlock, then `fdatasync` before the answer"
    }

    fn prepare(&self, at: &Path, _tasks: u64) -> Result<()> {
        File::create(at.join(JOURNAL))?.sync_all()?;
        File::create(at.join(LOCK))?.sync_all()?;
        Ok(std::fs::write(at.join(BYTES), self.bytes.to_string())?)
    }

    fn is_drained(&self) -> bool {
        false
    }

    fn open(&self, at: &Path, _agent: &str) -> Result<Box<dyn Claimer>> {
        let bytes = std::fs::read_to_string(at.join(BYTES))?.parse()?;
        let append = |name| OpenOptions::new().append(true).open(at.join(name));
        Ok(Box::new(Loop {
            journal: append(JOURNAL)?,
            lock: append(LOCK)?,
            line: vec![b'.'; bytes],
        }))
    }
}

struct Loop {
    journal: File,
    lock: File,
    line: Vec<u8>,
}

impl Claimer for Loop {
    fn claim(&mut self) -> Result<bool> {
        self.lock.lock()?;
        self.journal.write_all(&self.line)?;
        self.lock.unlock()?;
        self.journal.sync_data()?;
        Ok(true)
    }
}
