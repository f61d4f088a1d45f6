//! Running the nested cargo, undisturbed by the one that may have started us.

use crate::toolchain::{StandardLibrary, TARGET, Toolchain};
use anyhow::{Context, Result, ensure};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The profile of the workspace's `Cargo.toml` that policies are built with.
const PROFILE: &str = "guest";

impl Toolchain {
    /// Builds one package. See [`Toolchain::build_all`].
    ///
    /// # Errors
    ///
    /// If the package doesn't compile, or isn't a policy.
    pub fn build(
        &self,
        package: &str,
        workspace_root: &Path,
        target_dir: &Path,
    ) -> Result<Vec<u8>> {
        let mut components = self.build_all(&[package], workspace_root, target_dir)?;
        components.pop().context("one package gives one component")
    }

    /// Builds packages of the workspace, libraries of type `cdylib`, into components: one for each, in
    /// the same order. One cargo builds them all, since starting it costs more than a small policy.
    ///
    /// # Errors
    ///
    /// If a package doesn't compile (cargo has said why on standard error), or isn't a policy.
    pub fn build_all(
        &self,
        packages: &[&str],
        workspace_root: &Path,
        target_dir: &Path,
    ) -> Result<Vec<Vec<u8>>> {
        let mut cargo = self.cargo(workspace_root, target_dir);
        cargo.args(packages.iter().flat_map(|package| ["--package", package]));
        let status = cargo.status().context("`cargo` can't be started")?;
        ensure!(status.success(), "the policies {} don't compile", quoted(packages));

        packages
            .iter()
            .map(|package| {
                let path = module_path(target_dir, package);
                let module =
                    fs::read(&path).with_context(|| format!("can't read `{}`", path.display()))?;
                crate::component(&module)
                    .with_context(|| format!("the package `{package}` isn't a policy"))
            })
            .collect()
    }

    /// `cargo build` for the target, with packages still to be named.
    fn cargo(&self, workspace_root: &Path, target_dir: &Path) -> Command {
        let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut cargo = Command::new(program);
        for (name, _) in env::vars_os().filter(|(name, _)| is_in_the_way(name)) {
            cargo.env_remove(name);
        }
        cargo.env("RUSTC", &self.rustc).current_dir(workspace_root);
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.flags());
        if let Some(linker) = &self.linker {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        cargo.args(["build", "--lib", "--profile", PROFILE, "--target", TARGET, "--target-dir"]);
        cargo.arg(target_dir);
        if self.std == StandardLibrary::FromSource {
            // Building the standard library is not stable yet; this variable permits it on a release
            // of the compiler. No features: there is nobody to print a backtrace to.
            cargo.env("RUSTC_BOOTSTRAP", "1");
            cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features="]);
        }
        cargo
    }

    /// Panic messages carry paths of source files. Where cargo and the compiler live on this machine is
    /// taken out of them: it is nobody's business, and it would give the same policy another digest
    /// elsewhere.
    fn flags(&self) -> OsString {
        let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo_home = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")));
        let std = self.sysroot.join("lib/rustlib/src/rust");

        let mut flags = OsString::new();
        for (from, to) in [(Some(std), "/rust"), (cargo_home, "/cargo")] {
            let Some(from) = from else { continue };
            if !flags.is_empty() {
                flags.push("\x1f");
            }
            flags.push("--remap-path-prefix=");
            flags.push(from);
            flags.push("=");
            flags.push(to);
        }
        flags
    }
}

/// Whether a variable belongs to the outer build and would leak into this one: its flags (instrumentation,
/// `-C target-cpu`), its wrappers (clippy's), its profile. What says where crates come from stays, and so
/// does the job server, so that both builds together use as many cores as one.
fn is_in_the_way(name: &OsStr) -> bool {
    const STAYS: [&str; 9] = [
        "CARGO_BUILD_JOBS",
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_MAKEFLAGS",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
        "RUSTUP_",
    ];
    let Some(name) = name.to_str() else { return false };
    let is_cargos = name.starts_with("CARGO") || name.starts_with("RUST");
    is_cargos && !STAYS.iter().any(|prefix| name.starts_with(prefix))
}

fn module_path(target_dir: &Path, package: &str) -> PathBuf {
    let file = format!("{}.wasm", package.replace('-', "_"));
    target_dir.join(TARGET).join(PROFILE).join(file)
}

fn quoted(packages: &[&str]) -> String {
    packages.iter().map(|package| format!("`{package}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::is_in_the_way;
    use std::ffi::OsStr;

    /// Under `cargo clippy` a build script sees `RUSTC_WORKSPACE_WRAPPER=clippy-driver`, under coverage
    /// tools `CARGO_ENCODED_RUSTFLAGS`: a policy built with either fails or is another policy.
    #[test]
    fn outer_builds_flags_and_wrappers_dont_leak_but_its_registries_do() {
        let leaks = |name| !is_in_the_way(OsStr::new(name));
        for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC"] {
            assert!(!leaks(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_REGISTRIES_MINE_TOKEN", "RUSTUP_TOOLCHAIN", "PATH"] {
            assert!(leaks(name), "{name}");
        }
    }
}
