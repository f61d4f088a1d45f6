//! `cargo xtask test`.

use crate::fuzz::{self, Fuzz};
use crate::guests::Guests;
use crate::setup::Setup;
use crate::torture::Torture;
use crate::{wheel, workspace};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::env;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use taskhost_test_postgres::{Options, Server, VARIABLE};

/// How long each target is fuzzed: what takes longer to find is looked for by hand.
const FUZZ_SECONDS: u32 = 12;
/// For a test on each processor, some with 64 agents that have two connections each.
const CONNECTIONS_MAX: u16 = 600;

/// Check and test everything, exactly as CI does.
///
/// Ends at the first step that fails. The first run compiles wasmtime twice, to check and to run it, which
/// takes minutes.
#[derive(Args)]
pub struct Test {}

impl Test {
    /// The steps, in order. What is built for one is there for the next: they share the target directory,
    /// the profile, and the features, which are those of the whole workspace with its tests.
    pub fn run(self) -> Result<()> {
        let mut steps = Steps::default();
        let outcome = run_all(&mut steps);
        steps.print_times();
        outcome
    }
}

/// Short enough to be run at each change; what is enumerated is enumerated completely all the same.
const TORTURE_SECONDS: u64 = 60;

fn run_all(steps: &mut Steps) -> Result<()> {
    steps.run("setup", || Setup { for_tests: true }.run())?;
    steps.cargo(&["fmt", "--check"])?;
    // What can be told in a second isn't left to the last step.
    steps.run("versions of the fuzz targets", fuzz::check_versions)?;
    steps.run("guests", || Guests { rust: false }.run())?;
    steps.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;

    // With it `taskhost` itself, which tests start and no test target builds.
    steps.cargo(&["build", "--workspace", "--all-targets"])?;
    // Until the last step; also if one fails.
    let _server = start_postgres(steps)?;
    if has_nextest(steps)? {
        let mut nextest = vec!["nextest", "run", "--workspace"];
        // Somebody at a terminal wants the first failure soon, CI all of them.
        if env::var_os("CI").is_some() {
            nextest.push("--no-fail-fast");
        }
        steps.cargo(&nextest)?;
    } else {
        steps.cargo(&["test", "--workspace", "--all-targets", "--no-fail-fast"])?;
    }
    steps.run("the Python package: wheel, pytest, mypy", wheel::test)?;
    let postgres = steps.postgres.clone();
    let torture = Torture { seconds: Some(TORTURE_SECONDS), postgres, ..Torture::default() };
    steps
        .run(&format!("cargo xtask torture --seconds {TORTURE_SECONDS}"), || torture.run_built())?;
    steps.cargo(&["test", "--workspace", "--doc"])?;
    steps.cargo_with("RUSTDOCFLAGS", "-D warnings", &["doc", "--workspace", "--no-deps"])?;

    if has("deny") {
        // Not advisories: they need the network, and a new one must not turn an old commit red.
        steps.cargo(&["deny", "check", "licenses", "bans", "sources"])?;
    } else {
        steps.skip(
            "cargo deny check licenses bans sources",
            "cargo-deny isn't installed (`cargo install cargo-deny --locked`)",
        );
    }
    let seed = Some(seed_of_commit());
    steps.run("fuzz", || Fuzz { seconds: FUZZ_SECONDS, seed, ..Fuzz::default() }.run())?;
    steps.cargo(&["xtask", "demo"])?;
    steps.cargo(&["xtask", "demo", "--postgres"])
}

/// One server for all tests: a server for each takes seconds. If the user names one, they are given that.
fn start_postgres(steps: &mut Steps) -> Result<Option<Server>> {
    if let Ok(url) = env::var(VARIABLE) {
        steps.postgres = Some(url);
        return Ok(None);
    }
    let mut server = None;
    steps.run("a PostgreSQL for the tests", || {
        let started = Server::start(Options::default().connections_max(CONNECTIONS_MAX))?;
        println!("it runs at {}", started.access().without_password().url());
        server = Some(started);
        Ok(())
    })?;
    steps.postgres = server.as_ref().map(|server| server.access().url());
    Ok(server)
}

/// Each commit is fuzzed elsewhere, and the same one in the same place each time: a test that is repeated should come to the
/// same end.
fn seed_of_commit() -> u32 {
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short=8", "HEAD"]).current_dir(workspace::root());
    let commit = git.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let seed = commit.ok().and_then(|text| u32::from_str_radix(text.trim(), 16).ok());
    seed.unwrap_or_default().max(1)
}

/// Whether tests can be run by nextest; installs it if need be.
fn has_nextest(steps: &mut Steps) -> Result<bool> {
    if has("nextest") {
        return Ok(true);
    }
    let installed = steps.cargo(&["install", "cargo-nextest", "--locked"]);
    if let Err(error) = installed {
        println!("{error:#}: the tests are run by `cargo test` instead, which is slower");
        return Ok(false);
    }
    Ok(true)
}

/// Whether cargo has this subcommand.
pub fn has(subcommand: &str) -> bool {
    let mut cargo = Command::new(workspace::cargo());
    cargo.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    cargo.status().is_ok_and(|status| status.success())
}

/// What was done, and how long it took.
#[derive(Default)]
struct Steps {
    /// The server that tests are given.
    postgres: Option<String>,
    done: Vec<(String, Took)>,
}

enum Took {
    Time(Duration),
    /// And failed then.
    Failed(Duration),
    Skipped(&'static str),
}

impl Steps {
    fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n==> {name}");
        let started = Instant::now();
        let outcome = step();
        let took = started.elapsed();
        let took = if outcome.is_ok() { Took::Time(took) } else { Took::Failed(took) };
        self.done.push((name.to_owned(), took));
        outcome
    }

    fn cargo(&mut self, arguments: &[&str]) -> Result<()> {
        self.start("", cargo(arguments), arguments)
    }

    fn cargo_with(&mut self, variable: &str, value: &str, arguments: &[&str]) -> Result<()> {
        let mut cargo = cargo(arguments);
        cargo.env(variable, value);
        self.start(&format!("{variable}='{value}' "), cargo, arguments)
    }

    /// Names the step as one would type it at the workspace's root.
    fn start(&mut self, prefix: &str, mut cargo: Command, arguments: &[&str]) -> Result<()> {
        let name = format!("{prefix}cargo {}", arguments.join(" "));
        cargo.envs(self.postgres.iter().map(|url| (VARIABLE, url)));
        self.run(&name, || {
            let status = cargo.status().with_context(|| format!("`{name}` can't be started"))?;
            if !status.success() {
                bail!("`{name}` failed");
            }
            Ok(())
        })
    }

    fn skip(&mut self, name: &str, why: &'static str) {
        println!("\n==> {name}\nskipped: {why}");
        self.done.push((name.to_owned(), Took::Skipped(why)));
    }

    fn print_times(&self) {
        println!("\n==> times");
        let mut total = Duration::ZERO;
        for (name, took) in &self.done {
            match took {
                Took::Time(time) => println!("{:>8.1} s  {name}", time.as_secs_f64()),
                Took::Failed(time) => println!("{:>8.1} s  {name}: FAILED", time.as_secs_f64()),
                Took::Skipped(why) => println!("{:>10}  {name}: skipped, {why}", "-"),
            }
            if let Took::Time(time) | Took::Failed(time) = took {
                total += *time;
            }
        }
        println!("{:>8.1} s  in all", total.as_secs_f64());
    }
}

/// Cargo, at the workspace's root.
fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(workspace::cargo());
    cargo.args(arguments).current_dir(workspace::root());
    cargo
}
