//! Words in a mapped file, the shared ones and the statistics: the only unsafe code of this crate besides opening the index.

#![expect(unsafe_code, reason = "words shared between processes have to be mapped")]

use std::fs::File;
use std::io;
use std::sync::atomic::AtomicU64;

use memmap2::MmapRaw;

use super::Cells;
use crate::disk::reserve;

/// Words in a file that other processes map too.
pub(crate) struct MappedWords {
    map: MmapRaw,
    file: File,
    count: usize,
}

impl MappedWords {
    /// Maps `file`, which must be open for reading and writing; `None` if it is too short for so many words.
    pub(crate) fn open(file: File, count: usize) -> io::Result<Option<Self>> {
        if file.metadata()?.len() < (count * 8) as u64 {
            return Ok(None);
        }
        let map = MmapRaw::map_raw(&file)?;
        Ok((map.len() >= count * 8).then_some(Self { map, file, count }))
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

    /// Makes room on the disk for `count` words from `first` on. Without it, writing to one that never was written to
    /// kills the process when the disk is full.
    pub(crate) fn reserve(&self, first: usize, count: usize) -> io::Result<()> {
        // Where that isn't supported, all of the file was written when it was made.
        reserve(&self.file, (first * 8) as u64, (count * 8) as u64).map(|_| ())
    }

    /// Whether newcomers find these very words too.
    pub(crate) fn is_linked(&self) -> bool {
        rustix::fs::fstat(&self.file).is_ok_and(|stat| stat.st_nlink > 0)
    }
}

impl Cells for MappedWords {
    fn cell(&self, index: usize) -> &AtomicU64 {
        self.word(index)
    }

    fn is_linked(&self) -> bool {
        Self::is_linked(self)
    }
}
