//! Whole boards on their way: written down as JSON lines, taken in again, repaired.

use std::io::{BufRead, Write};

use taskhost_store_file::Repaired;

use crate::spans::operation;
use crate::{Address, Board, Error, OpenOptions, stores};

impl Board {
    /// Writes the whole board, as it is at one instant, as JSON lines: tasks, history, tokens, policies, metadata and
    /// large values. Others go on working meanwhile. Says how many lines there were.
    pub fn export(&self, out: &mut dyn Write) -> Result<u64, Error> {
        operation!("taskhost.export", self.address()).run(|| {
            let mut lines = 0;
            self.store().export(&mut |line| {
                lines += 1;
                out.write_all(&line.encode()?)
            })?;
            Ok(lines)
        })
    }

    /// Makes a board at `address`, a directory or a `postgres://…`, of what [`Board::export`] wrote, whole or not at all.
    /// It is the same board: its ids, tokens, claims and history go on.
    pub fn import(
        address: impl Into<Address>,
        lines: impl BufRead,
        options: &OpenOptions,
    ) -> Result<Self, Error> {
        let address = address.into();
        operation!("taskhost.import", address).run(|| {
            let store = stores::import(&address, lines, None, options)?;
            Self::recorded(store, address.clone(), options)
        })
    }
}

/// Repairs the board in the directory `address`, also one that can't be opened. Nothing is deleted or overwritten: what is
/// damaged is set aside. Where something that was acknowledged is lost, nothing is changed unless `lossy` says so.
pub fn repair(
    address: impl Into<Address>,
    lossy: bool,
    options: &OpenOptions,
) -> Result<Repaired, Error> {
    let address = address.into();
    operation!("taskhost.repair", address).run(|| Ok(stores::repair(&address, lossy, options)?))
}
