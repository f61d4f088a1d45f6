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

/// The longest lease that the host gives, in milliseconds.
const LEASE_MAX: DurationMs = 30 * 24 * 60 * 60 * 1_000;

/// Read through [`lease`].
pub const LEASE: Setting<DurationMs> = Setting::duration(
    "lease",
    "30m",
    "How long a claim holds without a heartbeat, unless whoever claims says otherwise. At most 30 \
     days; 0 for as long as that.",
);

/// Read through [`max_attempts`].
pub const MAX_ATTEMPTS: Setting<i64> = Setting::integer(
    "max_attempts",
    "5",
    "How often a task is claimed at most: after so many attempts it isn't retried, and fails if its \
     holder is lost. 0 or less for no limit.",
);

/// How many failures are forgiven.
pub const RETRIES: Setting<i64> = Setting::integer(
    "retries",
    "0",
    "How many times a task that failed is put back, within `max_attempts`. 0 or less for never.",
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
    "How many tasks the sessions of one agent may hold together. 0 or less for no limit.",
);

/// Read through [`is_reviewed`].
pub const REVIEW: Setting<String> = Setting::choice(
    "review",
    &["off", "all", "labelled"],
    "off",
    "Which tasks are in review when they are completed, until somebody other than who completed them \
     accepts them or sends them back: `off`, none; `all`; `labelled`, those with the label `review`. \
     What is sent back has had an attempt of `max_attempts`.",
);

/// What makes a task one that is reviewed under `review=labelled`.
const REVIEW_LABEL: &str = "review";

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

/// Whether a task is reviewed before it counts as completed. Its labels are asked for only where they tell.
pub fn is_reviewed(labels: impl FnOnce() -> Vec<String>) -> bool {
    match REVIEW.get().as_str() {
        "all" => true,
        "labelled" => labels().iter().any(|label| label == REVIEW_LABEL),
        // The host accepts no other word than the three.
        _ => false,
    }
}

/// How long a claim holds, if the asker doesn't say.
pub fn lease() -> DurationMs {
    possible_lease(LEASE.get())
}

/// The contract can't declare bounds, so any length is accepted when it is set; the host would refuse every claim
/// with one that can't be. Nothing stands for no limit here as in the other settings, as far as there can be none.
fn possible_lease(setting: DurationMs) -> DurationMs {
    match setting {
        0 => LEASE_MAX,
        lease => lease.min(LEASE_MAX),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `lease=0s` and `lease=60d` were accepted by `policy set`, and then every claim was refused.
    #[test]
    fn every_lease_that_can_be_set_can_be_given() {
        assert_eq!(possible_lease(0), LEASE_MAX);
        assert_eq!(possible_lease(1), 1);
        assert_eq!(possible_lease(2 * LEASE_MAX), LEASE_MAX);
    }

    /// `max_attempts=-3` is accepted too, and means what 0 does.
    #[test]
    fn negative_limit_is_none() {
        assert_eq!(limit(-3), None);
        assert_eq!(limit(0), None);
        assert_eq!(limit(3), Some(3));
    }
}
