//! Rust, by cargo.
//!
//! The same source and compiler give the same component.

use std::path::{Path, PathBuf};

use serde_json::Value;
use taskhost_guest_build::{ForeignCrate, Network, TARGET, Toolchain};

use super::Workshop;
use crate::error::{Error, Result};
use crate::files::make_private;
use crate::project::Project;
use crate::tools::{Installing, Program, Tools, in_path};
use crate::waiting::alone;

/// A crate that is a policy.
pub struct Crate {
    /// The package's name, which the component gets.
    pub package: String,
    /// The library's.
    library: String,
}

impl Crate {
    /// The crate in a project's directory.
    pub fn of(project: &Project) -> Result<Self> {
        let mut cargo = Program::new(&cargo()?);
        cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
        let said = cargo.current_dir(&project.directory).run()?;
        if !said.well {
            return Err(Error::Manifest(said.stderr.trim().to_owned()));
        }
        let metadata: Value =
            serde_json::from_str(&said.stdout).map_err(|why| Error::Unexpected(why.into()))?;
        let manifest = project.directory.join("Cargo.toml").canonicalize().ok();
        let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let packages = each(&metadata["packages"]);
        let package = packages
            .iter()
            .find(|package| package["manifest_path"].as_str().map(PathBuf::from) == manifest);
        let package = package.ok_or_else(|| {
            Error::Manifest("`Cargo.toml` has no `[package]`: name the directory of one".into())
        })?;
        let is_cdylib =
            |target: &Value| each(&target["crate_types"]).iter().any(|it| it == "cdylib");
        let targets = each(&package["targets"]);
        let library = targets.iter().find(|target| is_cdylib(target)).ok_or_else(|| {
            let missing =
                "`Cargo.toml` makes no policy: put `crate-type = [\"cdylib\"]` below `[lib]`";
            Error::Manifest(missing.into())
        })?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self { package: text(&package["name"]), library: text(&library["name"]) })
    }
}

pub fn build(workshop: &Workshop<'_>, krate: &Crate) -> Result<Vec<u8>> {
    let toolchain = toolchain(workshop.tools)?;
    let target = workshop.tools.rust_target();
    make_private(&target)?;
    // Libraries of one name have one place in there.
    let _alone = alone(workshop.tools, &target.join("lock"), "another build of a policy in Rust")?;
    if toolchain.builds_std() && !target.join(TARGET).exists() {
        workshop.tools.say(
            "compiling Rust's standard library for WebAssembly, then the policy (a minute or two, once)",
        );
    } else if !workshop.project.directory.join("Cargo.lock").exists() {
        workshop.tools.say("getting what the policy is built with, and compiling it");
    }
    let network = match workshop.tools.installing {
        Installing::Allowed => Network::Allowed,
        Installing::Forbidden => Network::Forbidden,
    };
    let directory = &workshop.project.directory;
    let krate = ForeignCrate { directory, library: &krate.library, network };
    let module = toolchain.build_foreign(&krate, &target)?;
    let module = module.ok_or_else(|| Error::Source(String::new()))?;
    taskhost_guest_build::component(&module)
        .map_err(|error| Error::Source(format!("it is no policy: {error:#}")))
}

/// A compiler for WebAssembly: one that is there, or rustup's, with the target installed.
pub fn toolchain(tools: &Tools<'_>) -> Result<Toolchain> {
    if let Ok(toolchain) = Toolchain::find() {
        return Ok(toolchain);
    }
    if let (Some(rustup), Installing::Allowed) = (in_path("rustup"), tools.installing) {
        tools.say(&format!("installing Rust's target `{TARGET}`: `rustup target add {TARGET}`"));
        let said = Program::new(&rustup).args(["target", "add", TARGET]).run()?;
        if !said.well {
            tools.say(&said.end());
        }
        if let Ok(toolchain) = Toolchain::find() {
            return Ok(toolchain);
        }
    }
    Err(Error::ToolMissing(format!(
        "no Rust compiler here can build for `{TARGET}`, which policies are compiled to: run `rustup target add {TARGET}`, \
         or install `rustc-web`, `rust-web-src` and `lld-19` if this is Debian 12 or later"
    )))
}

fn cargo() -> Result<PathBuf> {
    let named = PathBuf::from(taskhost_guest_build::cargo());
    let is_there = |path: &Path| path.is_file();
    let found = if named.components().count() > 1 {
        Some(named).filter(|path| is_there(path))
    } else {
        in_path("cargo")
    };
    found.ok_or_else(|| {
        let why = "policies in Rust are built with `cargo`, which isn't in the path: install Rust as https://rustup.rs says";
        Error::ToolMissing(why.into())
    })
}
