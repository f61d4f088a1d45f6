//! The one place that maps what went wrong to an exit code and a JSON error. Both are an API.
//!
//! [`Code`]: the exit codes. [`Problem`]: what is said about an error, `{code, message, retryable, …}` in JSON.
//! The mapping itself stands in `problem`.

mod problem;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::process::ExitCode;

use serde::Serialize;

pub use self::problem::{Problem, problem};
use crate::output::{self, Output};

/// The exit codes, as DESIGN publishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done, or done before by the same request.
    Done = 0,
    Unexpected = 1,
    Usage = 2,
    /// Nothing to claim, or the board isn't idle yet: not an error.
    Nothing = 3,
    /// Somebody else's: claimed, reserved, or the token is stale.
    Taken = 4,
    /// No such task or board.
    Missing = 5,
    LockTimeout = 6,
    Refused = 7,
    PolicyFailed = 8,
    /// The board is damaged or of a newer format.
    Damaged = 9,
    /// An invalid transition, a cycle, or a key used for something else.
    Invalid = 10,
    OutcomeUnknown = 11,
    /// `run`: some tasks failed.
    SomeFailed = 12,
    /// The board is elsewhere now; the message says where.
    Moved = 13,
    /// `run` was stopped by a hang-up, as a shell would say it.
    HungUp = 129,
    /// `run` was stopped by Ctrl-C.
    Interrupted = 130,
    /// `run` was asked to terminate.
    Terminated = 143,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// The request can't be meant.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The same can't be asked for twice in two ways.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Conflicting(pub String);

/// There is no value of that name.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoSuchValue(pub String);

/// Some of a file's lines were added, or none, and then one could not be.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why:#}{}", match added { 0 => String::new(), n => format!(" (of the lines before it, {n} were added)") })]
pub struct LineFailed {
    pub line: usize,
    pub added: usize,
    pub why: anyhow::Error,
}

#[derive(Serialize)]
struct Failed {
    error: Problem,
}

/// Says what went wrong, and ends with the code for it.
pub fn failed(output: Output, error: &anyhow::Error) -> ExitCode {
    let problem = problem(error);
    match output {
        Output::Text => output::note(&output::hanging(&format!("taskhost: {}", problem.text()))),
        Output::Json => {
            let exit = problem.exit.into();
            let said = output.answer(&Failed { error: problem }, |_| ());
            return if said.is_ok() { exit } else { Code::Unexpected.into() };
        }
    }
    problem.exit.into()
}

/// What clap says about a mistake, without its usage lines, as one sentence.
fn sentence(text: &str) -> String {
    let first = text.trim().trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    format!("{}; `--help` says more", words.join(" "))
}

/// Says what clap has to say: help, or what is wrong with the command line.
pub fn usage(error: &clap::Error, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    if !error.use_stderr() {
        // Whoever reads the help may stop early.
        let _ = error.print();
        return Code::Done.into();
    }
    let as_json = args.into_iter().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if as_json {
        failed(Output::Json, &Usage(sentence(&error.render().to_string())).into())
    } else {
        // It quotes what was typed, which may have been pasted from a task.
        let plain = error.render().to_string();
        let visible = output::visible(&plain);
        if visible == plain {
            let _ = error.print();
        } else {
            output::note(&output::hanging(visible.trim_end()));
        }
        Code::Usage.into()
    }
}
