//! What could not be looked at here: it gets a row of its own in the table, so that nobody takes it for a success.

use std::process::Command;

use taskhost_simulated::Outcome;

/// Notes what a part could not look at, and why.
pub(crate) fn not_looked_at(outcome: &mut Outcome, what: impl Into<String>, why: &str) {
    outcome.figure(what, format!("not looked at: {why}"));
}

/// Why nobody looked where it takes namespaces.
pub(crate) const NO_NAMESPACES: &str = "namespaces can't be made here";

/// Whether `unshare` with these arguments can start a program here.
pub(crate) fn can_unshare(arguments: &[&str]) -> bool {
    let probe = Command::new("unshare").args(arguments).arg("true").output();
    probe.is_ok_and(|output| output.status.success())
}
