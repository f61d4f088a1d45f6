//! Builds policies written in Rust into WebAssembly components.
//!
//! A build has two steps: a nested cargo compiles a crate of this workspace to a core module
//! ([`Toolchain`] says with what), and [`component`] wraps it into a component. `host/taskhost/build.rs`
//! builds the standard policy so, `cargo xtask guests` all of them; both share one target directory
//! ([`target_dir`]), and so one compiled standard library.
//!
//! A crate elsewhere is built by [`Toolchain::build_foreign`], and wrapped by whoever asked for it.
//!
//! The policies are built with the workspace's `guest` profile. They import nothing but the contract:
//! a module that wanted WASI would be refused, since no adapter for it is given.

mod cargo;
mod toolchain;

pub use cargo::{ForeignCrate, Network};
pub use toolchain::{TARGET, Toolchain};

use anyhow::Result;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use wit_component::ComponentEncoder;

/// Finds a toolchain and builds one package. See [`Toolchain::build`].
///
/// # Errors
///
/// If there is no toolchain, the package doesn't compile, or isn't a policy.
pub fn build(package: &str, workspace_root: &Path, target_dir: &Path) -> Result<Vec<u8>> {
    Toolchain::find()?.build(package, workspace_root, target_dir)
}

/// Finds a toolchain and builds several packages. See [`Toolchain::build_all`].
///
/// # Errors
///
/// If there is no toolchain, a package doesn't compile, or one isn't a policy.
pub fn build_all(
    packages: &[&str],
    workspace_root: &Path,
    target_dir: &Path,
) -> Result<Vec<Vec<u8>>> {
    Toolchain::find()?.build_all(packages, workspace_root, target_dir)
}

/// Wraps a core module, which carries the description of its world, into a component.
///
/// # Errors
///
/// If the module has no such description, doesn't match it, or imports anything else.
pub fn component(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(module)?.encode()
}

/// The cargo that started us, if one did, or the one in the path.
#[must_use]
pub fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Where policies are built: `guests` in the workspace's target directory.
///
/// It is a target directory of its own, because the cargo that runs a build script holds the lock of the
/// outer one and would wait for itself.
#[must_use]
pub fn target_dir(workspace_root: &Path) -> PathBuf {
    let outer = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    workspace_root.join(outer).join("guests")
}
