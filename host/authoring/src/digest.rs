//! Digests, by which it is told whether anything has changed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::carried::Carried;
use crate::error::{Result, at};

/// A digest of several parts, each with its length, so that no two lists of parts have the same.
#[derive(Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Adds a part.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// Adds the names and contents of carried files.
    pub fn add_carried(&mut self, files: &[Carried]) {
        for (path, content) in files {
            self.add(path.as_bytes());
            self.add(content.as_bytes());
        }
    }

    /// Adds the names and contents of files below `directory`.
    pub fn add_files(&mut self, directory: &Path, files: &[PathBuf]) -> Result<()> {
        for file in files {
            let path = directory.join(file);
            self.add(file.as_os_str().as_encoded_bytes());
            self.add(&fs::read(&path).map_err(at(&path))?);
        }
        Ok(())
    }

    /// The digest in hexadecimal.
    pub fn hex(self) -> String {
        self.0.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// The digest of these bytes alone.
pub fn of(bytes: &[u8]) -> String {
    let mut digest = Digest::default();
    digest.add(bytes);
    digest.hex()
}
