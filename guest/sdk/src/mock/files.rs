//! The files of a mock board.

use std::collections::BTreeMap;

use super::World;
use crate::files::{FileError, Place};

const FILE_BYTES_MAX: usize = 1 << 20;

/// Two directories, in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    board: BTreeMap<String, Vec<u8>>,
    shared: BTreeMap<String, Vec<u8>>,
}

impl Files {
    pub(super) fn get(&self, at: Place, name: &str) -> Option<&[u8]> {
        let files = match at {
            Place::Board => &self.board,
            Place::Shared => &self.shared,
        };
        files.get(name).map(Vec::as_slice)
    }

    pub(super) fn put(&mut self, at: Place, name: &str, content: &[u8]) {
        self.at(at).insert(name.to_owned(), content.to_vec());
    }

    fn at(&mut self, at: Place) -> &mut BTreeMap<String, Vec<u8>> {
        match at {
            Place::Board => &mut self.board,
            Place::Shared => &mut self.shared,
        }
    }
}

impl World {
    pub(super) fn read(&mut self, at: Place, name: &str) -> Result<Vec<u8>, FileError> {
        expect_name(name)?;
        self.files.at(at).get(name).cloned().ok_or(FileError::NotFound)
    }

    pub(super) fn replace(
        &mut self,
        at: Place,
        name: &str,
        content: &[u8],
        expected: Option<&[u8]>,
    ) -> Result<(), FileError> {
        expect_name(name)?;
        if !self.may_change() {
            return Err(FileError::Forbidden("this hook only reads".into()));
        }
        if content.len() > FILE_BYTES_MAX {
            return Err(FileError::TooLarge);
        }
        let files = self.files.at(at);
        let found = files.get(name).map(Vec::as_slice).unwrap_or_default();
        if expected.is_some_and(|expected| expected != found) {
            return Err(FileError::Changed);
        }
        files.insert(name.to_owned(), content.to_vec());
        Ok(())
    }
}

fn expect_name(name: &str) -> Result<(), FileError> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if starts && name.len() <= 128 && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(FileError::Forbidden(format!("`{name}` isn't a name of a file")))
}
