//! Inputs for fuzzing, and their replay in ordinary tests.
//!
//! A fuzzer hands over bytes. What a crate's `fuzzing` module makes of them are decisions: which line is edited, and
//! how. So every input is a valid list of edits, and a small change of it is a small change of the edits.
//!
//! - [`Choices`]: bytes as decisions, one after the other; at their end every decision is the first one there is.
//! - [`bytes`], [`lines`], [`json`]: edits of bytes, of the order of lines, and inside a JSON value.
//! - [`replay`]: the corpus of a target (`tests/fuzz/corpus`), and mutations of it that are the same each time.
//!
//! Invariant: the same bytes are the same edits, on every machine and in every build.

mod choices;
mod edit;
mod json;
mod replay;

pub use choices::Choices;
pub use edit::{bytes, lines};
pub use json::json;
pub use replay::replay;
