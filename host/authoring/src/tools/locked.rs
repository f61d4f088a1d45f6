//! Packages that a lock file fixes, all of them, each with its version and digest.

use super::cache::Tool;
use crate::digest::Digest;

/// How much of the lock's digest is in the name of the packages' directory.
const DIGITS: usize = 12;

/// Packages to install, and what people are told about them.
pub struct Locked<'a> {
    pub(super) shown: &'a str,
    size: &'a str,
    /// The lock file's content.
    pub(super) lock: &'a str,
    directory: String,
}

impl<'a> Locked<'a> {
    /// The packages of a lock file: how their directory's name begins, what people call them, how much room they take as
    /// people say it, and the file's content.
    #[must_use]
    pub fn new(name: &'a str, shown: &'a str, size: &'a str, lock: &'a str) -> Self {
        let mut digest = Digest::default();
        digest.add(lock.as_bytes());
        // Another lock is another directory, so that what an earlier one installed isn't taken for it.
        let directory = format!("{name}-{}", &digest.hex()[..DIGITS]);
        Self { shown, size, lock, directory }
    }

    pub(super) fn tool(&self) -> Tool<'_> {
        Tool { directory: &self.directory, shown: self.shown, size: self.size, otherwise: "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_lock_is_another_directory() {
        let directory = |lock| Locked::new("clients", "clients", "1 KB", lock).directory;
        assert_eq!(directory("a==1"), directory("a==1"));
        assert_ne!(directory("a==1"), directory("a==2"));
        assert!(directory("a==1").starts_with("clients-"));
    }
}
