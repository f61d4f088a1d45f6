//! Finding a compiler that can build for WebAssembly.
//!
//! Either the target's standard library is installed (`rustup target add`), or its source is, from which
//! cargo builds it (`-Zbuild-std`): that is how Debian's packages work, where rustup's downloads can't be
//! reached.

use anyhow::{Result, bail};
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What policies are compiled for: no operating system, so nothing that could want WASI.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where Debian's packages put their compiler.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Linkers for a compiler that brings none, the preferred one first.
const LINKERS: [&str; 2] = ["wasm-ld-19", "wasm-ld"];

/// A Rust compiler and what it needs to build policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    pub(crate) rustc: PathBuf,
    pub(crate) sysroot: PathBuf,
    pub(crate) std: StandardLibrary,
    /// `None` where the compiler brings its own.
    pub(crate) linker: Option<PathBuf>,
}

/// Where the standard library comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StandardLibrary {
    Installed,
    /// Compiled with the first policy, once per target directory.
    FromSource,
}

impl Toolchain {
    /// The first compiler that can: cargo's own, the one in the path, Debian's; one with the target
    /// installed before one that has to build it.
    ///
    /// # Errors
    ///
    /// If there is none: one sentence, which says what is missing and how to get it.
    pub fn find() -> Result<Self> {
        let compilers: Vec<Compiler> = candidates().into_iter().filter_map(Compiler::ask).collect();
        let with = |std| compilers.iter().find_map(|compiler| compiler.toolchain(std));
        match with(StandardLibrary::Installed).or_else(|| with(StandardLibrary::FromSource)) {
            Some(toolchain) => Ok(toolchain),
            None => bail!(
                "no Rust compiler here can build for `{TARGET}`, which policies are compiled to: \
                 run `cargo xtask setup`, or `rustup target add {TARGET}`"
            ),
        }
    }

    /// Whether the target's standard library is compiled with the first policy, which takes a minute.
    #[must_use]
    pub fn builds_std(&self) -> bool {
        self.std == StandardLibrary::FromSource
    }
}

/// As in "`/usr/bin/rustc`, its standard library built from source, linked by `wasm-ld-19`".
impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.rustc.display())?;
        if self.builds_std() {
            write!(f, ", its standard library built from source")?;
        }
        match &self.linker {
            Some(linker) => write!(f, ", linked by `{}`", linker.display()),
            None => Ok(()),
        }
    }
}

/// The compilers to ask. Cargo tells build scripts which one it uses.
fn candidates() -> Vec<PathBuf> {
    let cargos = env::var_os("RUSTC").map(PathBuf::from);
    cargos.into_iter().chain(["rustc".into(), DEBIAN_RUSTC.into()]).collect()
}

/// A compiler, and where it keeps things.
struct Compiler {
    rustc: PathBuf,
    sysroot: PathBuf,
    host: String,
    target_libraries: PathBuf,
}

impl Compiler {
    /// `None` if there is no such compiler, or it doesn't know the target.
    fn ask(rustc: PathBuf) -> Option<Self> {
        let output = Command::new(&rustc)
            .args(["--print", "sysroot", "--print", "host-tuple", "--print", "target-libdir"])
            .args(["--target", TARGET])
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut lines = text.lines();
        Some(Self {
            rustc,
            sysroot: lines.next()?.into(),
            host: lines.next()?.to_owned(),
            target_libraries: lines.next()?.into(),
        })
    }

    fn toolchain(&self, std: StandardLibrary) -> Option<Toolchain> {
        let rustlib = self.sysroot.join("lib/rustlib");
        let has_std = match std {
            StandardLibrary::Installed => has_library(&self.target_libraries, "libstd-"),
            StandardLibrary::FromSource => {
                rustlib.join("src/rust/library/std/Cargo.toml").is_file()
            }
        };
        let brings_linker = rustlib.join(&self.host).join("bin/rust-lld").is_file();
        let linker = if brings_linker { None } else { LINKERS.iter().find_map(in_path) };
        (has_std && (brings_linker || linker.is_some())).then(|| Toolchain {
            rustc: self.rustc.clone(),
            sysroot: self.sysroot.clone(),
            std,
            linker,
        })
    }
}

fn has_library(directory: &Path, prefix: &str) -> bool {
    directory.read_dir().is_ok_and(|entries| {
        entries
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
    })
}

fn in_path(program: &&str) -> Option<PathBuf> {
    let path: OsString = env::var_os("PATH")?;
    env::split_paths(&path)
        .any(|directory| directory.join(program).is_file())
        .then(|| program.into())
}
