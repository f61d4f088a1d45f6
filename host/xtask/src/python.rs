//! The Python that tests use: with it they are the other programs that lock a board's files.

use crate::setup::{install_debian_packages, succeeds};
use crate::workspace;
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What tests import beside Python's own modules.
const PACKAGES: [&str; 1] = ["filelock>=3.20,<5"];
const DEBIAN_PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// Makes a virtual environment in the target directory, with the packages in it, if it isn't there.
pub fn prepare() -> Result<()> {
    if is_complete() {
        return Ok(());
    }
    println!("making a Python environment for tests, with {}", PACKAGES.join(", "));
    if !make() {
        // Debian's Python comes without what makes environments, or there is none.
        install_debian_packages(&DEBIAN_PACKAGES);
        if !make() {
            bail!(
                "no Python environment could be made, which tests of other programs' locks need: install \
                 Python 3 with its `venv` module, or {} if this is Debian",
                DEBIAN_PACKAGES.map(|package| format!("`{package}`")).join(", ")
            );
        }
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    if !succeeds(Command::new(python()).args(install).args(PACKAGES)) || !is_complete() {
        bail!("`pip` couldn't install {}: is there a network?", PACKAGES.join(", "));
    }
    Ok(())
}

fn folder() -> PathBuf {
    workspace::target_dir().join("test-python")
}

fn python() -> PathBuf {
    folder().join("bin/python")
}

fn make() -> bool {
    succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder()))
}

fn is_complete() -> bool {
    succeeds(
        Command::new(python())
            .args(["-c", "import filelock"])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
}
