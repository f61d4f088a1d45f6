//! JSON that the caller gives on the command line, in a file, or on standard input.

use std::fs::File;
use std::io::{self, BufReader, Read};

use anyhow::{Context as _, Result};
use taskhost::Json;

use crate::exit::Usage;

/// The largest JSON value read, in bytes; a board takes no larger one either.
const BYTES_MAX: u64 = 1 << 20;

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
        let (place, text) = match self {
            Self::Here(text) => ("the argument".to_owned(), text.clone()),
            Self::File(path) => (format!("`{path}`"), read(File::open(path), path)?),
            Self::Stdin => {
                ("standard input".to_owned(), read(Ok(io::stdin().lock()), "standard input")?)
            }
        };
        let parsed = Json::parse(&text);
        parsed.map_err(|error| {
            Usage(format!("{place} isn't JSON: {error}; a plain text needs its own double quotes"))
                .into()
        })
    }
}

fn read(source: io::Result<impl Read>, name: &str) -> Result<String> {
    let source = source.map_err(|error| Usage(format!("`{name}` can't be read: {error}")))?;
    let mut text = String::new();
    let mut bounded = BufReader::new(source.take(BYTES_MAX + 1));
    bounded.read_to_string(&mut text).with_context(|| format!("`{name}` can't be read"))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(Usage(format!(
            "`{name}` is larger than 1 MiB: keep it in a file and give its name as data"
        ))
        .into());
    }
    Ok(text)
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
}
