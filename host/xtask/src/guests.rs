//! `cargo xtask guests`.

use crate::workspace;
use anyhow::{Context, Result};
use clap::Args;
use std::fs;
use std::path::Path;

/// The policies written in Rust: the package, and the name of the component that it becomes.
const POLICIES: [(&str, &str); 6] = [
    ("taskhost-standard", "standard"),
    ("fair-share", "fair-share"),
    ("newest-first", "newest-first"),
    ("shared-budget", "shared-budget"),
    ("work-in-progress", "work-in-progress"),
    ("hostile", "hostile"),
];

/// Build all policies written in Rust into `target/guests/policies`.
#[derive(Args)]
pub struct Guests {}

impl Guests {
    /// Prints the size of each.
    pub fn run(self) -> Result<()> {
        let packages = POLICIES.map(|(package, _)| package);
        let target_dir = taskhost_guest_build::target_dir(workspace::root());
        let components =
            taskhost_guest_build::build_all(&packages, workspace::root(), &target_dir)?;

        let directory = workspace::policies();
        fs::create_dir_all(&directory)
            .with_context(|| format!("can't make `{}`", directory.display()))?;
        for ((_, name), component) in POLICIES.iter().zip(&components) {
            let path = directory.join(format!("{name}.wasm"));
            fs::write(&path, component)
                .with_context(|| format!("can't write `{}`", path.display()))?;
            println!("{:>8} bytes  {}", component.len(), shown(&path));
        }
        Ok(())
    }
}

/// A path of the workspace as one would type it at its root.
fn shown(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix(workspace::root()).unwrap_or(path).display()
}
