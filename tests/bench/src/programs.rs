//! The programs and components beside this one.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

/// What builds the policies.
const BUILD: &str = "`cargo xtask guests` builds it";

/// The first place above this program where `path` is.
fn above(path: &str) -> Result<Option<PathBuf>> {
    let this = std::env::current_exe().context("this program's own path isn't known")?;
    Ok(this.ancestors().skip(1).map(|folder| folder.join(path)).find(|path| path.is_file()))
}

/// The command `taskhost` that was built with this program.
pub fn taskhost() -> Result<Option<PathBuf>> {
    above("taskhost")
}

/// The component of an example.
pub fn policy(name: &str) -> Result<PathBuf> {
    let path = format!("guests/policies/{name}.wasm");
    above(&path)?.with_context(|| format!("there is no `{path}`: {BUILD}"))
}

/// What a program says about its version, in the first line; nothing if it isn't there.
pub fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}
