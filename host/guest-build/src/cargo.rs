//! Running the nested cargo, undisturbed by the one that may have started us.

use crate::toolchain::{StandardLibrary, TARGET, Toolchain};
use anyhow::{Context, Result, ensure};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The profile of the workspace's `Cargo.toml` that policies are built with.
const PROFILE: &str = "guest";

/// The same profile, for crates whose manifest doesn't have it.
const PROFILE_SETTINGS: [&str; 6] = [
    r#"inherits = "release""#,
    r#"opt-level = "s""#,
    "lto = true",
    "codegen-units = 1",
    r#"panic = "abort""#,
    "strip = true",
];

/// A crate outside this workspace: a library of type `cdylib`.
#[derive(Debug, Clone, Copy)]
pub struct ForeignCrate<'a> {
    /// Where its `Cargo.toml` is.
    pub directory: &'a Path,
    /// The name of its library, as in `-` for `_`.
    pub library: &'a str,
    /// Whether its dependencies may be downloaded.
    pub network: Network,
}

/// Whether cargo may download anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It may.
    Allowed,
    /// It may not.
    Forbidden,
}

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
                let module = read_module(target_dir, package)?;
                crate::component(&module)
                    .with_context(|| format!("the package `{package}` isn't a policy"))
            })
            .collect()
    }

    /// Builds a crate outside this workspace to a core module; `None` if it doesn't compile, and then cargo has said why
    /// on standard error.
    ///
    /// The crate needs no profile for policies. No other build in this target directory may go on at the same time, since
    /// libraries of one name have one place there.
    ///
    /// # Errors
    ///
    /// If cargo can't be started, or what it built can't be read.
    pub fn build_foreign(
        &self,
        krate: &ForeignCrate<'_>,
        target_dir: &Path,
    ) -> Result<Option<Vec<u8>>> {
        forget_anothers(krate, target_dir)?;
        let mut cargo = self.cargo(krate.directory, target_dir);
        for setting in PROFILE_SETTINGS {
            cargo.arg("--config").arg(format!("profile.{PROFILE}.{setting}"));
        }
        if krate.network == Network::Forbidden {
            cargo.arg("--offline");
        }
        // What the compiler has to say is still said.
        cargo.arg("--quiet");
        let status = cargo.status().context("`cargo` can't be started")?;
        if !status.success() {
            return Ok(None);
        }
        read_module(target_dir, krate.library).map(Some)
    }

    /// `cargo build` for the target, with packages still to be named.
    fn cargo(&self, workspace_root: &Path, target_dir: &Path) -> Command {
        let mut cargo = Command::new(crate::cargo());
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

/// Has cargo build anew what another project has of the same name. Cargo knows a crate that it didn't download by its path
/// below the workspace only, and would take that project's for this one's, if it is newer than this one's source.
fn forget_anothers(krate: &ForeignCrate<'_>, target_dir: &Path) -> Result<()> {
    let markers = target_dir.join("built-from");
    let shown = || format!("`{}`", markers.display());
    fs::create_dir_all(&markers).with_context(shown)?;
    let directory = krate.directory.canonicalize().with_context(shown)?;
    let directory = directory.as_os_str().as_encoded_bytes();
    for package in own_packages(krate) {
        let marker = markers.join(&package);
        if fs::read(&marker).is_ok_and(|last| last == directory) {
            continue;
        }
        for profile in [target_dir.join(TARGET).join(PROFILE), target_dir.join(PROFILE)] {
            forget(&package, &profile.join(".fingerprint")).with_context(shown)?;
        }
        fs::write(&marker, directory).with_context(shown)?;
    }
    Ok(())
}

/// Takes away by what cargo would know that a package is built already.
fn forget(package: &str, fingerprints: &Path) -> std::io::Result<()> {
    let all = match fs::read_dir(fingerprints) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        all => all?,
    };
    for entry in all {
        let entry = entry?;
        let name = entry.file_name();
        let of = name.to_str().and_then(|name| name.rsplit_once('-'));
        if of.is_some_and(|(of, _hash)| of == package) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// The packages that a crate is made of and that cargo didn't download: those of its lock file that have no source.
fn own_packages(krate: &ForeignCrate<'_>) -> Vec<String> {
    let find =
        || krate.directory.ancestors().map(|it| it.join("Cargo.lock")).find(|it| it.exists());
    let lock = find().or_else(|| {
        let mut cargo = Command::new(crate::cargo());
        cargo.arg("generate-lockfile").current_dir(krate.directory);
        if krate.network == Network::Forbidden {
            cargo.arg("--offline");
        }
        // If it can't be made, the build says why.
        cargo.stderr(Stdio::null()).status().ok()?;
        find()
    });
    let text = lock.and_then(|lock| fs::read_to_string(lock).ok()).unwrap_or_default();
    let own = text.split("[[package]]").filter(|block| !block.contains("\nsource = "));
    let name = |block: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix("name = "))?;
        Some(line.trim_matches('"').to_owned())
    };
    own.filter_map(name).collect()
}

fn read_module(target_dir: &Path, library: &str) -> Result<Vec<u8>> {
    let file = format!("{}.wasm", library.replace('-', "_"));
    let path = target_dir.join(TARGET).join(PROFILE).join(file);
    fs::read(&path).with_context(|| format!("can't read `{}`", path.display()))
}

fn quoted(packages: &[&str]) -> String {
    packages.iter().map(|package| format!("`{package}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{PROFILE, PROFILE_SETTINGS, is_in_the_way};
    use std::ffi::OsStr;

    /// An author's crate is built as the workspace's own: neither larger, nor with panics that unwind to nobody.
    #[test]
    fn foreign_crates_get_the_workspaces_profile() {
        let workspace = include_str!("../../../Cargo.toml");
        let (_, profile) =
            workspace.split_once(&format!("[profile.{PROFILE}]\n")).expect("it is there");
        let lines: Vec<&str> = profile.lines().take_while(|line| !line.is_empty()).collect();
        assert_eq!(lines, PROFILE_SETTINGS);
    }

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
