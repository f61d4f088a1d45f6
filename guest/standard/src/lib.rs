//! The standard policy: what a board does unless its own policy says otherwise.
//!
//! It has every hook, one module each, and decides whatever another policy leaves to it by answering
//! `standard`; so it never answers that itself. The hooks read the board; what they then decide is in
//! functions of plain values beside them. What can be chosen without writing a policy is in `settings`.

mod about;
mod assignment;
mod lifecycle;
mod readiness;
mod recovery;
mod settings;

/// Implements every hook, in the module of its name.
pub struct Standard;

taskhost_sdk::policy!(Standard: readiness, assignment, lifecycle, recovery);
