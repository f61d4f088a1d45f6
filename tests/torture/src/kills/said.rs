//! [`Said`]: what a worker says once it was answered, a line each.

use std::fmt;

/// From when to when a request took, by the clock that all processes share, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// How a holder ended its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    Failed,
    /// It failed, and is to be tried again.
    Retried,
    Released,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// The worker claims by this session from now on.
    Began { session: String },
    /// The worker of this session is about to be ended; whoever ends it says so, beforehand.
    Ending { session: String },
    /// A claim with this key is about to be asked for.
    Asking { key: String },
    /// A task was claimed; `again` if the same request had claimed it before.
    Claimed { id: String, token: u64, key: Option<String>, again: bool, span: Span },
    /// A claim was ended; `again` if the same request had ended it before.
    Ended { id: String, token: u64, end: End, again: bool, span: Span },
    /// A lease was extended.
    Renewed { token: u64, span: Span },
    /// Tasks `{prefix}-0`, `{prefix}-1` and so on were added, so many.
    Added { prefix: String, count: u64, span: Span },
    /// The request came too late, as it may: somebody else has the task by now.
    Refused,
    /// The tender did something.
    Tended { what: String },
    /// Something that must not happen.
    Wrong { what: String },
}

impl End {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Completed, "completed"),
        (Self::Failed, "failed"),
        (Self::Retried, "retried"),
        (Self::Released, "released"),
    ];

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == word).map(|(end, _)| *end)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(end, _)| end == self);
        f.write_str(found.map_or("ended", |(_, name)| *name))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.began, self.ended)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |again: &bool| if *again { "again" } else { "anew" };
        match self {
            Self::Began { session } => write!(f, "began {session}"),
            Self::Ending { session } => write!(f, "ending {session}"),
            Self::Asking { key } => write!(f, "asking {key}"),
            Self::Claimed { id, token, key, again, span } => {
                let key = key.as_deref().unwrap_or("-");
                write!(f, "claimed {id} {token} {key} {} {span}", word(again))
            }
            Self::Ended { id, token, end, again, span } => {
                write!(f, "ended {id} {token} {end} {} {span}", word(again))
            }
            Self::Renewed { token, span } => write!(f, "renewed {token} {span}"),
            Self::Added { prefix, count, span } => write!(f, "added {prefix} {count} {span}"),
            Self::Refused => f.write_str("refused"),
            Self::Tended { what } => write!(f, "tended {what}"),
            Self::Wrong { what } => write!(f, "wrong {}", what.replace('\n', " ")),
        }
    }
}

impl Said {
    /// The line that `text` is.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut words = rest.split(' ');
        let mut next = || words.next();
        let number = |word: Option<&str>| word?.parse::<u64>().ok();
        let again = |word: &str| word == "again";
        Some(match word {
            "began" => Self::Began { session: rest.to_owned() },
            "ending" => Self::Ending { session: rest.to_owned() },
            "asking" => Self::Asking { key: rest.to_owned() },
            "claimed" => Self::Claimed {
                id: next()?.to_owned(),
                token: number(next())?,
                key: next().filter(|key| *key != "-").map(str::to_owned),
                again: again(next()?),
                span: Span { began: number(next())?, ended: number(next())? },
            },
            "ended" => Self::Ended {
                id: next()?.to_owned(),
                token: number(next())?,
                end: End::parse(next()?)?,
                again: again(next()?),
                span: Span { began: number(next())?, ended: number(next())? },
            },
            "renewed" => Self::Renewed {
                token: number(next())?,
                span: Span { began: number(next())?, ended: number(next())? },
            },
            "added" => Self::Added {
                prefix: next()?.to_owned(),
                count: number(next())?,
                span: Span { began: number(next())?, ended: number(next())? },
            },
            "refused" => Self::Refused,
            "tended" => Self::Tended { what: rest.to_owned() },
            "wrong" => Self::Wrong { what: rest.to_owned() },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_heard_as_it_was_said() {
        let span = Span { began: 3, ended: 5 };
        let (id, key) = ("a-1".to_owned(), Some("k 7".replace(' ', "-")));
        for said in [
            Said::Began { session: "s-1".into() },
            Said::Ending { session: "s-1".into() },
            Said::Asking { key: "k-7".into() },
            Said::Claimed { id: id.clone(), token: 9, key, again: true, span },
            Said::Claimed { id: id.clone(), token: 9, key: None, again: false, span },
            Said::Ended { id, token: 9, end: End::Retried, again: false, span },
            Said::Renewed { token: 9, span },
            Said::Added { prefix: "b".into(), count: 32, span },
            Said::Refused,
            Said::Tended { what: "compacted it".into() },
            Said::Wrong { what: "the board is damaged".into() },
        ] {
            assert_eq!(Said::parse(&said.to_string()), Some(said.clone()), "{said}");
        }
        assert_eq!(Said::parse("claimed a 9"), None);
        assert_eq!(Said::parse(""), None);
    }
}
