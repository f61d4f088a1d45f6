//! Builds the standard policy into `standard.wasm` in `OUT_DIR`; the library carries it.

use anyhow::{Context, Result};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};
use taskhost_guest_build::{Toolchain, target_dir};

/// What the standard policy is made of, and with.
const SOURCES: [&str; 6] =
    ["Cargo.lock", "Cargo.toml", "guest/sdk", "guest/standard", "host/guest-build", "wit"];

fn main() -> ExitCode {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");

    let toolchain = match Toolchain::find() {
        Ok(toolchain) => toolchain,
        // Told so, cargo shows the sentence alone. From a program that fails it shows everything.
        Err(missing) => {
            println!("cargo::error={missing:#}");
            return ExitCode::SUCCESS;
        }
    };
    match build_standard(&toolchain, &workspace) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build_standard(toolchain: &Toolchain, workspace: &Path) -> Result<()> {
    let component = toolchain.build("taskhost-standard", workspace, &target_dir(workspace))?;
    let out = env::var_os("OUT_DIR").context("cargo sets `OUT_DIR`")?;
    fs::write(Path::new(&out).join("standard.wasm"), component)
        .context("can't write the standard policy")
}
