//! What this program does when another one of it has started it: a process that works on a board until it is told
//! otherwise or killed, and says a line for each answer that it got.
//!
//! - [`Role`]: what kind of worker it is. One kind, one file.

mod fair;
mod forked;
mod full;
mod hold;
mod kill;
mod open;
mod signals;
mod tend;
mod wait;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use taskhost::Board;
use taskhost_simulated::Bug;
use taskhost_store_file::{FileStore, OpenOptions};

use crate::histories::bugs;

/// What kind of worker this process is.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Claims and completes, for ever.
    #[command(hide = true)]
    Kill(kill::Kill),
    /// Archives, compacts, sets policies and examines, for ever.
    #[command(hide = true)]
    Tend(Common),
    /// Claims a task and keeps it.
    #[command(hide = true)]
    Hold(hold::Hold),
    /// Waits for tasks of the types that it is told.
    #[command(hide = true)]
    Wait(Common),
    /// Claims and completes from one word to the next, and says how long that took.
    #[command(hide = true)]
    Fair(Common),
    /// Makes a board on a disk that is full now and then, and has others work on it.
    #[command(hide = true)]
    Full(Common),
    /// Opens the board, and says how long that took.
    #[command(hide = true)]
    Open(Common),
}

impl Role {
    /// Plays the role until its end.
    pub fn play(&self) -> Result<()> {
        // Some are ended by signals that would leave a file of their memory each.
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        signals::let_end();
        // Nobody is left behind by one who started workers and was ended himself.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        match self {
            Self::Kill(role) => role.play(),
            Self::Tend(common) => tend::play(common),
            Self::Hold(role) => role.play(),
            Self::Wait(common) => wait::play(common),
            Self::Fair(common) => fair::play(common),
            Self::Full(common) => full::play(common),
            Self::Open(common) => open::play(common),
        }
    }
}

/// What every worker is told.
#[derive(Debug, Args)]
pub struct Common {
    /// The board.
    board: PathBuf,
    /// The agent's name.
    name: String,
    /// Where its choices come from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A bug to behave by.
    #[arg(long, value_parser = bugs::named)]
    bug: Option<Bug>,
}

/// How long a worker waits for the board's lock: a holder that is stopped is in everybody's way.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

impl Common {
    fn open(&self) -> Result<Board> {
        open_board(&self.board, self.bug)
    }
}

/// Opens a board with all that belongs to it, and a bug.
pub(crate) fn open_board(path: &Path, bug: Option<Bug>) -> Result<Board> {
    let mut options = OpenOptions { lock_wait: PATIENCE, ..OpenOptions::default() };
    options.planted = Bug::in_store(bug);
    let store = FileStore::open(path, options)?;
    Ok(Board::over(store, PATIENCE)?.with_planted(Bug::in_board(bug)))
}

/// Says a line. It is written whole and at once: of a process that is killed there is no half one that counts.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).context("nobody listens")?;
    Ok(out.flush()?)
}

/// The next line that this process is told; `None` in the end.
fn hear() -> Result<Option<String>> {
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim().to_owned()))
}
