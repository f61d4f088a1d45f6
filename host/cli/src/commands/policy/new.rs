//! `policy new`: a project of a policy of one's own.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use taskhost_authoring::{Language, Project};

use crate::context::{Context, shell_word};
use crate::exit::Code;
use crate::output::line;

const EXAMPLES: &str = "\
Example: a policy in Python, built and set to decide on the board

  taskhost policy new mine --lang python
  taskhost policy build mine
  taskhost policy set mine/mine.wasm

The project has one hook, which gives the newest ready task first; its README says which line to change. Its \
directory's name is the policy's. No board is needed.";

/// Make a project of a policy of your own, ready to be built
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The directory to make; its name is the policy's
    #[arg(value_name = "NAME")]
    directory: PathBuf,
    /// What to write it in: `rust`, `python` (or `py`), `javascript` (or `js`) or `c`
    #[arg(long = "lang", value_name = "LANGUAGE")]
    language: Language,
}

#[derive(Serialize)]
struct Answer {
    project: Made,
}

#[derive(Serialize)]
struct Made {
    name: String,
    language: &'static str,
    directory: String,
    /// The file with the line that decides the order.
    source: String,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let project = Project::create(&args.directory, args.language)?;
    let source = args.directory.join(project.source());
    let made = Made {
        name: project.name().into(),
        language: project.language().word(),
        directory: shown(&args.directory),
        source: shown(&source),
    };
    let answer = Answer { project: made };
    context.output.answer(&answer, |out| {
        line(out, format_args!("made `{}`: {}", answer.project.directory, contents(&project)));
        line(out, "next:");
        line(out, format_args!("  taskhost policy build {}", word(&args.directory)));
        line(out, format_args!("  {}    is where it decides", answer.project.source));
    })?;
    Ok(Code::Done)
}

fn contents(project: &Project) -> String {
    format!("a policy in {}, which gives the newest ready task first", project.language())
}

/// A path as it was typed.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A path as a shell takes it.
pub fn word(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}
