//! The numbers of advisory locks. They are one space for a whole database, which other programs use too: so ours are
//! digests, of a board's schema, what kind of thing is locked, and its name.

use sha2::{Digest as _, Sha256};

/// The kinds of things that are locked so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The board: shared by everybody who changes it, exclusive for whoever changes its rules or its tables.
    Board,
    /// The making of a board.
    Create,
    /// A living session.
    Session,
    /// A task that is locked by hand.
    Task,
    /// What transactions that run side by side want and has no row.
    Cell,
    /// A policy's named lock.
    Policy,
    /// The turns in which large values are changed.
    Context,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Create => "create",
            Self::Session => "session",
            Self::Task => "task",
            Self::Cell => "cell",
            Self::Policy => "policy",
            Self::Context => "context",
        }
    }
}

/// The number of a lock. Every version must compute the same ones: processes of different versions exclude each other.
pub fn key(schema: &str, kind: Kind, name: &str) -> i64 {
    let mut digest = Sha256::new();
    for part in [schema, kind.word(), name] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest = digest.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_stay_what_they_are_and_parts_do_not_run_together() {
        assert_eq!(key("taskhost_main", Kind::Board, ""), 323_022_406_719_386_438);
        assert_ne!(key("a", Kind::Task, "bc"), key("ab", Kind::Task, "c"));
        assert_ne!(key("a", Kind::Task, "b"), key("a", Kind::Policy, "b"));
    }
}
