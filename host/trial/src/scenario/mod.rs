//! Scenarios: what happens on a board, step by step, and what a policy is to make of it.
//!
//! ```text
//! # A child is ready once its parent is completed.
//! policy parent=parent-first
//! add plan
//! add build --parent plan --priority 5
//! expect build waiting plan
//! claim ada                => plan
//! claim bob                => nothing waiting
//! complete plan            => completed
//! claim bob                => build
//! ```
//!
//! - [`Scenario::parse`]: a file's lines as [`Step`]s, each with what is expected of it. What steps there are, and what
//!   may be expected, stands in [`GUIDE`], for people.
//!
//! A step without an expectation has to be possible, whatever the policy decides.

/// What may stand in a scenario, for people.
pub const GUIDE: &str = include_str!("guide.txt");

mod arguments;
mod expectation;
mod parse;
mod step;
mod words;

pub use expectation::{Expected, State, TaskState};
pub use step::{Asking, Step, Target};

/// A line that isn't a step, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Malformed {
    why: String,
}

impl Malformed {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}

/// A file that isn't a scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct NotAScenario {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: Malformed,
}

/// A scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it shows: the comment that it begins with.
    pub title: String,
    /// What the policy is set to, and the standard policy behind it.
    pub settings: Settings,
    /// What happens.
    pub lines: Vec<Line>,
}

/// What policies are set to, as `NAME=VALUE`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Those of the policy that is tried.
    pub policy: Vec<(String, String)>,
    /// Those of the standard policy behind it.
    pub standard: Vec<(String, String)>,
}

/// A step, and what is expected of it.
#[derive(Debug, Clone)]
pub struct Line {
    /// Where it stands in the file, from 1.
    pub number: usize,
    /// As it was written.
    pub text: String,
    /// What happens.
    pub step: Step,
    /// What is to come of it, if the file says so.
    pub expected: Option<Expected>,
}
