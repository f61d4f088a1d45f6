//! What the policy is called, and its settings.

use crate::{Standard, settings};
use taskhost_sdk::{About, Description};

impl About for Standard {
    fn describe() -> Description {
        let summary =
            "Highest priority first; dependencies, parents, leases, retries, limits and reviews.";
        Description::new("standard", env!("CARGO_PKG_VERSION"), summary)
            .with(&settings::PARENT)
            .with(&settings::CASCADE)
            .with(&settings::LEASE)
            .with(&settings::MAX_ATTEMPTS)
            .with(&settings::RETRIES)
            .with(&settings::BACKOFF)
            .with(&settings::MAX_CLAIMS_PER_AGENT)
            .with(&settings::REVIEW)
    }
}
