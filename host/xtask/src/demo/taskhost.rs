//! Driving the binary `taskhost` as a user would, on one board.

use super::graph::Crate;
use super::history::{self, Event};
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// More events than the demo can make.
const HISTORY_MAX: &str = "1000000";

/// The binary, and the board it is called for.
pub struct Taskhost {
    program: PathBuf,
    board: PathBuf,
}

impl Taskhost {
    pub fn new(program: PathBuf, board: PathBuf) -> Self {
        Self { program, board }
    }

    pub fn board(&self) -> &Path {
        &self.board
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn init(&self) -> Result<()> {
        run(self.command(["init"])).map(drop)
    }

    /// Adds a task for each crate, all in one transaction.
    pub fn add(&self, crates: &[Crate]) -> Result<()> {
        let mut command = self.command(["add", "--from", "-", "--atomic"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| shown(&command))?;
        let mut lines = String::new();
        for built in crates {
            let Crate { task, name, version, path, after } = built;
            let data = json!({ "name": name, "version": version, "path": path });
            let line = json!({ "id": task, "type": "crate", "after": after, "data": data });
            lines += &format!("{line}\n");
        }
        // If it doesn't read on, it has ended, and says why.
        let _ = child.stdin.take().context("it has an input")?.write_all(lines.as_bytes());
        done(&command, child.wait_with_output()?).map(drop)
    }

    /// How many tasks are completed.
    pub fn completed(&self) -> Result<u64> {
        let answer = run(self.command(["list", "--status", "completed", "--limit", "1"]))?;
        let answer: Value = serde_json::from_slice(&answer)?;
        answer["total"].as_u64().context("`taskhost list` doesn't say how many there are")
    }

    pub fn set_policy(&self, component: &Path) -> Result<()> {
        run(self.command([OsStr::new("policy"), OsStr::new("set"), component.as_os_str()]))
            .map(drop)
    }

    pub fn history(&self) -> Result<Vec<Event>> {
        history::parse(&run(self.command(["history", "--limit", HISTORY_MAX]))?)
    }

    /// Whether the board itself is in order.
    pub fn doctor(&self) -> Result<()> {
        run(self.command(["doctor"])).map(drop)
    }

    /// Starts an agent, which calls `work` for each task that it gets, and writes into `log`.
    pub fn agent(&self, name: &str, log: &Path, work: &[&OsStr]) -> Result<Child> {
        let log = File::create(log).with_context(|| format!("can't write `{}`", log.display()))?;
        let mut command = self.command(["run", "--agents", "1", "--name", name, "--"]);
        command.args(work).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().with_context(|| shown(&command))
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--board").arg(&self.board).arg("--json").args(arguments);
        command
    }
}

/// What the command prints, if it succeeds.
fn run(mut command: Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| shown(&command))?;
    done(&command, output)
}

fn done(command: &Command, output: Output) -> Result<Vec<u8>> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stderr);
    let why = answer["error"]["message"].as_str().unwrap_or(said.trim());
    bail!("{} ended with {}: {why}", shown(command), output.status)
}

fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    format!("`{}`", words.join(" "))
}

/// Builds the binary and says where it is.
///
/// The features are those of the whole workspace: with others, the tests would compile wasmtime again.
pub fn build() -> Result<PathBuf> {
    let mut cargo = Command::new(workspace::cargo());
    cargo.args(["build", "--workspace", "--bin", "taskhost"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo.current_dir(workspace::root()).stdout(Stdio::piped());
    let mut child = cargo.spawn().with_context(|| shown(&cargo))?;

    let mut built = None;
    for line in BufReader::new(child.stdout.take().context("it has an output")?).lines() {
        let artifact = serde_json::from_str::<Artifact>(&line?).ok();
        built = artifact.and_then(|artifact| artifact.executable).or(built);
    }
    ensure!(child.wait()?.success(), "`taskhost` doesn't compile: cargo has said why");
    built.context("cargo built no executable `taskhost`")
}

/// What the demo reads of cargo's messages.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
}
