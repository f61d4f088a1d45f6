//! Where things are.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The directory of the workspace's `Cargo.toml`.
pub fn root() -> &'static Path {
    let this_package = Path::new(env!("CARGO_MANIFEST_DIR"));
    this_package.ancestors().nth(2).unwrap_or(this_package)
}

/// The cargo that started us, if one did.
pub fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Where `cargo xtask guests` puts the built policies.
pub fn policies() -> PathBuf {
    taskhost_guest_build::target_dir(root()).join("policies")
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    let guests = taskhost_guest_build::target_dir(root());
    guests.parent().map_or(guests.clone(), Path::to_owned)
}

/// Where the tools are that policies in other languages than Rust are built with.
pub fn tools() -> PathBuf {
    target_dir().join("guest-tools")
}
