//! Environments of Python in the target directory: what tests and wheels need, installed by pip.

use crate::setup::{install_debian_packages, succeeds};
use crate::workspace;
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A package as pip knows it, and the module by which it is found to be there.
type Package = (&'static str, &'static str);

/// With these it is the other program that locks a board's files.
const LOCKING: [Package; 1] = [("filelock>=3.20,<5", "filelock")];
/// What makes a wheel.
pub const WHEEL_TOOLS: [Package; 2] = [("maturin>=1.9,<2", "maturin"), ("wheel>=0.45", "wheel")];
/// What tests a package that was installed.
pub const TEST_TOOLS: [Package; 2] = [("pytest>=8", "pytest"), ("mypy>=1.15", "mypy")];

const DEBIAN_PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// Makes all that tests need.
pub fn prepare() -> Result<()> {
    with(&LOCKING)?;
    with(&WHEEL_TOOLS)?;
    clean("wheel-python", &TEST_TOOLS).map(|_| ())
}

/// The programs of the environment that tests and chores use, with these packages in it.
pub fn with(packages: &[Package]) -> Result<PathBuf> {
    clean("test-python", packages)
}

/// The programs of an environment with these packages in it, which nothing else is put into by accident.
pub fn clean(name: &str, packages: &[Package]) -> Result<PathBuf> {
    let folder = workspace::target_dir().join(name);
    let programs = folder.join("bin");
    let python = programs.join("python");
    let has = |module: &str| {
        let import = format!("import {module}");
        let mut run = Command::new(&python);
        run.args(["-c", &import]).stdout(Stdio::null()).stderr(Stdio::null());
        succeeds(&mut run)
    };
    let missing: Vec<&str> =
        packages.iter().filter(|(_, module)| !has(module)).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(programs);
    }
    let list = missing.join(", ");
    println!("installing {list} into a Python environment of its own, `{}`", folder.display());
    let make = || {
        // Not anew: others may be using it.
        has("pip") || succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
    };
    if !make() {
        // Debian's Python comes without what makes environments, or there is none.
        install_debian_packages(&DEBIAN_PACKAGES);
        if !make() {
            bail!(
                "no Python environment could be made: install Python 3 with its `venv` module, or {} if this is Debian",
                DEBIAN_PACKAGES.map(|package| format!("`{package}`")).join(", ")
            );
        }
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    if !succeeds(Command::new(&python).args(install).args(&missing))
        || !packages.iter().all(|(_, module)| has(module))
    {
        bail!("`pip` couldn't install {list}: is there a network?");
    }
    Ok(programs)
}
