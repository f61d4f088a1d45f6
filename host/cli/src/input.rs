//! What the caller gives on the command line, in a file, or on standard input.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Result;
use taskhost::Json;

use crate::exit::Usage;
use crate::parse;

/// The largest JSON value read, in bytes; a board takes no larger one either.
const JSON_BYTES_MAX: u64 = 1 << 20;

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the argument itself.
    Here(String),
    /// In this file.
    File(String),
    /// On standard input.
    Stdin,
}

/// `JSON`, `@FILE` or `-`.
pub fn source(text: &str) -> Result<Source, String> {
    Ok(match text.strip_prefix('@') {
        Some("") => return Err("`@` names no file: write `@FILE`".into()),
        Some(path) => Source::File(path.to_owned()),
        None if text == "-" => Source::Stdin,
        None => Source::Here(text.to_owned()),
    })
}

impl Source {
    /// The JSON value that stands there.
    pub fn json(&self) -> Result<Json> {
        let parsed = Json::parse(&self.text()?);
        parsed.map_err(|error| {
            let place = self.place();
            Usage(format!("{place} isn't JSON: {error}; a plain text needs its own double quotes"))
                .into()
        })
    }

    /// The text that stands there.
    pub fn text(&self) -> Result<String> {
        let bytes = self.bytes(JSON_BYTES_MAX, "keep it in a file and give its name as data")?;
        String::from_utf8(bytes).map_err(|_| Usage(format!("{} isn't UTF-8", self.place())).into())
    }

    /// The bytes that stand there, at most `max`; `instead` says what to do with more.
    pub fn bytes(&self, max: u64, instead: &str) -> Result<Vec<u8>> {
        let place = self.place();
        let bytes = match self {
            Self::Here(text) => text.clone().into_bytes(),
            Self::File(path) => read(File::open(path), &place, max)?,
            Self::Stdin => read(Ok(io::stdin().lock()), &place, max)?,
        };
        if bytes.len() as u64 > max {
            let max = parse::show_bytes(max);
            return Err(Usage(format!("{place} is larger than {max}: {instead}")).into());
        }
        Ok(bytes)
    }

    fn place(&self) -> String {
        match self {
            Self::Here(_) => "the argument".into(),
            Self::File(path) => format!("`{path}`"),
            Self::Stdin => "standard input".into(),
        }
    }
}

/// Reads one byte more than `max` at most, by which the caller sees that there is more.
fn read(source: io::Result<impl Read>, place: &str, max: u64) -> Result<Vec<u8>> {
    let unread = |error: io::Error| Usage(format!("{place} can't be read: {error}"));
    let mut bytes = Vec::new();
    source.map_err(unread)?.take(max + 1).read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

/// Why a file wasn't read.
#[derive(Debug)]
pub enum FileError {
    Failed(io::Error),
    /// It is something else than a file.
    NoFile(&'static str),
    /// It has so many bytes.
    TooLarge(u64),
}

/// The bytes of a file.
///
/// Only a file is read: whatever else has a name may have no end, or keep whoever opens it waiting.
pub fn file(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    // A pipe that nobody writes to is opened without waiting for them.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(FileError::Failed)?;
    let found = file.metadata().map_err(FileError::Failed)?;
    if !found.is_file() {
        let what = if found.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(FileError::NoFile(what));
    }
    if found.len() > max {
        return Err(FileError::TooLarge(found.len()));
    }
    let mut bytes = Vec::new();
    // One that grows meanwhile is cut off, and no good then.
    file.take(max + 1).read_to_end(&mut bytes).map_err(FileError::Failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_sign_names_a_file_and_dash_standard_input() {
        assert_eq!(source("@a.json"), Ok(Source::File("a.json".into())));
        assert_eq!(source("-"), Ok(Source::Stdin));
        assert_eq!(source("-1"), Ok(Source::Here("-1".into())));
        assert!(source("@").is_err());
    }

    #[test]
    fn what_is_too_large_is_refused_with_what_to_do_instead() {
        let here = |bytes: usize| Source::Here("x".repeat(bytes));
        assert_eq!(here(1024).bytes(1024, "cut it").unwrap().len(), 1024);
        let why = here(1025).bytes(1024, "cut it").unwrap_err().to_string();
        assert_eq!(why, "the argument is larger than 1KiB: cut it");
    }
}
