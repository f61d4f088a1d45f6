//! What every command needs: which board, how long to wait, how to answer.

use std::cell::OnceCell;
use std::os::unix::process::CommandExt as _;
use std::process::{Command as Process, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use taskhost::domain::{Error as BoardError, FailureKind};
use taskhost::{Address, Board, Error, OnProgress, OpenOptions, Progress};

use crate::cli::Global;
use crate::output::{Output, hanging, note};
use crate::record::Record;

/// The board that commands are about when nobody says otherwise.
const BOARD_DEFAULT: &str = ".taskhost";
/// How long the board's lock is waited for when nobody says otherwise.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// What the global flags say.
#[derive(Debug)]
pub struct Context {
    pub board: Address,
    pub output: Output,
    /// How long to wait, where somebody said so.
    pub timeout: Option<Duration>,
    allow_unsafe_file_system: bool,
    record: Option<Record>,
    opened: OnceCell<Board>,
}

impl Context {
    pub fn new(global: Global) -> Self {
        Self {
            board: global.board,
            output: if global.json { Output::Json } else { Output::Text },
            timeout: global.timeout,
            allow_unsafe_file_system: global.allow_unsafe_file_system,
            record: Record::asked_for(global.record),
            opened: OnceCell::new(),
        }
    }

    /// How the board is opened.
    pub fn open_options(&self) -> OpenOptions {
        OpenOptions {
            timeout: self.timeout.unwrap_or(TIMEOUT_DEFAULT),
            allow_unsafe_file_system: self.allow_unsafe_file_system,
            progress: Some(progress()),
            record: self.record.as_ref().map(|record| record.keeping(self.output, self.taskhost())),
            ..OpenOptions::default()
        }
    }

    /// Whether a decision could be recorded where that was asked for: found out before anything is done.
    pub fn check_record(&self) -> anyhow::Result<()> {
        self.record.as_ref().map_or(Ok(()), Record::check)
    }

    /// Opens the board.
    pub fn open(&self) -> Result<Board, Error> {
        self.open_with(&self.open_options())
    }

    /// Opens the board for a command that draws on the whole terminal, into which nothing is said while it `is_shown`.
    pub fn open_for_screen(&self, is_shown: Arc<AtomicBool>) -> Result<Board, Error> {
        let say = progress();
        let progress: OnProgress = Arc::new(move |progress| {
            if !is_shown.load(Ordering::Relaxed) {
                say(progress);
            }
        });
        self.open_with(&OpenOptions { progress: Some(progress), ..self.open_options() })
    }

    fn open_with(&self, options: &OpenOptions) -> Result<Board, Error> {
        let board = Board::open_with(&self.board, options)?;
        let _ = self.opened.set(board.clone());
        Ok(board)
    }

    /// Leaves what was measured with the board, says what was mended or upgraded on the way, and has the journal made short
    /// if it is long: by a process of its own, so that nobody waits for it.
    pub fn tidy_up(&self) {
        let Some(board) = self.opened.get() else { return };
        board.store().leave_figures();
        for mended in board.mended() {
            note(&format!("taskhost: {mended}"));
        }
        if board.store().compaction_is_due() {
            // If it can't be started now, the next command tries again.
            let _ = self.compact_apart();
        }
    }

    /// Says what to do about a policy that fails: until it is mended, everybody who asks it for a decision runs into it.
    pub fn hint_at_ways_back(&self, error: &anyhow::Error) {
        let failed = match error.downcast_ref() {
            Some(Error::Board(BoardError::Policy(failure))) => failure,
            _ => return,
        };
        let leads = self.opened.get().and_then(|board| board.policies().ok()?.custom);
        if leads.is_none() || failed.kind == FailureKind::InvalidComponent {
            return;
        }
        let taskhost = self.taskhost();
        let record = match self.record {
            Some(_) => "",
            None => "; with `--record FILE`, it is kept what such a decision was made on",
        };
        self.output.hint(&hanging(&format!(
            "until the policy is mended, `{taskhost} policy set standard` lets the \
             standard one decide, or `{taskhost} config set fallback true` wherever this one fails{record}"
        )));
    }

    fn compact_apart(&self) -> std::io::Result<()> {
        let mut compact = Process::new(std::env::current_exe()?);
        // Everybody on this machine sees what a process is called with, and nobody else its environment.
        compact.env("TASKHOST_BOARD", self.board.as_os_str()).args(["compact", "--if-due"]);
        if self.allow_unsafe_file_system {
            compact.arg("--allow-unsafe-file-system");
        }
        // Not in this one's process group: whoever stops a script doesn't mean it.
        compact.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        compact.spawn().map(|_| ())
    }

    /// How to call taskhost on this board, for a hint that can be typed as it stands.
    pub fn taskhost(&self) -> String {
        let is_default = self.board == Address::from(BOARD_DEFAULT);
        if is_default
            || std::env::var_os("TASKHOST_BOARD")
                .is_some_and(|board| board == self.board.as_os_str())
        {
            return "taskhost".into();
        }
        format!("taskhost --board {}", shell_word(&self.board.to_string()))
    }
}

/// Says how far something slow has come, once it is slow enough for somebody to wonder.
pub fn progress() -> OnProgress {
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

/// Does something of which nobody knows how far it has come, and says so now and then if it is slow.
pub fn slowly<T>(doing: &str, work: impl FnOnce() -> T) -> T {
    const EVERY: Duration = Duration::from_secs(2);
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let began = Instant::now();
            while is_done.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                note(&format!("taskhost: {doing}: {} s", began.elapsed().as_secs()));
            }
        });
        let answer = work();
        drop(done);
        answer
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
