//! What has the name of a snapshot or a journal and is something else: a directory or a symbolic link, which may lead
//! elsewhere.

use std::io;

use taskhost_board::ReadError;

use crate::disk::has_file;
use crate::format::names;
use crate::state::{Inner, failed};

/// What is said of one.
pub(crate) const NOT_REGULAR: &str = "it isn't a regular file";

impl Inner {
    /// The regular files in a directory that need not be there.
    pub(crate) fn regular_files(&self, directory: &str) -> Result<Vec<String>, ReadError> {
        let mut regular = Vec::new();
        for name in self.list_if_there(directory)? {
            let path = path(directory, &name);
            if has_file(&*self.disk, &path).map_err(failed(&path))? {
                regular.push(name);
            }
        }
        Ok(regular)
    }

    /// The paths of everything that only has the name of a snapshot or a journal.
    pub(crate) fn irregular_volumes(&self) -> Result<Vec<String>, ReadError> {
        let mut irregular = Vec::new();
        for directory in [".", names::HISTORY] {
            let mut names = self.list_if_there(directory)?;
            names.extend(match self.disk.directories(directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                listed => listed.map_err(failed(directory))?,
            });
            let is_volume = |name: &String| {
                names::generation_in(name, "journal-", ".jsonl")
                    .or_else(|| names::generation_in(name, "tasks-", ".jsonl"))
                    .is_some()
            };
            for path in
                names.iter().filter(|name| is_volume(name)).map(|name| path(directory, name))
            {
                // What is gone by now was a file that a switch has taken away.
                if matches!(self.disk.is_regular(&path), Ok(false)) {
                    irregular.push(path);
                }
            }
        }
        Ok(irregular)
    }

    /// Refuses what isn't a regular file, before it is opened. What is missing is for the caller to find out.
    pub(crate) fn expect_regular(&self, path: &str) -> Result<(), ReadError> {
        if matches!(self.disk.is_regular(path), Ok(false)) {
            let why = "nothing was changed, and `taskhost doctor --repair` says what can be done";
            return Err(ReadError::Damaged(format!("`{path}`: {NOT_REGULAR}; {why}")));
        }
        Ok(())
    }
}

fn path(directory: &str, name: &str) -> String {
    if directory == "." { name.to_owned() } else { format!("{directory}/{name}") }
}
