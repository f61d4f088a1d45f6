//! A policy that misbehaves, for the tests: whatever it does, the board must be as before, the caller must
//! be told what happened, and the next call must work.
//!
//! The setting `mode` says what it does (`misdeeds`), the setting `hook` in which hook; every other hook
//! answers `standard`. Where a misdeed is something that the host is to prevent, the hook refuses with the
//! host's words, so that the test can read them.

mod hooks;
mod misdeeds;

use taskhost_sdk::{About, Description, Setting};

const HOOK: Setting<String> = Setting::choice(
    "hook",
    &["readiness", "assignment", "lifecycle", "recovery"],
    "assignment",
    "The hook that misbehaves.",
);

const MODE: Setting<String> = Setting::text("mode", "none", "What it does.");

const TARGET: Setting<String> = Setting::text("target", "", "The task or lock that it does it to.");

/// Has every hook, so that `hook` can name any.
struct Hostile;

impl About for Hostile {
    fn describe() -> Description {
        Description::new("hostile", env!("CARGO_PKG_VERSION"), "Misbehaves as it is told.")
            .with(&HOOK)
            .with(&MODE)
            .with(&TARGET)
    }
}

taskhost_sdk::policy!(Hostile: readiness, assignment, lifecycle, recovery);
