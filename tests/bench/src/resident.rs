//! A process that has a board open: how long opening takes, and how much memory it has then.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::contender::{self, Contender as _, Taskhost};

/// Open a board, claim once, and print what that took.
#[derive(Args)]
pub struct Arguments {
    board: PathBuf,
}

/// What it took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Resident {
    /// Until the board was open, in seconds.
    pub open_s: f64,
    /// What of the process is in memory after a claim, in bytes, files that it shares with others included.
    pub resident_bytes: u64,
    /// Only what is its own.
    pub own_bytes: u64,
}

/// Does what the arguments say.
pub fn run(arguments: &Arguments) -> Result<()> {
    let began = Instant::now();
    let board = contender::open(&arguments.board)?;
    let open_s = began.elapsed().as_secs_f64();
    drop(board);
    let mut agent = Taskhost::STANDARD.open(&arguments.board, "resident")?;
    ensure!(agent.claim()?, "there is nothing to claim");
    let status = fs::read_to_string("/proc/self/status")?;
    let bytes = |name: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.with_context(|| format!("no `{name}`"))?.parse::<u64>()? << 10)
    };
    let resident =
        Resident { open_s, resident_bytes: bytes("VmRSS:")?, own_bytes: bytes("RssAnon:")? };
    println!("{}", serde_json::to_string(&resident)?);
    Ok(())
}

/// Runs one on a board.
pub fn on(board: &Path) -> Result<Resident> {
    let this = std::env::current_exe().context("this program's own path isn't known")?;
    let output = Command::new(this).arg("resident").arg(board).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
