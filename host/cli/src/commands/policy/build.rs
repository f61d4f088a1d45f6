//! `policy build`: a component of a project.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use taskhost::domain::Error as BoardError;
use taskhost_authoring::{Built, Installing, Options, Outcome, Project, Tools};

use super::new::{shown, word};
use crate::context::Context;
use crate::exit::Code;
use crate::output::{line, note};

const EXAMPLES: &str = "\
Example: build, try, and set

  taskhost policy build mine
  taskhost policy check mine/mine.wasm
  taskhost policy set mine/mine.wasm

The language is told by the project's file: `Cargo.toml`, `policy.py`, `policy.js` or `policy.c`. What it takes to \
build it is found or installed, once, into `~/.cache/taskhost/tools` (`TASKHOST_TOOLS` names another directory). A \
project that hasn't changed isn't built again. If a build fails, the component of the last one that worked stays. Another build of the same is waited for, as long as `--timeout` says. \
No board is needed.";

/// Build a project of a policy into a WebAssembly component
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The project's directory
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Download and install nothing
    #[arg(long)]
    offline: bool,
    /// Build even if nothing has changed
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Answer {
    built: Component,
}

/// `unchanged`: the component was there, and is what a build would have made.
#[derive(Serialize)]
struct Component {
    name: String,
    language: &'static str,
    component: String,
    size_bytes: u64,
    seconds: f64,
    unchanged: bool,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let began = Instant::now();
    let say = |text: &str| note(&format!("taskhost: {text}"));
    let installing = if args.offline { Installing::Forbidden } else { Installing::Allowed };
    let project = Project::open(&args.directory)?;
    let mut tools = Tools::of_user(installing, &say)?;
    if let Some(timeout) = context.timeout {
        tools = tools.waiting_at_most(timeout);
    }
    let options = Options { force: args.force, examine: Some(fits_contract), ..Options::default() };
    let Built { name, path, size_bytes, outcome } = project.build(&tools, &options)?;
    let built = Component {
        name,
        language: project.language().word(),
        component: shown(as_typed(&path)),
        size_bytes,
        seconds: (began.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        unchanged: outcome == Outcome::Unchanged,
    };
    let answer = Answer { built };
    context.output.answer(&answer, |out| {
        let Component { component, size_bytes, seconds, unchanged, .. } = &answer.built;
        let size = size(*size_bytes);
        if *unchanged {
            line(out, format_args!("`{component}` ({size}) is up to date"));
        } else {
            line(out, format_args!("built `{component}` ({size}) in {seconds:.1} s"));
        }
        let component = word(as_typed(&path));
        line(out, "next:");
        let scenarios = word(as_typed(&args.directory.join("scenarios")));
        line(out, format_args!("  taskhost policy test {component} {scenarios}"));
        line(out, format_args!("  {} policy set {component}", context.taskhost()));
    })?;
    Ok(Code::Done)
}

/// What of a component doesn't fit the contract.
fn fits_contract(component: &[u8]) -> Result<(), Vec<String>> {
    match taskhost::anatomy(component) {
        Err(taskhost::Error::Board(BoardError::Policy(failure))) => {
            let told = failure.mismatches;
            Err(if told.is_empty() { vec![failure.detail] } else { told })
        }
        // A machine that can't run policies can build them for another one.
        Err(_) | Ok(_) => Ok(()),
    }
}

/// Without the `.` of the directory that nobody named.
fn as_typed(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}

/// As in `26.7 KB`, of a thousand bytes each.
#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
fn size(bytes: u64) -> String {
    match bytes as f64 / 1000.0 {
        kilobytes if kilobytes < 1000.0 => format!("{kilobytes:.1} KB"),
        kilobytes => format!("{:.1} MB", kilobytes / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_shown_in_the_unit_that_fits() {
        assert_eq!(size(26_740), "26.7 KB");
        assert_eq!(size(18_360_739), "18.4 MB");
    }
}
