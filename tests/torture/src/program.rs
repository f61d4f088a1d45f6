//! [`Worker`]: this very program, started once more in another role, and what it says.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use crate::place::program;

/// A process in a role of its own. Killed when it is dropped.
pub(crate) struct Worker {
    child: Child,
    /// Apart from the child, since waiting for that would close it.
    input: Option<ChildStdin>,
    reader: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts one with these arguments; each whole line that it says goes to `heard`, in a thread of its own. What it
    /// complains of is appended to `complaints`.
    pub(crate) fn start<S: AsRef<OsStr>>(
        arguments: &[S],
        complaints: &Path,
        heard: impl FnMut(&str) + Send + 'static,
    ) -> io::Result<Self> {
        Self::spawn(Command::new(program()?).args(arguments), complaints, heard)
    }

    /// The same for any program.
    pub(crate) fn spawn(
        command: &mut Command,
        complaints: &Path,
        mut heard: impl FnMut(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let complaints = OpenOptions::new().create(true).append(true).open(complaints)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(complaints);
        let mut child = command.spawn()?;
        let Some(out) = child.stdout.take() else {
            return Err(io::Error::other("a worker has no standard output"));
        };
        let reader = std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut line = Vec::new();
            while matches!(out.read_until(b'\n', &mut line), Ok(1..)) {
                // A line that was cut off has no end, and counts as not said.
                if line.pop() == Some(b'\n') {
                    heard(&String::from_utf8_lossy(&line));
                }
                line.clear();
            }
        });
        let input = child.stdin.take();
        Ok(Self { child, input, reader: Some(reader) })
    }

    /// Says a line to it. One that is gone hears nothing.
    pub(crate) fn tell(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(format!("{line}\n").as_bytes());
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself, and isn't waited for before `ended`.
            let _ = kill_process(pid, signal);
        }
    }

    /// How it ended, if it did.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until it has ended, and until all that it said was heard.
    pub(crate) fn ended(&mut self) -> io::Result<ExitStatus> {
        drop(self.input.take());
        let status = self.child.wait()?;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        Ok(status)
    }

    /// Ends it by `kill -9`.
    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        let _ = self.child.kill();
        self.ended()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A program that was built beside this one, which may be a test of it.
pub(crate) fn beside(name: &str) -> io::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let found = this.ancestors().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let why =
            format!("there is no `{name}` beside {}: run `cargo build --bins`", this.display());
        io::Error::new(io::ErrorKind::NotFound, why)
    })
}

/// What was complained of last, for people.
pub(crate) fn last_lines(complaints: &Path) -> String {
    let text = std::fs::read_to_string(complaints).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
