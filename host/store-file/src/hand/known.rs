//! Which tasks have a lock's file, as long as nobody has made or removed one.
//!
//! A claim takes its task's lock, and as a rule there is none. Asking for a name that isn't there costs more than all
//! else that a claim asks of the file system; whether the directory has changed since its names were read costs little.
//!
//! Invariant: a name that was made before the question is never denied.

use std::collections::HashSet;
use std::io;

use parking_lot::Mutex;

use crate::disk::{Disk, Stamp};

/// Where tasks' locks are.
const LOCKS: &str = "locks";
/// Beyond so many names they aren't kept, and each is asked for.
const NAMES_MAX: usize = 1_000;

/// What is known of the names in `locks/`.
#[derive(Default)]
pub(crate) struct KnownLocks(Mutex<Option<Known>>);

struct Known {
    stamp: Stamp,
    /// The paths that are there; `None` if they are too many to be kept.
    paths: Option<HashSet<String>>,
}

impl KnownLocks {
    /// Whether there may be a file at this path in `locks/`.
    pub(crate) fn may_be_there(&self, disk: &dyn Disk, path: &str) -> io::Result<bool> {
        let stamp = match disk.stamp(LOCKS) {
            Ok(Some(stamp)) => stamp,
            Ok(None) => return Ok(true),
            // Whoever asks for the file finds that out.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        let mut known = self.0.lock();
        let known = match &mut *known {
            Some(known) if known.stamp == stamp => known,
            known => {
                // What is made while they are read changes the directory later than the stamp says.
                let names = disk.list(LOCKS)?;
                let paths = (names.len() <= NAMES_MAX)
                    .then(|| names.into_iter().map(|name| format!("{LOCKS}/{name}")).collect());
                known.insert(Known { stamp, paths })
            }
        };
        Ok(known.paths.as_ref().is_none_or(|paths| paths.contains(path)))
    }
}
