//! Calling a program and keeping what it says.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Result, at};

/// Variables of the user's environment that would change what a tool does.
const IN_THE_WAY: [&str; 7] = [
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "VIRTUAL_ENV",
    "ZIG_LIB_DIR",
];

/// A program to call.
pub struct Program {
    path: PathBuf,
    command: Command,
}

/// What a program said on both outputs, and whether it ended well.
#[derive(Debug)]
pub struct Said {
    pub well: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    pub fn new(path: &Path) -> Self {
        let mut command = Command::new(path);
        for name in IN_THE_WAY {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        Self { path: path.to_owned(), command }
    }

    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(arg);
        self
    }

    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.command.args(args);
        self
    }

    pub fn env(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    pub fn current_dir(&mut self, directory: &Path) -> &mut Self {
        self.command.current_dir(directory);
        self
    }

    /// Runs it to its end.
    pub fn run(&mut self) -> Result<Said> {
        let output = self.command.output().map_err(at(&self.path))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said {
            well: output.status.success(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        })
    }
}

impl Said {
    /// What it said on both outputs, the last lines only.
    pub fn end(&self) -> String {
        const LINES_MAX: usize = 12;
        let both = format!("{}\n{}", self.stdout.trim(), self.stderr.trim());
        let lines: Vec<&str> = both.trim().lines().collect();
        lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
    }
}
