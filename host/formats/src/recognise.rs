//! Which system's files a path holds, by looking.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::json_files::{TODO2_DIRECTORY, TODO2_FILE};
use crate::{Error, Format, a2a, sqlite, text};

/// What a path holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// A board on its way, as taskhost itself exports it.
    Transfer,
    /// The files of another system.
    Foreign(Format),
}

/// Tells what `path` holds: by the directories in it, by how a database begins, or by the top of a JSON file.
///
/// # Errors
///
/// If there is nothing, if it is neither a file nor a directory, if it is JSON that is damaged, or if it is like none of
/// the formats.
pub fn recognise(path: &Path) -> Result<Recognised, Error> {
    if path.is_dir() {
        return recognise_directory(path);
    }
    text::expect_file(path)?;
    if has_header(path) {
        return Ok(Recognised::Transfer);
    }
    if sqlite::is_database(path) {
        return Ok(Recognised::Foreign(Format::Sqlite));
    }
    let raw = text::load_json(path)?;
    let unrecognised = || Error::Unrecognised(path.to_owned());
    if raw.get().starts_with('[') {
        return Ok(Recognised::Foreign(Format::TaskBoard));
    }
    let members = text::members(&raw).ok_or_else(unrecognised)?;
    let begins = |name: &str, with: char| {
        members.iter().any(|(key, value)| key == name && value.get().starts_with(with))
    };
    if begins("todos", '[') {
        Ok(Recognised::Foreign(Format::Todo2))
    } else if begins("tasks", '{') {
        Ok(Recognised::Foreign(Format::TaskManager))
    } else if begins("tasks", '[') {
        Ok(Recognised::Foreign(Format::TaskBoard))
    } else {
        Err(unrecognised())
    }
}

fn recognise_directory(path: &Path) -> Result<Recognised, Error> {
    if path.join(TODO2_FILE).is_file() || path.join(TODO2_DIRECTORY).join(TODO2_FILE).is_file() {
        Ok(Recognised::Foreign(Format::Todo2))
    } else if a2a::root(path).is_some() {
        Ok(Recognised::Foreign(Format::A2a))
    } else {
        Err(Error::Unrecognised(path.to_owned()))
    }
}

/// Whether it begins as a board's export does. The rest is for whoever reads that.
fn has_header(path: &Path) -> bool {
    const BEGINNING: &str = r#"{"header":{"transfer":"#;
    let Ok(file) = File::open(path) else { return false };
    let mut beginning = String::new();
    // Room for blanks that somebody put in; what is no text is no export.
    let mut bytes = Vec::new();
    if file.take(256).read_to_end(&mut bytes).is_ok() {
        beginning.extend(String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_whitespace()));
    }
    beginning.starts_with(BEGINNING)
}
