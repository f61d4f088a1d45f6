//! What people see of a command's output: its lines as they come, the last ones if it failed, or nothing.
//!
//! The command prints into files of its own. A thread follows them as `tail -f` does, so that neither a slow
//! terminal holds up the heartbeats nor anything that the command left in the background holds up its end.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use taskhost::Agent;

use super::Run;
use super::lines::Lines;
use super::screen::Screen;

/// How often a thread looks for more.
const LOOK: Duration = Duration::from_millis(50);
/// How much is read and shown at once, in bytes: so both of a command's outputs have their turn.
const CHUNK_BYTES: usize = 64 * 1024;
/// How many of the last lines are shown of each output of a command that failed.
const LAST_LINES: usize = 20;

/// What is shown of the commands' output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Show {
    /// Every line as it comes, after the agent's name
    Live,
    /// The last lines of a command that failed
    Failed,
    /// Nothing
    None,
}

/// What is shown of one attempt.
pub enum Shown {
    Live(Follower),
    IfFailed(Vec<Stream>),
    Nothing,
}

impl Shown {
    /// Begins to show what comes into `files`.
    pub fn begin(run: &Run, agent: &Agent, files: [PathBuf; 2]) -> Self {
        let screen = &run.progress.screen;
        let open = || -> io::Result<Vec<Stream>> {
            files.iter().map(|file| Stream::open(file, agent.name.as_str())).collect()
        };
        let begun = match run.show {
            Show::None => return Self::Nothing,
            Show::Failed => open().map(Self::IfFailed),
            Show::Live => {
                open().and_then(|streams| Follower::start(screen.clone(), streams)).map(Self::Live)
            }
        };
        begun.unwrap_or_else(|error| {
            // The task is worth more than the look of it, and the files are there all the same.
            screen.say(&format!("{}: the output can't be shown: {error}", agent.name));
            Self::Nothing
        })
    }

    /// Shows what is still to be shown once the command has ended, unless there is a hurry.
    pub fn finish(self, screen: &Screen, has_failed: bool, hurry: impl Fn() -> bool) {
        match self {
            Self::Live(follower) => follower.finish(hurry),
            Self::IfFailed(streams) if has_failed => {
                for mut stream in streams {
                    stream.show_last(screen);
                }
            }
            Self::IfFailed(_) | Self::Nothing => {}
        }
    }
}

/// A thread that shows lines as they come.
pub struct Follower {
    /// Closed when the command has ended; nothing is ever sent.
    goes_on: Sender<Infallible>,
    /// Closed when everything is shown.
    done: Receiver<Infallible>,
}

impl Follower {
    fn start(screen: Screen, mut streams: Vec<Stream>) -> io::Result<Self> {
        let (goes_on, ended) = mpsc::channel::<Infallible>();
        let (showing, done) = mpsc::channel::<Infallible>();
        thread::Builder::new().spawn(move || {
            let _showing = showing;
            while matches!(ended.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout)) {
                while show_each(&mut streams, &screen) {}
            }
            // Only what was there when the command ended: others may print on without end.
            for stream in &mut streams {
                stream.show_rest(&screen);
            }
        })?;
        Ok(Self { goes_on, done })
    }

    fn finish(self, hurry: impl Fn() -> bool) {
        drop(self.goes_on);
        while matches!(self.done.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout)) && !hurry() {}
    }
}

/// Shows a chunk of each; says whether there was one.
fn show_each(streams: &mut [Stream], screen: &Screen) -> bool {
    let mut is_more = false;
    for stream in streams {
        is_more |= stream.show(screen);
    }
    is_more
}

/// One of a command's outputs.
pub struct Stream {
    file: File,
    /// Up to where it was read.
    offset: u64,
    lines: Lines,
}

impl Stream {
    fn open(path: &PathBuf, name: &str) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, offset: 0, lines: Lines::of(name) })
    }

    /// Shows the whole lines of the next chunk; says whether there was one.
    fn show(&mut self, screen: &Screen) -> bool {
        self.show_until(screen, u64::MAX)
    }

    fn show_rest(&mut self, screen: &Screen) {
        let end = self.length();
        while self.show_until(screen, end) {}
        let last = self.lines.end();
        screen.write(&last);
    }

    fn show_last(&mut self, screen: &Screen) {
        self.offset = self.length().saturating_sub(CHUNK_BYTES as u64);
        let is_cut = self.offset > 0;
        let mut text = String::new();
        while let Some(more) = self.read_until(self.length()) {
            text.push_str(&more);
        }
        text.push_str(&self.lines.end());
        let lines: Vec<&str> = text.split_inclusive('\n').skip(usize::from(is_cut)).collect();
        screen.write(&lines[lines.len().saturating_sub(LAST_LINES)..].concat());
    }

    fn show_until(&mut self, screen: &Screen, end: u64) -> bool {
        let Some(lines) = self.read_until(end) else { return false };
        if !lines.is_empty() {
            screen.write(&lines);
        }
        true
    }

    /// The lines that end in the next chunk; nothing if there is none before `end`.
    fn read_until(&mut self, end: u64) -> Option<String> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let wanted = usize::try_from(end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        chunk.truncate(wanted);
        // What can't be read now is in the file all the same.
        let read = self.file.read_at(&mut chunk, self.offset).unwrap_or_default();
        if read == 0 {
            // Somebody emptied it, as a script does that opens `/dev/stderr` again: it begins anew.
            if self.length() < self.offset {
                self.offset = 0;
            }
            return None;
        }
        self.offset += read as u64;
        Some(self.lines.take(&chunk[..read]))
    }

    fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }
}
