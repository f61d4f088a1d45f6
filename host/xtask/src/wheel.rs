//! `cargo xtask wheel`: the Python package, with the command in it.

use crate::python::{self, WHEEL_TOOLS};
use crate::setup::Setup;
use crate::workspace;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Build the Python package `taskhost` as a wheel, which installs where there is no Rust.
///
/// One wheel serves every Python from 3.10 on, and brings the command `taskhost` along. It needs Python 3 with its `venv`
/// module here, into an environment of which maturin is installed, in the target directory.
#[derive(Args, Default)]
pub struct Wheel {
    /// Make it of what `cargo build --workspace --all-targets` has built, unoptimised, as the tests do
    #[arg(long)]
    pub dev: bool,
    /// Install that one where there is nothing else, run the package's tests there, and check its types
    #[arg(long, conflicts_with_all = ["dev", "out"])]
    pub test: bool,
    /// Where it is put; `target/wheels` unless said otherwise
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl Wheel {
    pub fn run(self) -> Result<()> {
        if self.test {
            return test();
        }
        let out = self.out.unwrap_or_else(|| workspace::target_dir().join("wheels"));
        let wheel = if self.dev { of_built(&out)? } else { released(&out)? };
        println!("{}", wheel.display());
        Ok(())
    }
}

/// What maturin is told about, and finds everything else by.
fn package() -> PathBuf {
    workspace::root().join("host/python")
}

/// The one that is given to people: maturin's, with the command put into it.
fn released(out: &Path) -> Result<PathBuf> {
    Setup { for_tests: false }.run()?;
    let tools = python::with(&WHEEL_TOOLS)?;
    let mut build = Command::new(workspace::cargo());
    build.args(["build", "--release", "--package", "taskhost-cli"]);
    run(build.current_dir(workspace::root()), "cargo build --release")?;
    let bare = workspace::target_dir().join("wheel-bare");
    make_anew(&bare)?;
    let mut maturin = Command::new(tools.join("maturin"));
    maturin.args(["build", "--release", "--out"]).arg(&bare).current_dir(package());
    run(&mut maturin, "maturin build")?;
    let staged = workspace::target_dir().join("wheel-staged");
    make_anew(&staged)?;
    let mut unpack = Command::new(tools.join("python"));
    unpack.args(["-m", "wheel", "unpack", "--dest"]).arg(&staged).arg(only(&bare, ".whl")?);
    run(&mut unpack, "wheel unpack")?;
    let unpacked = only(&staged, "")?;
    put_command(&workspace::target_dir().join("release/taskhost"), &unpacked)?;
    pack(&tools, &unpacked, out)
}

/// A wheel of what was built for the tests. Maturin builds a package by itself, which gives its dependencies other features
/// than the whole workspace has, and so would build wasmtime once more; but it also says what is to be in the wheel.
fn of_built(out: &Path) -> Result<PathBuf> {
    let tools = python::with(&WHEEL_TOOLS)?;
    let staged = workspace::target_dir().join("wheel-staged");
    make_anew(&staged)?;
    let mut describe = Command::new(tools.join("maturin"));
    describe.args(["pep517", "write-dist-info", "--metadata-directory"]).arg(&staged);
    describe.stdout(Stdio::null()).current_dir(package());
    run(&mut describe, "maturin pep517 write-dist-info")?;
    copy_sources(&package().join("python/taskhost"), &staged.join("taskhost"))?;
    let built = workspace::target_dir().join("debug");
    put(&built.join("libtaskhost_python.so"), &staged.join("taskhost/_native.abi3.so"))?;
    put_command(&built.join("taskhost"), &staged)?;
    pack(&tools, &staged, out)
}

/// Puts the command where installing the unpacked wheel puts it beside Python.
fn put_command(built: &Path, unpacked: &Path) -> Result<()> {
    let described = only(unpacked, ".dist-info")?;
    put(built, &described.with_extension("data").join("scripts/taskhost"))
}

fn put(from: &Path, to: &Path) -> Result<()> {
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    let copied = fs::copy(from, to);
    copied.with_context(|| {
        format!(
            "`{}` isn't there: run `cargo build --workspace --all-targets` first",
            from.display()
        )
    })?;
    Ok(())
}

/// The wheel of what is unpacked in a folder.
fn pack(tools: &Path, unpacked: &Path, out: &Path) -> Result<PathBuf> {
    make_anew(out)?;
    let mut pack = Command::new(tools.join("python"));
    pack.args(["-m", "wheel", "pack"]).arg(unpacked).arg("--dest-dir").arg(out);
    run(pack.stdout(Stdio::null()), "wheel pack")?;
    only(out, ".whl")
}

fn make_anew(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}

/// What of the package is Python, and nothing that somebody's tools have left there.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if entry.file_type()?.is_dir() {
            if name != "__pycache__" {
                copy_sources(&path, &to.join(name))?;
            }
        } else if path
            .extension()
            .is_some_and(|kind| kind == "py" || kind == "pyi" || kind == "typed")
        {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn only(folder: &Path, end: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut found: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    found.retain(|path| path.to_string_lossy().ends_with(end));
    match (found.pop(), found.len()) {
        (Some(path), 0) => Ok(path),
        _ => bail!("there isn't exactly one `*{end}` in `{}`", folder.display()),
    }
}

fn run(command: &mut Command, name: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("`{name}` can't be started"))?;
    if !status.success() {
        bail!("`{name}` failed");
    }
    Ok(())
}

/// Installs a wheel where there is no Rust and nothing else, and runs the package's tests there; then its types are
/// checked.
pub fn test() -> Result<()> {
    let wheel = of_built(&workspace::target_dir().join("wheels-dev"))?;
    let clean = python::clean("wheel-python", &python::TEST_TOOLS)?;
    let mut install = Command::new(clean.join("python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    install.args(["--no-index", "--force-reinstall"]).arg(&wheel);
    // Without a compiler within reach.
    install.env("PATH", "/usr/bin:/bin").env_remove("CARGO").env_remove("RUSTUP_HOME");
    run(&mut install, "pip install taskhost")?;
    let mut pytest = Command::new(clean.join("python"));
    pytest.args(["-m", "pytest", "-p", "no:cacheprovider"]).current_dir(package());
    run(&mut pytest, "pytest")?;
    let mut mypy = Command::new(clean.join("python"));
    mypy.args(["-m", "mypy", "--no-incremental"]).current_dir(package());
    run(&mut mypy, "mypy")
}
