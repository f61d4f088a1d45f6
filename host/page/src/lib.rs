//! A board as one page: its tasks, who did what when, and how long things waited and took.
//!
//! - [`Gathered`]: takes the tasks of a board, then its history, and makes a [`Model`] of them. [`Told`]: what is worth
//!   knowing about a change, in the words of the history.
//! - [`html()`]: the page with a model in it.
//! - `template`: the page itself, as HTML, a style sheet and plain scripts, each a file.
//!
//! Invariants:
//!
//! - the page is one file and fetches nothing: its policy for content allows its own style and its own scripts, by their
//!   digests, and nothing else;
//! - what agents wrote is data: it reaches the page as text nodes alone, and stands in the file so that it can neither end
//!   the element it is in nor turn the direction of what stands beside it;
//! - every text is there once, however many tasks and events have it;
//! - what the page says of tasks and events is what `list --json` and `history --json` say, renewals of one claim in a row
//!   apart, of which the last one stands for all.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can't go on should stop"))]

mod html;
mod model;
#[cfg(test)]
mod reckoning;

pub use html::html;
pub use model::{About, Gathered, Model, Told};
