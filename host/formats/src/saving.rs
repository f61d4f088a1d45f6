//! Files that are whole or not there, and never in another one's place.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use tempfile::{Builder, NamedTempFile};

use crate::Error;

pub(crate) fn unwritable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Unwritable { path: path.to_owned(), why: why.to_string() }
}

/// A new file beside `path`, which takes its place when it is done.
pub(crate) struct Draft {
    file: NamedTempFile,
    path: PathBuf,
}

impl Draft {
    /// Begins it; refuses if something is at `path` that isn't empty.
    pub(crate) fn begin(path: &Path) -> Result<Self, Error> {
        if is_taken(path) {
            return Err(Error::Occupied(path.to_owned()));
        }
        let directory = directory_of(path);
        fs::create_dir_all(directory).map_err(|e| unwritable(directory, e))?;
        let mut builder = Builder::new();
        builder.prefix(".taskhost-").suffix(".tmp");
        // As any other file that is made there, since others are to read it.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(directory).map_err(|e| unwritable(path, e))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Where it is until it is done.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|e| unwritable(&self.path, e))
    }

    /// Puts it in its place, durably.
    pub(crate) fn finish(self) -> Result<(), Error> {
        let path = self.path.clone();
        self.place()?;
        sync_directory(directory_of(&path))
    }

    /// Puts it in its place, where it stays once the directory is synced.
    fn place(self) -> Result<(), Error> {
        let Self { file, path } = self;
        file.as_file().sync_all().map_err(|e| unwritable(&path, e))?;
        let placed = match fs::metadata(&path) {
            // An empty file holds a place for this one.
            Ok(found) if found.is_file() && found.len() == 0 => file.persist(&path),
            _ => file.persist_noclobber(&path),
        };
        placed.map_err(|e| match e.error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Occupied(path.clone()),
            _ => unwritable(&path, e.error),
        })?;
        Ok(())
    }
}

/// Makes durable which files are in a directory.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), Error> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|e| unwritable(directory, e))
}

/// Whether something is there that isn't an empty file.
fn is_taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| !found.is_file() || found.len() > 0)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Saves JSON as people read it.
pub(crate) fn save_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    draft_of(path, value)?.finish()
}

/// The same for one of many files in a directory, which is synced after the last of them.
pub(crate) fn save_one_of_many(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    draft_of(path, value)?.place()
}

fn draft_of(path: &Path, value: &impl Serialize) -> Result<Draft, Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| unwritable(path, e))?;
    bytes.push(b'\n');
    let mut draft = Draft::begin(path)?;
    draft.write(&bytes)?;
    Ok(draft)
}

/// An object whose members stand in this order.
pub(crate) struct Members(pub(crate) Vec<(String, Value)>);

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
