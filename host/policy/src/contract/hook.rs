//! The hooks, by the names that the contract gives them.

/// Something that a policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    About,
    Readiness,
    Assignment,
    Lifecycle,
    Recovery,
}

impl Hook {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] =
        [Self::About, Self::Readiness, Self::Assignment, Self::Lifecycle, Self::Recovery];

    /// Its interface.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::About => "about",
            Self::Readiness => "readiness",
            Self::Assignment => "assignment",
            Self::Lifecycle => "lifecycle",
            Self::Recovery => "recovery",
        }
    }

    /// Its only function.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::About => "describe",
            Self::Readiness => "classify",
            Self::Assignment => "choose",
            Self::Lifecycle => "on-event",
            Self::Recovery => "recover",
        }
    }
}
