//! Whole boards on their way: written down as JSON lines, taken in again, repaired.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;

use taskhost_board::Digest;
use taskhost_store_file::{FileStore, RepairOptions, Repaired};

use crate::board::store_options;
use crate::spans::operation;
use crate::{Board, Error, OpenOptions, STANDARD_POLICY};

impl Board {
    /// Writes the whole board, as it is at one instant, as JSON lines: tasks, history, tokens, policies, metadata and
    /// large values. Others go on working meanwhile. Says how many lines there were.
    pub fn export(&self, out: &mut dyn Write) -> Result<u64, Error> {
        operation!("taskhost.export", self.path()).run(|| {
            let mut lines = 0;
            self.store().export(&mut |line| {
                lines += 1;
                out.write_all(&line.encode()?)
            })?;
            Ok(lines)
        })
    }

    /// Makes a board in the directory `path` of what [`Board::export`] wrote, whole or not at all. It is the same
    /// board: its ids, tokens, claims and history go on.
    pub fn import(
        path: impl AsRef<Path>,
        lines: impl BufRead,
        options: &OpenOptions,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        operation!("taskhost.import", path).run(|| {
            let store = FileStore::import(path, lines, store_options(options))?;
            Self::recorded(store, path, options)
        })
    }
}

/// Repairs the board in the directory `path`, also one that can't be opened. Nothing is deleted or overwritten: what is
/// damaged is set aside. Where something that was acknowledged is lost, nothing is changed unless `lossy` says so.
pub fn repair(
    path: impl AsRef<Path>,
    lossy: bool,
    options: &OpenOptions,
) -> Result<Repaired, Error> {
    let components = BTreeMap::from([(Digest::of(STANDARD_POLICY), STANDARD_POLICY.to_vec())]);
    let options = RepairOptions { open: store_options(options), lossy, components };
    let path = path.as_ref();
    operation!("taskhost.repair", path).run(|| Ok(FileStore::repair(path, options)?))
}
