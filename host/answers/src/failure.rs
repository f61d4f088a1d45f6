//! An error as JSON: the same words and details for everybody who asks.

use serde::Serialize;
use serde_json::{Map, Value};
use taskhost::domain::Error as BoardError;
use taskhost::{Error, Problem, ProblemKind, problem_of_board};

/// What is said about an error. `retryable`: the same request may succeed later. `mismatches`: what of a component isn't
/// the contract's, a sentence each. Beside these there is who or what is in the way.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Failure {
    #[serde(skip)]
    pub kind: ProblemKind,
    pub code: &'static str,
    pub message: String,
    pub retryable: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mismatches: Vec<String>,
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

impl Failure {
    /// What there is to say about an error of the library.
    pub fn new(error: &Error) -> Self {
        Self::of(error.problem(), error)
    }

    /// What there is to say about an error of a board's commands.
    pub fn of_board(error: &BoardError) -> Self {
        Self::of(problem_of_board(error), error)
    }

    /// A request that can't be meant.
    pub fn usage(message: String) -> Self {
        Self {
            kind: ProblemKind::Usage,
            code: "usage",
            message,
            retryable: false,
            mismatches: Vec::new(),
            details: Map::new(),
        }
    }

    fn of(problem: Problem, error: &dyn std::error::Error) -> Self {
        let Problem { kind, code, retryable, mismatches, details } = problem;
        Self { kind, code, message: whole(error), retryable, mismatches, details }
    }
}

/// The error with everything that led to it.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
