//! Answers: data on standard output, as text or as one JSON object; the rest on standard error.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use serde::Serialize;
use taskhost::wire;
use taskhost_answers::Envelope;

/// In which form answers are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Text,
    Json,
}

/// `body` as the one JSON object that a command prints.
pub fn json<T: Serialize>(body: &T) -> Result<String> {
    serde_json::to_string(&Envelope::new(body)).context("the answer can't be written as JSON")
}

impl Output {
    /// Gives the answer: `body` as JSON, or what `text` writes.
    pub fn answer<T: Serialize>(self, body: &T, text: impl FnOnce(&mut String)) -> Result<()> {
        match self {
            Self::Json => print(&(json(body)? + "\n")),
            Self::Text => {
                let mut written = String::new();
                text(&mut written);
                print(&visible(&written))
            }
        }
    }

    /// Gives one of many answers, a line each; `false` if nobody reads them any more.
    pub fn event<T: Serialize + std::fmt::Display>(self, body: &T) -> Result<bool> {
        match self {
            Self::Json => print_if_read(&(json(body)? + "\n")),
            Self::Text => print_if_read(&(visible(&hanging(&body.to_string())) + "\n")),
        }
    }

    /// Gives an answer that isn't one of those that were asked for, so that people read it on standard error; `false`
    /// if nobody reads them any more.
    pub fn aside<T: Serialize + std::fmt::Display>(self, body: &T) -> Result<bool> {
        match self {
            Self::Json => self.event(body),
            Self::Text => {
                note(&hanging(&format!("taskhost: {body}")));
                Ok(true)
            }
        }
    }

    /// Says something to people, and nothing with `--json`.
    pub fn hint(self, text: &str) {
        if self == Self::Text {
            note(text);
        }
    }
}

/// Says something on standard error.
pub fn note(text: &str) {
    // Nobody is left to be told that standard error can't be written.
    let _ = writeln!(io::stderr().lock(), "{}", visible(text));
}

/// Writes everything that `source` gives to standard output, as it is.
pub fn copy(source: &mut impl io::Read) -> Result<()> {
    let mut stdout = io::stdout().lock();
    written(io::copy(source, &mut stdout).and_then(|_| stdout.flush())).map(|_| ())
}

fn print(text: &str) -> Result<()> {
    // Whoever reads may have enough, as `head` does.
    print_if_read(text).map(|_| ())
}

/// `false` if nobody reads it.
fn print_if_read(text: &str) -> Result<bool> {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// `false` if whoever reads has enough, as `head` does.
fn written(result: io::Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("standard output can't be written"),
    }
}

/// The text with control characters made visible: what agents wrote must not steer the reader's terminal.
pub fn visible(text: &str) -> String {
    if !text.chars().any(steers) {
        return text.to_owned();
    }
    let escape = |c: char| if steers(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

fn steers(c: char) -> bool {
    c != '\n' && wire::steers(c)
}

/// A number of things, by their name as one or as several.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The text with every line but the first set in: what agents wrote may have several, and none of them shall look like
/// one of ours.
pub fn hanging(text: &str) -> String {
    const MARGIN: &str = "    ";
    let mut lines = text.split('\n');
    let mut hanging = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        hanging.push('\n');
        if !line.is_empty() && !line.starts_with(MARGIN) {
            hanging.push_str(MARGIN);
        }
        hanging.push_str(line);
    }
    hanging
}

/// Writes one line, and sets in what follows if what is in it has several; writing to a text can't fail.
pub fn line(text: &mut String, written: impl std::fmt::Display) {
    let _ = writeln!(text, "{}", hanging(&written.to_string()));
}

/// Writes `rows` below `head` in columns as wide as they need to be.
pub fn table<const N: usize>(text: &mut String, head: [&str; N], rows: &[[String; N]]) {
    let mut widths = head.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in std::iter::once(&head.map(String::from)).chain(rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        line(text, cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_wrote_does_not_steer_the_terminal() {
        assert_eq!(visible("a\x1b[2Jb\nc\u{9b}d"), "a\\u{1b}[2Jb\nc\\u{9b}d");
        assert_eq!(visible("a\u{202e}b\u{200f}c\u{2028}d"), "a\\u{202e}b\\u{200f}c\\u{2028}d");
        assert_eq!(visible("größe\u{200d}"), "größe\u{200d}", "people's words and emojis stay");
    }

    // A reason of two lines, the second of which read `nothing is wrong`, stood in a report like a line of our own.
    #[test]
    fn what_agents_wrote_begins_no_line() {
        let mut text = String::new();
        line(&mut text, "`t`: failed (one\ntoken  9\n\n      deep)");
        assert_eq!(text, "`t`: failed (one\n    token  9\n\n      deep)\n");
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let mut text = String::new();
        table(&mut text, ["id", "n"], &[["long-id".into(), "1".into()], ["ä".into(), "22".into()]]);
        assert_eq!(text, "id       n\nlong-id  1\nä        22\n");
    }

    #[test]
    fn every_json_object_carries_the_schema() {
        assert_eq!(
            json(&serde_json::json!({"task": null})).unwrap(),
            r#"{"schema":1,"task":null}"#
        );
    }
}
