//! `cargo xtask fuzz`.
//!
//! - [`Fuzz`]: the arguments, and the run. [`Target`]: what can be fuzzed. [`Place`]: where inputs are.
//!
//! Invariant: nothing in the work tree changes; what is found lies below the target directory until somebody puts
//! it into the corpus.

use crate::test::has;
use crate::{compiler, workspace};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// The longest input, in bytes: a list of edits. A component is an input itself.
const EDITS_BYTES_MAX: u32 = 256;
const COMPONENT_BYTES_MAX: u32 = 64 << 10;
/// How long one input may take, in seconds, on a busy machine.
const TIMEOUT_SECONDS: u32 = 30;
/// How much memory the whole may take.
const MEMORY_MB_MAX: u32 = 2048;

/// Fuzz what taskhost reads, with libFuzzer.
///
/// Begins with the corpus in `tests/fuzz/corpus`. What it finds beside that is kept in `fuzz/corpus` of the target
/// directory, and an input that fails in `fuzz/artifacts` there; the work tree stays as it is. Needs no nightly
/// compiler: memory is checked by the language, not by a sanitizer.
#[derive(Args, Default)]
pub struct Fuzz {
    /// What to fuzz; everything but `component`, which builds wasmtime anew, if nothing is named
    pub targets: Vec<Target>,
    /// How long to fuzz each, in seconds; building comes on top, and going through the corpus where it takes longer
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: u32,
    /// Where all random choices come from; another one each time if not given
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub seed: Option<u32>,
    /// Fuzz nothing, and only run the one named target on the input in this file again
    #[arg(long, value_name = "FILE", requires = "targets", conflicts_with_all = ["seconds", "seed"])]
    pub input: Option<PathBuf>,
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
        let input = self.input.as_deref().map(absolute).transpose()?;
        if input.is_some() && self.targets.len() != 1 {
            bail!("an input belongs to one target: name just that one before `--input`");
        }
        compiler::prepare()?;
        if !has("fuzz") {
            // Without optimisation, which takes much longer: it only starts cargo and what that has built.
            let mut install = Command::new(workspace::cargo());
            start(install.args(["install", "cargo-fuzz", "--locked", "--debug"]))
                .context("`cargo fuzz` is needed, and could not be installed")?;
        }
        check_versions()?;
        let targets = if self.targets.is_empty() { &Target::LIGHT[..] } else { &self.targets };
        for target in targets {
            match &input {
                Some(input) => run_again(*target, input)?,
                None => fuzz(*target, self.seconds, self.seed)?,
            }
        }
        Ok(())
    }
}

/// Refuses a lock file that a build would change: `cargo fuzz` has no `--locked`.
pub fn check_versions() -> Result<()> {
    // Unlike `cargo fetch`, this downloads nothing that isn't built here anyway.
    let mut tree = Command::new(workspace::cargo());
    tree.current_dir(project()).args(["tree", "--quiet", "--locked", "--depth", "0"]);
    start(tree.stdout(Stdio::null())).context(
        "the fuzz targets can't be built as they are; if `tests/fuzz/Cargo.lock` is out of date, run `cargo update \
         --workspace --manifest-path tests/fuzz/Cargo.toml`",
    )
}

/// Where the inputs of a target are.
struct Place {
    /// Those that everybody has.
    corpus: PathBuf,
    /// Those that were found here; the fuzzer adds to them.
    found: PathBuf,
    /// Those that failed, of all targets.
    failed: PathBuf,
}

impl Place {
    fn of(target: Target) -> Result<Self> {
        let built = built();
        Ok(Self {
            corpus: project().join("corpus").join(target.name()),
            found: made(built.join("corpus").join(target.name()))?,
            failed: made(built.join("artifacts"))?,
        })
    }

    /// The last input of this target that has failed since then; the same one has the same name each time.
    fn failed_since(&self, target: Target, then: SystemTime) -> Result<Option<PathBuf>> {
        let files =
            fs::read_dir(&self.failed).with_context(|| format!("`{}`", self.failed.display()))?;
        let mut last = None;
        for file in files {
            let file = file?;
            let at = file.metadata()?.modified()?;
            let is_of_target = file.file_name().to_string_lossy().starts_with(target.name());
            if is_of_target && at >= then {
                last = last.max(Some((at, file.path())));
            }
        }
        Ok(last.map(|(_, path)| path))
    }
}

fn fuzz(target: Target, seconds: u32, seed: Option<u32>) -> Result<()> {
    println!("fuzzing `{}` for {seconds} s", target.name());
    let place = Place::of(target)?;
    let started = SystemTime::now();
    let mut cargo = cargo_fuzz(target);
    // The first folder takes what is found.
    cargo.args([&place.found, &place.corpus]).arg("--").args(limits(target));
    cargo.args([
        format!("-max_total_time={seconds}"),
        format!("-artifact_prefix={}/{}-", place.failed.display(), target.name()),
        // How much was done, and not each input that reaches something new.
        "-verbosity=0".into(),
        "-print_funcs=0".into(),
        "-print_final_stats=1".into(),
    ]);
    cargo.args(seed.map(|seed| format!("-seed={seed}")));
    let Err(error) = start(&mut cargo) else { return Ok(()) };
    let Some(input) = place.failed_since(target, started)? else {
        return Err(error.context(format!("fuzzing `{}` failed", target.name())));
    };
    bail!(
        "`{name}` fails on the input that is now in `{input}`: see above how, run it again with `cargo xtask fuzz \
         {name} --input {input}`, and when it is mended, put it into `tests/fuzz/corpus/{name}`, where the tests find it",
        name = target.name(),
        input = input.display()
    )
}

fn run_again(target: Target, input: &Path) -> Result<()> {
    println!("running `{}` on `{}`", target.name(), input.display());
    let mut cargo = cargo_fuzz(target);
    // What fails again is there already.
    cargo.arg(input).arg("--").args(limits(target));
    cargo.arg(format!("-exact_artifact_path={}", built().join("failed-again").display()));
    let failed = || format!("`{}` still fails on `{}`", target.name(), input.display());
    start(&mut cargo).with_context(failed)?;
    println!("`{}` passes", target.name());
    Ok(())
}

/// `cargo fuzz run` for a target, without its inputs.
fn cargo_fuzz(target: Target) -> Command {
    let mut cargo = Command::new(workspace::cargo());
    cargo.current_dir(project());
    cargo.args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir", "."]);
    cargo.arg("--target-dir").arg(built());
    if target == Target::Component {
        cargo.args(["--features", "component"]);
    }
    cargo.arg(target.name());
    cargo
}

/// What one input may be and take.
fn limits(target: Target) -> [String; 3] {
    [
        format!("-max_len={}", target.bytes_max()),
        format!("-timeout={TIMEOUT_SECONDS}"),
        format!("-rss_limit_mb={MEMORY_MB_MAX}"),
    ]
}

/// The package of the fuzz targets.
fn project() -> PathBuf {
    workspace::root().join("tests/fuzz")
}

/// Where it is built, and where what is found is kept.
fn built() -> PathBuf {
    workspace::target_dir().join("fuzz")
}

fn absolute(file: &Path) -> Result<PathBuf> {
    // The fuzzer starts in another directory.
    file.canonicalize().with_context(|| format!("there is no input `{}`", file.display()))
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
