//! The C++ compiler, which libFuzzer is built with.

use crate::setup::{install_debian_packages, succeeds};
use anyhow::{Result, bail};
use std::process::{Command, Stdio};

const DEBIAN_PACKAGES: [&str; 1] = ["g++"];

/// Gets a C++ compiler if there is none.
pub fn prepare() -> Result<()> {
    if is_there() {
        return Ok(());
    }
    println!("there is no C++ compiler, which fuzzing needs: installing Debian's `g++`");
    install_debian_packages(&DEBIAN_PACKAGES);
    if !is_there() {
        bail!(
            "there is no C++ compiler, which fuzzing needs: install one (Debian: `apt-get install g++`)"
        );
    }
    Ok(())
}

fn is_there() -> bool {
    let mut command = Command::new("c++");
    succeeds(command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()))
}
