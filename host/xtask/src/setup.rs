//! `cargo xtask setup`.

use crate::guests::tools;
use crate::{compiler, postgres, python, workspace};
use anyhow::{Result, bail};
use clap::Args;
use std::path::Path;
use std::process::{Command, Stdio};
use taskhost_authoring::Language;
use taskhost_clients::Clients;
use taskhost_guest_build::Toolchain;

const TARGET: &str = "wasm32-unknown-unknown";

/// What Debian needs to build policies: a compiler, the standard library's source, and a linker.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "lld-19"];

/// Get what policies written in Rust are built with, if it isn't there.
///
/// Tries rustup's target first, then Debian's packages; then says what is missing.
#[derive(Args, Default)]
pub struct Setup {
    /// Also get the Python that tests lock files with, what policies in Python, JavaScript and C are built with, the
    /// clients that the MCP server is tried with, a PostgreSQL server, and what fuzzing is built with
    #[arg(long)]
    pub for_tests: bool,
}

impl Setup {
    /// Stops at the first way that leaves a working toolchain.
    pub fn run(self) -> Result<()> {
        if self.for_tests {
            python::prepare()?;
            postgres::prepare()?;
            // After Python, which they are installed by.
            for language in [Language::Python, Language::JavaScript, Language::C] {
                let tool = tools(&|text| println!("{text}")).prepare(language)?;
                println!("policies in {language} are built with {tool}");
            }
            Clients::prepare(&workspace::tools(), &|text| println!("{text}"))?;
            println!("the MCP server is tried with the protocol's own clients");
            compiler::prepare()?;
        }
        for provide in [nothing, rustup_target, debian_packages] {
            provide();
            if let Ok(toolchain) = Toolchain::find() {
                println!("policies are built with {toolchain}");
                return Ok(());
            }
        }
        bail!(
            "no Rust compiler here can build policies, and none could be installed: run \
             `rustup target add {TARGET}`, or install {} if this is Debian 12 or later",
            DEBIAN_PACKAGES.map(|package| format!("`{package}`")).join(", ")
        )
    }
}

/// Usually everything is there already.
fn nothing() {}

/// Quiet, because not having rustup, or not reaching its downloads, is no error yet.
fn rustup_target() {
    succeeds(
        Command::new("rustup")
            .args(["target", "add", TARGET])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
}

/// Says what it does: it changes the system.
fn debian_packages() {
    if !Path::new("/etc/debian_version").exists() {
        return;
    }
    println!(
        "rustup can't add `{TARGET}`: installing Debian's {} instead",
        DEBIAN_PACKAGES.map(|package| format!("`{package}`")).join(", ")
    );
    install_debian_packages(&DEBIAN_PACKAGES);
}

/// Installs packages where there is `apt-get`; whether that worked shows in what is there then.
pub fn install_debian_packages(packages: &[&str]) {
    let install =
        || succeeds(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages));
    // A fresh machine or container has no package lists yet.
    if !install() && succeeds(apt_get().arg("update")) {
        install();
    }
}

/// `apt-get`, as root.
fn apt_get() -> Command {
    let mut command = as_root("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// A program, as root. Where that would need a password, it fails instead of asking: set-up also runs where
/// nobody answers.
pub fn as_root(program: &str) -> Command {
    let mut command = if is_root() {
        Command::new(program)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", program]);
        sudo
    };
    command.stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Whether the command could be started and ended well.
pub fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
