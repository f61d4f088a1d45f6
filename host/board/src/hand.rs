//! Locks that people and programs take by hand, and how what runs inside them knows.
//!
//! `taskhost lock` names the locks that it holds in the environment variable `TASKHOST_LOCKS`, from outermost to
//! innermost, parted by commas: `board=7@fe00:1311/0a1b,task:T1=8@fe00:1312/0a1b`. What an entry says after its `=` is up
//! to the store whose lock it is, which never believes it unseen. Boards of several stores may be locked around one
//! process, so each store leaves out what it doesn't know.

use std::io;
use std::process::Command;

/// The environment variable that names inherited locks.
pub const LOCKS_VARIABLE: &str = "TASKHOST_LOCKS";

/// A lock that is held for a command. Dropping it lets it go, unless it was passed on: then it ends once every process
/// that was given a copy of it has ended.
pub trait HandLock: Send + Sync {
    /// What the environment variable [`LOCKS_VARIABLE`] must say for those who run inside. It also names the locks that
    /// this process has inherited itself.
    fn marker(&self) -> String;

    /// Lets `command`, and everything else that this process starts from now on, inherit the lock, and tells it so.
    fn pass_on(&self, command: &mut Command) -> io::Result<()>;

    /// Whether it is held still: a lock of a server is lost with the connection that has it.
    fn is_held(&self) -> bool {
        true
    }
}

/// The locks that whoever started this process holds for it, as the environment names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InheritedLocks {
    entries: Vec<String>,
}

impl InheritedLocks {
    /// What this process's environment says. To be called once, by a program at its start.
    pub fn from_env() -> Self {
        std::env::var(LOCKS_VARIABLE).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// The same of a variable's value.
    pub fn parse(text: &str) -> Self {
        let entries = text.split(',').filter(|entry| !entry.is_empty());
        Self { entries: entries.map(str::to_owned).collect() }
    }

    /// What it says of each lock, from outermost to innermost.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(String::as_str)
    }

    /// The variable's value for what runs inside one more lock.
    pub fn marker_with(&self, inner: &str) -> String {
        let all: Vec<&str> = self.entries().chain([inner]).collect();
        all.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_that_a_store_does_not_know_are_named_to_those_inside_all_the_same() {
        let outer = InheritedLocks::parse("board=elsewhere,,task:a=8@1:2");
        assert_eq!(outer.entries().collect::<Vec<_>>(), ["board=elsewhere", "task:a=8@1:2"]);
        let marker = outer.marker_with("board=7@1:3");
        assert_eq!(marker, "board=elsewhere,task:a=8@1:2,board=7@1:3");
        assert_eq!(InheritedLocks::parse(&marker).entries().count(), 3);
        assert_eq!(InheritedLocks::default().marker_with("board=7@1:3"), "board=7@1:3");
        assert_eq!(InheritedLocks::parse(""), InheritedLocks::default());
    }
}
