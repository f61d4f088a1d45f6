//! The settings, and the types in which the hooks use them.

use taskhost_sdk::{DurationMs, Setting};

/// Read by [`ParentRule::get`].
pub const PARENT: Setting<String> = Setting::choice(
    "parent",
    &["parent-first", "children-first", "independent"],
    "parent-first",
    "What a parent means: `parent-first`, a child is ready once its parent is completed; \
     `children-first`, a parent is ready once its children are, and can't be completed before them; \
     `independent`, nothing.",
);

/// Read by [`Cascade::get`].
pub const CASCADE: Setting<String> = Setting::choice(
    "cascade",
    &["block", "cancel"],
    "block",
    "What becomes of a task that waits for one that failed or was cancelled: `block`, it waits in case \
     that one is retried; `cancel`, it is cancelled too.",
);

/// How long a claim holds, if the asker doesn't say.
pub const LEASE: Setting<DurationMs> = Setting::duration(
    "lease",
    "30m",
    "How long a claim holds without a heartbeat, unless whoever claims says otherwise.",
);

/// Read through [`max_attempts`].
pub const MAX_ATTEMPTS: Setting<i64> = Setting::integer(
    "max_attempts",
    "5",
    "How often a task is claimed at most: after so many attempts it isn't retried, and fails if its \
     holder is lost. 0 for no limit.",
);

/// How many failures are forgiven.
pub const RETRIES: Setting<i64> = Setting::integer(
    "retries",
    "0",
    "How many times a task that failed is put back, within `max_attempts`.",
);

/// How long a failed task waits for each failure so far.
pub const BACKOFF: Setting<DurationMs> = Setting::duration(
    "backoff",
    "0s",
    "How long a failed task rests before it is retried, times the number of its failures: with `10m`, \
     10 minutes after the first and 20 after the second.",
);

/// Read through [`max_claims_per_agent`].
pub const MAX_CLAIMS_PER_AGENT: Setting<i64> = Setting::integer(
    "max_claims_per_agent",
    "0",
    "How many tasks the sessions of one agent may hold together. 0 for no limit.",
);

/// What a parent means to its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentRule {
    ParentFirst,
    ChildrenFirst,
    Independent,
}

impl ParentRule {
    pub fn get() -> Self {
        match PARENT.get().as_str() {
            "children-first" => Self::ChildrenFirst,
            "independent" => Self::Independent,
            // The host accepts no other word than the three.
            _ => Self::ParentFirst,
        }
    }
}

/// What becomes of a task that waits for something that failed or was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cascade {
    Block,
    Cancel,
}

impl Cascade {
    pub fn get() -> Self {
        if CASCADE.get() == "cancel" { Self::Cancel } else { Self::Block }
    }
}

/// `None` for no limit.
pub fn max_attempts() -> Option<u32> {
    limit(MAX_ATTEMPTS.get())
}

/// `None` for no limit.
pub fn max_claims_per_agent() -> Option<u32> {
    limit(MAX_CLAIMS_PER_AGENT.get())
}

/// Zero and less are no limit; more than there can be tasks is none either.
fn limit(setting: i64) -> Option<u32> {
    u32::try_from(setting).ok().filter(|&limit| limit > 0)
}
