//! Processes, as `/proc` shows them: what a server consists of.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait before looking again.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Waits until it is so.
pub(crate) fn wait_until(
    what: &str,
    patience: Duration,
    mut is_so: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !is_so()? {
        ensure!(Instant::now() < deadline, "{what}: not within {} s", patience.as_secs());
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

pub(crate) fn signal(process: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).context("no process's number")?;
    Ok(kill_process(pid, signal)?)
}

/// The letter of its state and its parent; `None` if it isn't there.
fn state(process: u32) -> Option<(char, u32)> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Its name stands before, in parentheses, and may have parentheses and spaces itself.
    let mut fields = line.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

pub(crate) fn is_stopped(process: u32) -> bool {
    state(process).is_some_and(|(letter, _)| letter == 'T')
}

/// Whether it runs: what only waits to be collected by its parent does not.
pub(crate) fn lives(process: u32) -> bool {
    state(process).is_some_and(|(letter, _)| !"ZX".contains(letter))
}

pub(crate) fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.filter(|&process| state(process).is_some_and(|(_, of)| of == parent)).collect()
}
