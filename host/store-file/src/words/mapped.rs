//! Words in a mapped file, the shared ones and the statistics: the only unsafe code of this crate besides opening the index.

#![expect(unsafe_code, reason = "words shared between processes have to be mapped")]

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use memmap2::MmapRaw;

use super::Cells;
use crate::disk::{Identity, RealDisk, reserve};

/// Words in a file that other processes map too.
pub(crate) struct MappedWords {
    map: MmapRaw,
    /// Kept open, so that no other file is given its inode while it is mapped.
    file: File,
    count: usize,
    /// Where newcomers look for it.
    disk: Arc<RealDisk>,
    path: &'static str,
    identity: Identity,
}

impl MappedWords {
    /// Maps `file`, which must be open for reading and writing and was found at `path` on `disk`; `None` if it is too
    /// short for so many words.
    pub(crate) fn open(
        file: File,
        count: usize,
        disk: &Arc<RealDisk>,
        path: &'static str,
    ) -> io::Result<Option<Self>> {
        let stat = rustix::fs::fstat(&file)?;
        if u64::try_from(stat.st_size).unwrap_or_default() < (count * 8) as u64 {
            return Ok(None);
        }
        let identity = Identity { device: stat.st_dev, inode: stat.st_ino };
        let map = MmapRaw::map_raw(&file)?;
        let is_whole = map.len() >= count * 8;
        Ok(is_whole.then(|| Self { map, file, count, disk: disk.clone(), path, identity }))
    }

    /// The word at `index`.
    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.count, "there are {} words", self.count);
        // SAFETY: the map is at least `count` words long, page-aligned, readable and writable, and lives as long
        // as `self`. It is only ever accessed through atomics, here and in other processes; 64-bit atomics
        // are lock-free and address-free on the platforms this crate is built for. The words have blocks of
        // their own on the disk before anybody writes to them (`disk::reserve`). Someone who truncates the file makes
        // the access fault; that is no worse than what they could do to the journal.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().cast::<u64>().add(index)) }
    }

    /// The half of a word at its address, which is as good as any other for a word that is used by that half only.
    pub(super) fn half(&self, index: usize) -> &AtomicU32 {
        let word = self.word(index);
        // SAFETY: the word is as long and as well aligned as two of these, lives as long as `self`, and is only ever
        // accessed through atomics: these, where it is a turn's or a slot's state.
        unsafe { AtomicU32::from_ptr(word.as_ptr().cast::<u32>()) }
    }

    /// Makes room on the disk for `count` words from `first` on. Without it, writing to one that never was written to
    /// kills the process when the disk is full.
    pub(crate) fn reserve(&self, first: usize, count: usize) -> io::Result<()> {
        // Where that isn't supported, all of the file was written when it was made.
        reserve(&self.file, (first * 8) as u64, (count * 8) as u64).map(|_| ())
    }

    /// Whether newcomers find these very words too: what has their name now is what was mapped. That the file has some
    /// name isn't enough, for it may be that of a backup. One system call, since every transaction asks.
    pub(crate) fn is_linked(&self) -> bool {
        self.disk.identity_in_one_call(self.path).is_ok_and(|named| named == self.identity)
    }
}

impl Cells for MappedWords {
    fn cell(&self, index: usize) -> &AtomicU64 {
        self.word(index)
    }

    fn is_linked(&self) -> bool {
        Self::is_linked(self)
    }

    fn turn_word(&self, index: usize) -> Option<&AtomicU32> {
        Some(self.half(index))
    }
}
