//! [`Elsewhere`]: that a board isn't to be worked on here, because it is at another address.
//!
//! A board that is taken elsewhere is at two places for a while. In the order in which this is said of the two, at most one
//! of them is worked on at any instant, whatever ends the move: the new one is made as [`Elsewhere::ArrivingFrom`] the old
//! one; the old one becomes [`Elsewhere::MovedTo`] the new one; and only then the new one is a board like any other.

use serde::{Deserialize, Serialize};

use crate::ReadError;

/// Where a board is instead of here, by an address that has no password in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Elsewhere {
    /// It was moved there.
    MovedTo(String),
    /// It is on its way here from there, and not worked on here before it has left.
    ArrivingFrom(String),
}

impl Elsewhere {
    /// What whoever would change it here is told.
    pub fn refusal(&self) -> ReadError {
        match self.clone() {
            Self::MovedTo(to) => ReadError::Moved { to },
            Self::ArrivingFrom(from) => ReadError::Arriving { from },
        }
    }
}

/// Which board is about to come to a place where it isn't, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// The board's id.
    pub board: String,
    /// Where it comes from, by an address that has no password in it.
    pub from: String,
}

impl Coming {
    /// What is said of the board as long as it hasn't arrived.
    pub fn elsewhere(&self) -> Elsewhere {
        Elsewhere::ArrivingFrom(self.from.clone())
    }

    /// Whether a board of which this is said was left by an earlier try of the same: nobody has worked on it, and it is made
    /// anew.
    pub fn is_left_by(&self, board: &str, elsewhere: Option<&Elsewhere>) -> bool {
        self.board == board && elsewhere == Some(&self.elsewhere())
    }
}
