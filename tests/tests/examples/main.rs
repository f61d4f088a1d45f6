//! The example policies: what stands about them in their common README.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod table;
