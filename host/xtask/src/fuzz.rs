//! `cargo xtask fuzz`.

use crate::test::has;
use crate::{compiler, workspace};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The longest input, in bytes: a list of edits. A component is an input itself.
const EDITS_BYTES_MAX: u32 = 256;
const COMPONENT_BYTES_MAX: u32 = 64 << 10;
/// How long one input may take, in seconds, on a busy machine.
const TIMEOUT_SECONDS: u32 = 30;
/// How much memory the whole may take.
const MEMORY_MB_MAX: u32 = 2048;

/// Fuzz what taskhost reads, with libFuzzer.
///
/// Begins with the corpus in `tests/fuzz/corpus`; what it finds beside that is kept in `target/fuzz`, and an input that
/// fails in `target/fuzz/artifacts`. Needs no nightly compiler: memory is checked by the language, not by a sanitizer.
#[derive(Args, Default)]
pub struct Fuzz {
    /// What to fuzz; everything but `component`, which builds wasmtime anew, if nothing is named
    pub targets: Vec<Target>,
    /// How long to fuzz each
    #[arg(long, default_value_t = 60)]
    pub seconds: u32,
}

/// Something that taskhost reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// A board's journals
    Journal,
    /// Its snapshot, and the pointer to it
    Snapshot,
    /// What another board exported
    Transfer,
    /// Lines of tasks, and JSON values
    Input,
    /// Files that are said to be policies
    Component,
}

impl Target {
    const LIGHT: [Self; 4] = [Self::Journal, Self::Snapshot, Self::Transfer, Self::Input];

    fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Snapshot => "snapshot",
            Self::Transfer => "transfer",
            Self::Input => "input",
            Self::Component => "component",
        }
    }

    fn bytes_max(self) -> u32 {
        if self == Self::Component { COMPONENT_BYTES_MAX } else { EDITS_BYTES_MAX }
    }
}

impl Fuzz {
    /// Stops at the first target with an input that fails.
    pub fn run(self) -> Result<()> {
        compiler::prepare()?;
        if !has("fuzz") {
            let mut install = Command::new(workspace::cargo());
            start(install.args(["install", "cargo-fuzz", "--locked"]))?;
        }
        let targets = if self.targets.is_empty() { &Target::LIGHT[..] } else { &self.targets };
        for target in targets {
            println!("fuzzing `{}` for {} s", target.name(), self.seconds);
            fuzz(*target, self.seconds)?;
        }
        Ok(())
    }
}

fn fuzz(target: Target, seconds: u32) -> Result<()> {
    let project = workspace::root().join("tests/fuzz");
    let built = workspace::target_dir().join("fuzz");
    let artifacts = made(built.join("artifacts"))?;
    let mut cargo = Command::new(workspace::cargo());
    cargo.current_dir(&project).args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir", "."]);
    cargo.arg("--target-dir").arg(&built);
    if target == Target::Component {
        cargo.args(["--features", "component"]);
    }
    // The first folder takes what is found.
    cargo.arg(target.name()).arg(made(built.join("corpus").join(target.name()))?);
    cargo.arg(project.join("corpus").join(target.name())).arg("--");
    cargo.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={}", target.bytes_max()),
        format!("-timeout={TIMEOUT_SECONDS}"),
        format!("-rss_limit_mb={MEMORY_MB_MAX}"),
        format!("-artifact_prefix={}/{}-", artifacts.display(), target.name()),
        "-print_final_stats=1".into(),
    ]);
    start(&mut cargo).with_context(|| {
        format!("`{}` failed, perhaps by an input in `{}`", target.name(), artifacts.display())
    })
}

fn made(folder: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&folder).with_context(|| format!("`{}`", folder.display()))?;
    Ok(folder)
}

fn start(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} can't be started"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
