//! The shared words in a mapped file: the only unsafe code of this crate besides opening the index.

#![expect(unsafe_code, reason = "words shared between processes have to be mapped")]

use std::fs::File;
use std::io;
use std::sync::atomic::AtomicU64;

use memmap2::MmapRaw;

use super::{Cells, WORDS, WORDS_BYTES};

/// Words in a file that other processes map too.
pub(crate) struct MappedWords {
    map: MmapRaw,
    file: File,
}

impl MappedWords {
    /// Maps `file`, which must be open for reading and writing; `None` if it is too short to be one of ours.
    pub(crate) fn open(file: File) -> io::Result<Option<Self>> {
        if file.metadata()?.len() < WORDS_BYTES as u64 {
            return Ok(None);
        }
        let map = MmapRaw::map_raw(&file)?;
        Ok((map.len() >= WORDS_BYTES).then_some(Self { map, file }))
    }
}

impl Cells for MappedWords {
    fn cell(&self, index: usize) -> &AtomicU64 {
        assert!(index < WORDS, "there are {WORDS} words");
        // SAFETY: the map is at least WORDS_BYTES long, page-aligned, readable and writable, and lives as long
        // as `self`. It is only ever accessed through atomics, here and in other processes; 64-bit atomics
        // are lock-free and address-free on the platforms this crate is built for. Someone who truncates the
        // file makes the access fault; that is no worse than what they could do to the journal.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().cast::<u64>().add(index)) }
    }

    fn is_linked(&self) -> bool {
        rustix::fs::fstat(&self.file).is_ok_and(|stat| stat.st_nlink > 0)
    }
}
