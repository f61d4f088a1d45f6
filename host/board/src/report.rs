//! What an examination of a board finds.

use std::fmt;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Not as it should be; nothing is lost.
    Warning,
    /// Something that was kept is lost or wrong.
    Damage,
}

/// Something that the doctor found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file or table, or the part of the board.
    pub place: String,
    /// What is the matter.
    pub what: String,
    /// What to do about it.
    pub next: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}; {}", self.place, self.what, self.next)
    }
}

/// What the doctor found, the worst first.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Every finding.
    pub findings: Vec<Finding>,
    /// How many tasks the board has, if it could be read.
    pub tasks: Option<u64>,
    /// How many entries its history has, if they could be read.
    pub entries: Option<u64>,
}

impl Report {
    /// Whether nothing is wrong; notes are fine.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Note)
    }

    /// Adds a finding.
    pub fn add(&mut self, severity: Severity, place: &str, what: impl fmt::Display, next: &str) {
        let (place, what, next) = (place.to_owned(), what.to_string(), next.to_owned());
        self.findings.push(Finding { severity, place, what, next });
    }

    /// The findings in their order: the worst first.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self
    }
}
