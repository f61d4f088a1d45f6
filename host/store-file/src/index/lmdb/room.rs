//! Room for the pages of an index that is written through its map.
//!
//! Such an index's file is as long as its map, and most of it is a hole. A page that is written to where the file has no
//! block yet kills the process if the disk is full, so blocks are taken up ahead of every change, for as many pages as it
//! may take at most. And a map can't grow while somebody has it: so an index grows only as long as nobody else sees it,
//! and when it is sealed it is given room for several times of what is in it. One that fills up all the same is due to be
//! replaced, as by every compaction, and one that is full is made anew.
//!
//! Beside the data stands a small file that says how long the map is: by it everybody who opens the index knows that it
//! is written in this way, and that its file was not cut.
//!
//! Invariants: every page below the last one that was ever used has a block; all processes that have an index open have
//! the same map.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cap_std::fs::{Dir, OpenOptions};
use heed::{Env, WithoutTls};
use taskhost_board::ReadError;

use super::{DATA, LOCK, failed};
use crate::disk::{Reserved, open_regular, reserve};

/// Says how long the map is.
const MAPPED: &str = "mapped";
/// How long it is at first: room for some hundred thousand tasks, and little enough to be no burden where somebody
/// copies the directory, holes and all. Tests have boards that outgrow theirs.
const MAP_BYTES_FIRST: usize = if cfg!(test) { 1 << 20 } else { 256 << 20 };
/// More digits than any size has.
const SIZE_BYTES_MAX: u64 = 32;
/// How many times what is in an index it has room for when it is sealed.
const SEALED_TIMES: u64 = 8;
/// Blocks are taken up in pieces of this length, if there is so much room.
const PIECE_BYTES: u64 = 256 << 10;

/// Why there is no room for a change.
pub(super) enum NoRoom {
    /// The map is full, though the disk need not be: it would have to have so many bytes.
    Full(u64),
    Failed(ReadError),
}

impl From<ReadError> for NoRoom {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

impl From<heed::Error> for NoRoom {
    fn from(error: heed::Error) -> Self {
        Self::Failed(failed(error))
    }
}

impl From<NoRoom> for ReadError {
    fn from(why: NoRoom) -> Self {
        match why {
            NoRoom::Full(_) => Self::Failed("the index is full, and has to be made anew".into()),
            NoRoom::Failed(error) => error,
        }
    }
}

/// Room for an index's pages.
pub(super) struct Room {
    file: File,
    /// Up to where all of the file has blocks, as far as this process knows.
    reserved: AtomicU64,
    /// Whether others may see the index, so that its map stays as it is.
    is_sealed: AtomicBool,
}

/// Says in an empty directory that the index to be made there is written through its map, where blocks can be taken up
/// ahead; `false` where they can't.
pub(super) fn prepare(directory: &Dir) -> io::Result<bool> {
    if cfg!(not(target_pointer_width = "64")) {
        return Ok(false);
    }
    write_size(directory, MAP_BYTES_FIRST)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let file = open_regular(directory, MAPPED, &mut options)?;
    // Tried where something is, so that nothing is left of it.
    let is_ready = reserve(&file, 0, 1)? == Reserved::Yes;
    if !is_ready {
        directory.remove_file(MAPPED)?;
    }
    Ok(is_ready)
}

/// Takes back what was prepared, so that the index is made otherwise.
pub(super) fn give_up(directory: &Dir) -> io::Result<()> {
    for name in [MAPPED, DATA, LOCK] {
        match directory.remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Whether what says how long the map is, if it is there, can be read without harm.
pub(super) fn is_plain(directory: &Dir) -> bool {
    match directory.symlink_metadata(MAPPED) {
        Ok(metadata) => metadata.is_file(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// How long the map of the index in this directory is, in bytes; `None` if its pages are written to the file. One whose
/// file isn't that long is none.
pub(super) fn mapped(directory: &Dir) -> io::Result<Option<usize>> {
    let mut said = String::new();
    match open_regular(directory, MAPPED, OpenOptions::new().read(true)) {
        Ok(file) => file.take(SIZE_BYTES_MAX).read_to_string(&mut said)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let cut = || io::Error::new(io::ErrorKind::InvalidInput, "the index was cut");
    let bytes: usize = said.trim().parse().map_err(|_| cut())?;
    match directory.symlink_metadata(DATA) {
        Ok(data) if data.len() != bytes as u64 => Err(cut()),
        // It is about to be made.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(Some(bytes)),
    }
}

/// Says how long the map is. Only while nobody else sees the index.
fn write_size(directory: &Dir, bytes: usize) -> io::Result<()> {
    match directory.write(MAPPED, bytes.to_string()) {
        // The index's names are gone, so nobody will open it any more.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn page_bytes(env: &Env<WithoutTls>) -> u64 {
    u64::from(env.unnamed_database_stat().page_size)
}

fn used(env: &Env<WithoutTls>) -> u64 {
    (env.info().last_page_number as u64 + 1) * page_bytes(env)
}

impl Room {
    /// The room of an index that is open.
    pub(super) fn of(directory: &Dir, env: &Env<WithoutTls>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = open_regular(directory, DATA, &mut options)?;
        // One that is just being made has its first pages only.
        let is_sealed = AtomicBool::new(env.unnamed_database_stat().entries > 0);
        Ok(Self { file, reserved: AtomicU64::new(used(env)), is_sealed })
    }

    /// Makes sure that so many more pages can be written to.
    pub(super) fn make(
        &self,
        env: &Env<WithoutTls>,
        directory: &Dir,
        pages: u64,
    ) -> Result<(), NoRoom> {
        let needed = used(env) + pages * page_bytes(env);
        if needed > env.info().map_size as u64 {
            if self.is_sealed() {
                return Err(NoRoom::Full(needed));
            }
            self.resize(env, directory, needed)?;
        }
        let reserved = self.reserved.load(Ordering::Relaxed);
        if needed <= reserved {
            return Ok(());
        }
        let end = needed.next_multiple_of(PIECE_BYTES).min(env.info().map_size as u64);
        let taken = match reserve(&self.file, reserved, end - reserved) {
            // There may be room for what is needed now.
            Err(_) => reserve(&self.file, reserved, needed - reserved).map(|taken| (taken, needed)),
            Ok(taken) => Ok((taken, end)),
        };
        match taken {
            Ok((Reserved::Yes, end)) => {
                self.reserved.fetch_max(end, Ordering::Relaxed);
                Ok(())
            }
            Ok((Reserved::Unsupported, _)) => Err(ReadError::Failed(
                "the index's file system takes up no blocks ahead any more; try again".into(),
            )
            .into()),
            Err(error) => Err(ReadError::Failed(format!("the index failed: {error}")).into()),
        }
    }

    /// Whether others may see the index.
    pub(super) fn is_sealed(&self) -> bool {
        self.is_sealed.load(Ordering::Relaxed)
    }

    /// Gives an index that others are about to see its last map, of at least so many bytes.
    pub(super) fn seal(
        &self,
        env: &Env<WithoutTls>,
        directory: &Dir,
        least: u64,
    ) -> Result<(), ReadError> {
        if !self.is_sealed.swap(true, Ordering::Relaxed) {
            self.resize(env, directory, least.max(used(env) * SEALED_TIMES))?;
        }
        Ok(())
    }

    /// Whether so much of the map is in use that the index had better be replaced.
    pub(super) fn is_filling_up(&self, env: &Env<WithoutTls>) -> bool {
        used(env) > env.info().map_size as u64 / 2
    }

    fn resize(&self, env: &Env<WithoutTls>, directory: &Dir, bytes: u64) -> Result<(), ReadError> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX / 2).next_power_of_two();
        let bytes = bytes.max(env.info().map_size);
        // SAFETY: nobody else has the index open yet, and whoever fills it has no transaction open meanwhile.
        unsafe { env.resize(bytes) }.map_err(failed)?;
        write_size(directory, bytes).map_err(|e| failed(e.into()))
    }
}
