//! Names and numbers that must not be mixed up, each a type of its own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A text that isn't a name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: {rule}")]
pub struct InvalidName {
    what: &'static str,
    text: String,
    rule: &'static str,
}

/// The longest name of any kind, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// The name of a task: `[A-Za-z0-9][A-Za-z0-9._:-]{0,127}`, so that it is safe in a file name and a shell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(Box<str>);

impl TaskId {
    /// Checks `text` against the rule for ids.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
        let text = text.into();
        let ok = text.len() <= NAME_BYTES_MAX
            && text.bytes().enumerate().all(|(i, b)| {
                b.is_ascii_alphanumeric() || (i > 0 && matches!(b, b'.' | b'_' | b':' | b'-'))
            })
            && !text.is_empty();
        if ok {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName {
                what: "task id",
                text,
                rule: "an id is a letter or digit, then up to 127 letters, digits, `.`, `_`, `:` or `-`",
            })
        }
    }

    /// Makes the id `type_` followed by eight hex digits, as tasks without a given id get: five for the task's place in the
    /// order of creation, so that those of one age stand together, on few pages of an index; and three by chance, so that
    /// the id of one board's task is hardly ever that of another's.
    pub fn made(task_type: &Name, born: u64, random: u32) -> Self {
        const RANDOM_BITS: u32 = 12;
        let age = (born as u32) << RANDOM_BITS;
        let digits = age | (random & ((1 << RANDOM_BITS) - 1));
        let stem: String = task_type
            .as_str()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._:-".contains(c) { c } else { '-' })
            .take(NAME_BYTES_MAX - 9)
            .collect();
        let stem = stem.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let stem = if stem.is_empty() { "task" } else { stem };
        Self(format!("{stem}_{digits:08x}").into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a type, label, capability or agent: 1 to 128 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Box<str>);

impl Name {
    /// Checks `text` against the rule for names.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
        let text = text.into();
        let ok = !text.is_empty()
            && text.len() <= NAME_BYTES_MAX
            && !text.chars().any(char::is_control)
            && text.trim() == text;
        if ok {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName {
                what: "name",
                text,
                rule: "a name has 1 to 128 bytes, no control characters, and no space at its ends",
            })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names one running agent. Two agents of one name have two sessions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(TaskId);

impl SessionId {
    /// Checks `text` against the rule for ids: a session names a file too.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
        TaskId::new(text).map(Self).map_err(|e| InvalidName { what: "session id", ..e })
    }

    /// The session as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

macro_rules! text_type {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
    };
}
text_type!(TaskId);
text_type!(Name);
text_type!(SessionId);

/// The highest number of a token, an entry, a generation or a task that is read: no board comes as far, readers of JSON
/// keep numbers to 53 bits, and up to here none can overflow.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// A number that nothing on a board can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is higher than any number on a board")]
pub struct NumberTooHigh(u64);

fn expect_number(number: u64) -> Result<u64, NumberTooHigh> {
    if number <= NUMBER_MAX { Ok(number) } else { Err(NumberTooHigh(number)) }
}

/// Reads a place in the order of creation, which is bounded as all numbers are.
pub fn read_born<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    expect_number(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(try_from = "u64")]
        pub struct $name(pub u64);

        impl TryFrom<u64> for $name {
            type Error = NumberTooHigh;
            fn try_from(number: u64) -> Result<Self, NumberTooHigh> {
                expect_number(number).map(Self)
            }
        }

        impl $name {
            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
number_type!(
    /// The fencing token of a claim: grows with every claim on the board, never reused.
    Token
);
number_type!(
    /// The number of a committed entry: 1 for the first, without gaps, across generations.
    Sequence
);
number_type!(
    /// The number of a journal and its snapshot; every switch (compaction, policy, repair) starts the next.
    Generation
);

impl FromStr for Token {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The SHA-256 of a policy component, which is its name on a board.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of what `hash` has taken in.
    pub(crate) fn from_hash(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }

    /// The first 16 hex digits: enough to tell a board's policies apart.
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName {
            what: "digest",
            text: text.to_owned(),
            rule: "a digest is 64 hex digits",
        };
        if text.len() != 64 || !text.is_ascii() {
            return Err(invalid());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| invalid())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// Whose memory a remembered value belongs to: the board's two policies have separate ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// The policy that the board's owner set.
    Custom,
    /// The standard policy.
    Standard,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_made_have_eight_digits_and_stand_in_the_order_of_creation() {
        let build = Name::new("build").expect("is a name");
        let made = |born, random| TaskId::made(&build, born, random);
        assert_eq!(made(0x2a, 0xffff_f123).as_str(), "build_0002a123");
        assert!(made(1, u32::MAX) < made(2, 0) && made(0xfffff, u32::MAX) > made(0xffffe, 0));
        // Beyond a million it begins again, among those that have been there for long.
        assert_eq!(made(0x0010_0001, 0), made(1, 0));
    }

    /// A digit too many in a damaged line gave a repair a number from which it could not count on: it ended in a panic,
    /// or with numbers that begin again at nothing.
    #[test]
    fn numbers_that_could_overflow_are_not_read() {
        let read = |text: &str| serde_json::from_str::<Token>(text);
        assert_eq!(read("9007199254740991").ok(), Some(Token(NUMBER_MAX)));
        for text in ["9007199254740992", "18446744073709551615"] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains("higher than any number on a board"), "{error}");
        }
        assert_eq!(serde_json::to_string(&Token(7)).ok().as_deref(), Some("7"));
    }
}
