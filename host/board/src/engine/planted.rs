//! Bugs to behave by, so that tests can show that they would find them.

use super::Engine;

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedBug {
    /// Whoever has a holder's name is taken for the holder, whatever token they present.
    TokenNotCompared,
}

impl Engine {
    /// The same, with a bug.
    #[cfg(any(test, feature = "planted"))]
    #[must_use]
    pub fn with_planted(self, bug: Option<PlantedBug>) -> Self {
        Self { planted: bug, ..self }
    }

    #[cfg(any(test, feature = "planted"))]
    pub(super) fn has(&self, bug: PlantedBug) -> bool {
        self.planted == Some(bug)
    }

    #[cfg(not(any(test, feature = "planted")))]
    #[expect(clippy::unused_self, reason = "its twin for tests needs it")]
    pub(super) fn has(&self, _bug: PlantedBug) -> bool {
        false
    }
}
