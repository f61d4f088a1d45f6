//! What every command needs: which board, how long to wait, how to answer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use taskhost::{Board, Error, OnProgress, OpenOptions, Progress};

use crate::cli::Global;
use crate::output::{Output, note};

/// The board that commands are about when nobody says otherwise.
const BOARD_DEFAULT: &str = ".taskhost";

/// What the global flags say.
#[derive(Debug)]
pub struct Context {
    pub board: PathBuf,
    pub output: Output,
    timeout: Duration,
    allow_unsafe_file_system: bool,
}

impl Context {
    pub fn new(global: Global) -> Self {
        Self {
            board: global.board,
            output: if global.json { Output::Json } else { Output::Text },
            timeout: global.timeout,
            allow_unsafe_file_system: global.allow_unsafe_file_system,
        }
    }

    /// How the board is opened.
    pub fn open_options(&self) -> OpenOptions {
        OpenOptions {
            timeout: self.timeout,
            allow_unsafe_file_system: self.allow_unsafe_file_system,
            progress: Some(progress()),
        }
    }

    /// Opens the board, and says what was mended on the way.
    pub fn open(&self) -> Result<Board, Error> {
        let board = Board::open_with(&self.board, &self.open_options())?;
        for notice in board.notices() {
            note(&format!("taskhost: {notice}"));
        }
        Ok(board)
    }

    /// How to call taskhost on this board, for a hint that can be typed as it stands.
    pub fn taskhost(&self) -> String {
        let default = self.board == std::path::Path::new(BOARD_DEFAULT);
        if default
            || std::env::var_os("TASKHOST_BOARD")
                .is_some_and(|board| board == self.board.as_os_str())
        {
            return "taskhost".into();
        }
        format!("taskhost --board {}", shell_word(&self.board.to_string_lossy()))
    }
}

/// Says how far something slow has come, once it is slow enough for somebody to wonder.
fn progress() -> OnProgress {
    const EVERY: Duration = Duration::from_secs(2);
    let said = Mutex::new(Instant::now());
    Arc::new(move |progress: Progress| {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() >= EVERY {
            *said = Instant::now();
            note(&format!("taskhost: {}: {}", progress.doing, progress.done));
        }
    })
}

/// `text` as one word of a shell.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:/@%+=,-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn words_of_a_hint_can_be_typed_as_they_stand() {
        assert_eq!(shell_word("alice"), "alice");
        assert_eq!(shell_word("it's me"), r"'it'\''s me'");
        assert_eq!(shell_word("$(rm x)"), "'$(rm x)'");
    }
}
