//! Small conveniences on generated types.

use crate::{Status, StepError};

impl Status {
    /// The word that the command line and JSON use, as `in_progress`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::InReview => "in_review",
            Self::Blocked => "blocked",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Completed, failed or cancelled.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Failed or cancelled.
    #[must_use]
    pub const fn is_unsuccessful(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled)
    }
}

impl StepError {
    /// What the host said about the step, as a sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Invalid(text) | Self::Conflict(text) | Self::Limit(text) => text,
        }
    }
}
