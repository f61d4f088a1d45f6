//! What a board is asked, answered as JSON: the same on the command line, over MCP and in bindings for other languages.
//!
//! - [`ClaimAnswer`], [`TaskAnswer`], [`ChangeAnswer`]: what claiming, holding, adding and changing is answered with.
//! - [`Shown`], [`Listed`], [`Forest`], [`BoardStatus`]: a task, a page of them, parents and children, the board at a glance.
//! - [`Explained`], [`Prospects`]: why a task can or can't be claimed; what an agent would get.
//! - [`History`], [`events`]: what happened.
//! - [`Failure`]: what went wrong. [`Envelope`]: what every answer goes out in.
//! - [`board_settings`]: the board's own settings, by their names.
//!
//! The fields are an API, as those of [`taskhost::wire`] are. How people read all this is for whoever prints.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can't go on should stop"))]

pub mod board_settings;
mod changes;
mod claims;
pub mod events;
mod explained;
mod failure;
mod forest;
mod history;
mod hook_figures;
mod listed;
mod prospects;
mod reserved;
#[cfg(any(test, feature = "sample"))]
#[cfg_attr(
    not(test),
    expect(clippy::unwrap_used, reason = "these are names that can be, for tests alone")
)]
pub mod sample;
mod standing;
mod status;

use serde::Serialize;

pub use changes::{ChangeAnswer, Difference, FailedOne, difference};
pub use claims::{ClaimAnswer, Claimed, Nothing, TaskAnswer};
pub use explained::{By, Explained, Relation, Relations, obstacle, root};
pub use failure::Failure;
pub use forest::{Bounds, Forest, Node, TREE_DEPTH_MAX, Tally, Tree};
pub use history::{Cursor, History};
pub use hook_figures::{HookFigure, HookFigures};
pub use listed::Listed;
pub use prospects::{Prospects, ReadyFor};
pub use reserved::reserved_for;
pub use standing::{Shown, Standing};
pub use status::{BoardStatus, Leading, WithAgent};

/// An answer as it goes out: one JSON object, with the version of what its fields mean.
#[derive(Debug, Serialize)]
pub struct Envelope<'a, T> {
    schema: u32,
    #[serde(flatten)]
    body: &'a T,
}

impl<'a, T: Serialize> Envelope<'a, T> {
    /// This answer.
    pub fn new(body: &'a T) -> Self {
        Self { schema: taskhost::wire::SCHEMA, body }
    }
}
