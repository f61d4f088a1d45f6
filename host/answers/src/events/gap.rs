//! What of the history isn't there any more: whoever asks for it is told so, instead of taking the rest for all.

use std::fmt;

use serde::Serialize;
use taskhost::Sequence;

/// The transactions from one sequence to another aren't kept any more, or were lost to damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Gap {
    event: &'static str,
    from: u64,
    to: u64,
}

impl Gap {
    /// What is missing after `past` if `begins` is the first that is there.
    pub fn between(past: Sequence, begins: Sequence) -> Option<Self> {
        let from = past.next();
        (begins > from).then_some(Self { event: "gap", from: from.0, to: begins.0 - 1 })
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from <= 1 {
            let begins = self.to.saturating_add(1);
            return write!(
                f,
                "the history begins with entry {begins}: what came before isn't kept"
            );
        }
        if self.from == self.to {
            return write!(f, "entry {} isn't kept in the history any more", self.from);
        }
        write!(f, "entries {} to {} aren't kept in the history any more", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gap_is_what_lies_between() {
        let gap = |past, begins| Gap::between(Sequence(past), Sequence(begins));
        assert_eq!(gap(0, 1), None);
        assert_eq!(gap(4, 5), None);
        // Whoever begins with the future misses nothing.
        assert_eq!(gap(9, 1), None);
        let first = gap(0, 5).unwrap();
        assert_eq!(
            first.to_string(),
            "the history begins with entry 5: what came before isn't kept"
        );
        let later = gap(2, 5).unwrap();
        assert_eq!(later.to_string(), "entries 3 to 4 aren't kept in the history any more");
        let one = gap(3, 5).unwrap();
        assert_eq!(one.to_string(), "entry 4 isn't kept in the history any more");
        assert_eq!(serde_json::to_string(&later).unwrap(), r#"{"event":"gap","from":3,"to":4}"#);
    }
}
