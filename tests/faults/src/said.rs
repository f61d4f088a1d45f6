//! What workers say they were told: a line each.

use std::fmt;

/// What a worker was told, or is about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It lives.
    Began {
        /// Its session.
        session: String,
    },
    /// It asks for work.
    Asking {
        /// The key.
        key: String,
    },
    /// It was given a task.
    Claimed {
        /// By a request with this key.
        key: String,
        /// The task.
        id: String,
        /// The claim's token.
        token: u64,
    },
    /// It was told that its task is completed.
    Completed {
        /// The task.
        id: String,
        /// The claim's token.
        token: u64,
    },
    /// It was told that it has handed its task back.
    Released {
        /// The task.
        id: String,
        /// The claim's token.
        token: u64,
    },
    /// It came too late for a task that it had.
    Refused {
        /// The task.
        id: String,
        /// The claim's token.
        token: u64,
    },
    /// Tasks were added.
    Added {
        /// How their ids begin.
        prefix: String,
        /// How many.
        count: u64,
    },
    /// A request had no answer and is repeated.
    Again {
        /// Why.
        why: String,
    },
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began { session } => write!(f, "began {session}"),
            Self::Asking { key } => write!(f, "asking {key}"),
            Self::Claimed { key, id, token } => write!(f, "claimed {key} {id} {token}"),
            Self::Completed { id, token } => write!(f, "completed {id} {token}"),
            Self::Released { id, token } => write!(f, "released {id} {token}"),
            Self::Refused { id, token } => write!(f, "refused {id} {token}"),
            Self::Added { prefix, count } => write!(f, "added {prefix} {count}"),
            Self::Again { why } => write!(f, "again {}", why.replace('\n', " ")),
        }
    }
}

impl Said {
    /// Reads what `Display` writes; `None` if it is a part only, because whoever wrote it was killed.
    pub fn parse(line: &str) -> Option<Self> {
        let (what, rest) = line.split_once(' ')?;
        let words: Vec<&str> = rest.split(' ').collect();
        let text = |n: usize| words.get(n).map(|&word| word.to_owned());
        let number = |n: usize| words.get(n).and_then(|word| word.parse().ok());
        Some(match what {
            "began" => Self::Began { session: text(0)? },
            "asking" => Self::Asking { key: text(0)? },
            "claimed" => Self::Claimed { key: text(0)?, id: text(1)?, token: number(2)? },
            "completed" => Self::Completed { id: text(0)?, token: number(1)? },
            "released" => Self::Released { id: text(0)?, token: number(1)? },
            "refused" => Self::Refused { id: text(0)?, token: number(1)? },
            "added" => Self::Added { prefix: text(0)?, count: number(1)? },
            "again" => Self::Again { why: rest.to_owned() },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let id = || "t-1".to_owned();
        for said in [
            Said::Began { session: "s".into() },
            Said::Asking { key: "k".into() },
            Said::Claimed { key: "k".into(), id: id(), token: 7 },
            Said::Completed { id: id(), token: 7 },
            Said::Released { id: id(), token: 7 },
            Said::Refused { id: id(), token: 7 },
            Said::Added { prefix: "p".into(), count: 3 },
            Said::Again { why: "it was lost".into() },
        ] {
            assert_eq!(Said::parse(&said.to_string()), Some(said));
        }
        assert_eq!(Said::parse("completed t-1"), None);
        assert_eq!(Said::parse("whatever t-1 7"), None);
    }
}
