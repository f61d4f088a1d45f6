//! What is said about an error: its exit code, its word in JSON, whether to try again, and who or what is in the way.
//!
//! For errors of the library, `taskhost::Problem` says it; here are those of the command line itself.

use serde::Serialize;
use serde_json::{Map, Value};
use taskhost::domain::Error as BoardError;
use taskhost::{ProblemKind, problem_of_board};

use super::{Code, Conflicting, LineFailed, NoSuchValue, Usage};

/// What is said about an error.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(skip)]
    pub exit: Code,
    code: &'static str,
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What of a component isn't the contract's, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mismatches: Vec<String>,
    #[serde(flatten)]
    details: Map<String, Value>,
}

/// What there is to say about an error.
pub fn problem(error: &anyhow::Error) -> Problem {
    let mut problem = if let Some(error) = error.downcast_ref::<taskhost::Error>() {
        error.problem().into()
    } else if let Some(error) = error.downcast_ref::<BoardError>() {
        problem_of_board(error).into()
    } else if let Some(failed) = error.downcast_ref::<LineFailed>() {
        let inner = problem(&failed.why);
        inner.with("line", failed.line).with("added", failed.added)
    } else if let Some(error) = error.downcast_ref::<taskhost_authoring::Error>() {
        of_authoring(error)
    } else if error.is::<Usage>() {
        new(Code::Usage, "usage", false)
    } else if error.is::<NoSuchValue>() {
        new(Code::Missing, "no_such_value", false)
    } else if error.is::<Conflicting>() {
        new(Code::Invalid, "conflict", false)
    } else {
        new(Code::Unexpected, "unexpected", false)
    };
    problem.message = format!("{error:#}");
    problem
}

fn of_authoring(error: &taskhost_authoring::Error) -> Problem {
    let word = error.word();
    match error.cause() {
        taskhost_authoring::Error::NotAPolicy { mismatches, .. } => {
            let problem = new(Code::Unexpected, word, false);
            Problem { mismatches: mismatches.clone(), ..problem }
        }
        taskhost_authoring::Error::Busy { waited, .. } => {
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            new(Code::LockTimeout, word, true).with("waited_ms", waited_ms)
        }
        error if error.is_usage() => new(Code::Usage, word, false),
        _ => new(Code::Unexpected, word, false),
    }
}

impl From<taskhost::Problem> for Problem {
    fn from(problem: taskhost::Problem) -> Self {
        let taskhost::Problem { kind, code, retryable, mismatches, details } = problem;
        Self { exit: kind.into(), code, message: String::new(), retryable, mismatches, details }
    }
}

impl From<ProblemKind> for Code {
    fn from(kind: ProblemKind) -> Self {
        match kind {
            ProblemKind::Unexpected => Self::Unexpected,
            ProblemKind::Usage => Self::Usage,
            ProblemKind::Taken => Self::Taken,
            ProblemKind::Missing => Self::Missing,
            ProblemKind::LockTimeout => Self::LockTimeout,
            ProblemKind::Refused => Self::Refused,
            ProblemKind::PolicyFailed => Self::PolicyFailed,
            ProblemKind::Damaged => Self::Damaged,
            ProblemKind::Invalid => Self::Invalid,
            ProblemKind::OutcomeUnknown => Self::OutcomeUnknown,
            ProblemKind::Moved => Self::Moved,
        }
    }
}

fn new(exit: Code, code: &'static str, retryable: bool) -> Problem {
    let (message, mismatches) = (String::new(), Vec::new());
    Problem { exit, code, message, retryable, mismatches, details: Map::new() }
}

impl Problem {
    /// What is said to people: the message, or a line for each mismatch where there are several.
    pub fn text(&self) -> String {
        let [first, _, ..] = &*self.mismatches else { return self.message.clone() };
        let head = self.message.find(first.as_str()).map_or("", |at| &self.message[..at]);
        // Where the message was cut, nothing comes after them.
        let rest =
            self.message.split_once(&self.mismatches.join("; ")).map_or("", |(_, rest)| rest);
        let rest = rest.replacen("; ", "\n", 1);
        format!("{head}it doesn't fit the contract:\n{}{rest}", self.mismatches.join("\n"))
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}
