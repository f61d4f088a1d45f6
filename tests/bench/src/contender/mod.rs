//! Who is measured: taskhost and its peers, each as the same few steps.
//!
//! A [`Contender`] prepares boards of ready tasks in a directory (or a database, whose address takes its place) and, in a process of its own, gives a [`Claimer`] for
//! each of them. Whatever it is, one call of [`Claimer::claim`] takes one task that nobody else has and returns once that
//! is as durable as the contender says.

mod bare;
mod board;
mod json;
mod queue;
mod sqlite;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

pub use bare::Bare;
pub use board::{BATCH, LABEL, Rules, Taskhost, new_task, open, set_component};
pub use json::Json;
pub use queue::{CLAIM as QUEUE_CLAIM, LEASE_MS, Queue};
pub use sqlite::{CLAIM, FILE, Sqlite, connect, insert_with, schema};

/// Something that tasks can be claimed from.
pub trait Contender: Sync {
    /// What it is called in tables, and by [`find`].
    fn name(&self) -> &'static str;

    /// What is true once a claim was answered.
    fn durability(&self) -> &'static str;

    /// Makes a board of so many ready tasks in this directory, which is there.
    fn prepare(&self, at: &Path, tasks: u64) -> Result<()>;

    /// Makes the same board again in another directory, which is there.
    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        copy_files(from, to, &[])
    }

    /// Whether its tasks become fewer when they are claimed.
    fn is_drained(&self) -> bool {
        true
    }

    /// Puts a board in order after a run, whose agents are gone, so that the next run doesn't have to. Says how many tasks
    /// can be claimed now, if those that were claimed aren't simply gone.
    fn tidy(&self, _at: &Path) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Opens the board in this directory for an agent of this name.
    fn open(&self, at: &Path, agent: &str) -> Result<Box<dyn Claimer>>;

    /// Opens it for several agents of one process, who share what the contender lets them share.
    fn open_for(&self, at: &Path, agents: &[String]) -> Result<Vec<Box<dyn Claimer>>> {
        agents.iter().map(|agent| self.open(at, agent)).collect()
    }

    /// What runs one worker: this program again, unless the contender is written in another language.
    fn worker(&self) -> Result<Command> {
        let this = std::env::current_exe().context("this program's own path isn't known")?;
        let mut command = Command::new(this);
        command.args(["worker", "--contender", self.name()]);
        Ok(command)
    }
}

/// One agent at one board.
pub trait Claimer: Send {
    /// Claims the next task; `false` if there is none.
    fn claim(&mut self) -> Result<bool>;

    /// Hands the last claimed task back.
    fn give_back(&mut self) -> Result<()> {
        bail!("this contender hands nothing back")
    }
}

/// Everyone there is.
const ALL: &[&dyn Contender] = &[
    &Bare::ABOUT,
    &Taskhost::STANDARD,
    &Taskhost::COMPILED_IN,
    &Taskhost::PYTHON,
    &Taskhost::JAVASCRIPT,
    &Taskhost::LABELLED,
    &Sqlite,
    &Json,
    &Queue,
];

/// The contender of this name.
pub fn find(name: &str) -> Result<&'static dyn Contender> {
    let found = ALL.iter().find(|contender| contender.name() == name);
    found.copied().with_context(|| format!("there is no contender `{name}`"))
}

/// Copies a directory's files and directories into another one, without those of these names.
pub fn copy_files(from: &Path, to: &Path, without: &[&str]) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("`{}`", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if without.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let copy = to.join(&name);
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&copy)?;
            copy_files(&entry.path(), &copy, without)?;
        } else {
            fs::copy(entry.path(), &copy).with_context(|| format!("`{}`", copy.display()))?;
        }
    }
    Ok(())
}

/// What every task carries, wherever it is kept: as much as a short instruction takes.
pub const DATA: &str =
    r#"{"prompt":"Look at the module, find what its tests leave out, and write one."}"#;
