//! The example policies do what their READMEs say: their scenarios, run by real components.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod scenarios;
