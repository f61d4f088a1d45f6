//! Where a board is.
//!
//! An address is whatever somebody names a board by: a directory, or a database and the board's name in it, as in
//! `postgres://ada@db.example.org/work?board=nightly`.
//!
//! Invariant: an address that is shown, in messages, traces or JSON, has no password in it.
//! [`Address::as_os_str`] alone has all of it, for processes that are to open the same board.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

/// What an address may say that is shown.
const SHOWN: [&str; 2] = ["board=", "sslmode="];
/// What is shown of what isn't.
const HIDDEN: &str = "…";

/// Where a board is. What begins like an address on the network is one, and everything else a directory.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresAddress),
}

/// The address of a board in a PostgreSQL database, as it was named. Whether it is a valid one is found out when the
/// board is opened.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PostgresAddress {
    given: String,
}

impl Address {
    /// The directory, if the board is in one.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// The address as it was named, with the password if there is one in it: for processes, not for people.
    pub fn as_os_str(&self) -> &OsStr {
        match self {
            Self::Directory(path) => path.as_os_str(),
            Self::Postgres(address) => address.given.as_ref(),
        }
    }

    /// The same wherever this process, or one that it starts, may go.
    ///
    /// # Errors
    ///
    /// If it is a directory relative to where this process is, and that isn't known.
    pub fn absolute(&self) -> std::io::Result<Self> {
        match self {
            Self::Directory(path) => std::path::absolute(path).map(Self::Directory),
            Self::Postgres(_) => Ok(self.clone()),
        }
    }

    fn of(named: &OsStr) -> Self {
        // Also one that is misspelt: it is refused when it is opened, and isn't made a directory of, with its password in the name.
        if is_on_network(named.as_encoded_bytes()) {
            // What isn't UTF-8 in it is none of a valid one.
            Self::Postgres(PostgresAddress { given: named.to_string_lossy().into_owned() })
        } else {
            Self::Directory(named.into())
        }
    }
}

impl<T: AsRef<Path> + ?Sized> From<&T> for Address {
    fn from(named: &T) -> Self {
        Self::of(named.as_ref().as_os_str())
    }
}

impl From<PathBuf> for Address {
    fn from(named: PathBuf) -> Self {
        Self::of(named.as_os_str())
    }
}

impl From<OsString> for Address {
    fn from(named: OsString) -> Self {
        Self::of(&named)
    }
}

impl From<String> for Address {
    fn from(named: String) -> Self {
        Self::of(named.as_ref())
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl PostgresAddress {
    /// All of it, with the password if there is one in it.
    pub fn as_str(&self) -> &str {
        &self.given
    }
}

impl fmt::Display for PostgresAddress {
    /// User, host, database and board: only what is known to be no secret. Of an address that no client would understand,
    /// its parts can't be told from a password that wasn't written as it should be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.given.split_once("://").unwrap_or_default();
        write!(f, "{scheme}://")?;
        let place = match rest.split_once('@') {
            Some((user, place)) => {
                let user = user.split(':').next().unwrap_or_default();
                if rest.matches('@').count() > 1 || user.contains(['/', '?', '#']) {
                    return f.write_str(HIDDEN);
                }
                write!(f, "{user}@")?;
                place
            }
            None => rest,
        };
        let (place, query) = place.split_once('?').unwrap_or((place, ""));
        f.write_str(place)?;
        let is_shown = |said: &&str| SHOWN.iter().any(|word| said.starts_with(word));
        let shown = query.split('&').filter(is_shown).enumerate();
        for (place, said) in shown {
            write!(f, "{}{said}", if place == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// Whether it begins with a scheme, as in `postgres://`.
fn is_on_network(named: &[u8]) -> bool {
    let Some(end) = named.windows(3).position(|at| at == b"://") else { return false };
    let is_of_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    named[0].is_ascii_alphabetic() && named[..end].iter().all(is_of_scheme)
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shown(named: &str) -> String {
        let address = Address::from(named);
        assert!(address.directory().is_none(), "{named}");
        assert_eq!(address.as_os_str(), named);
        let shown = address.to_string();
        assert_eq!(format!("{address:?}"), format!("`{shown}`"));
        shown
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(
            shown("postgres://ada:secret@db:5432/work?sslmode=require&board=nightly"),
            "postgres://ada@db:5432/work?sslmode=require&board=nightly"
        );
        // Of a scheme that nobody knows, which may be misspelt.
        assert_eq!(shown("postgresq://ada:secret@db/work"), "postgresq://ada@db/work");
        assert_eq!(shown("Postgres://ada:secret@db/work"), "Postgres://ada@db/work");
        assert_eq!(shown("postgresql://%2Fvar%2Frun/work"), "postgresql://%2Fvar%2Frun/work");
        assert_eq!(shown("postgres://ada@db/work?password=secret"), "postgres://ada@db/work");
        assert_eq!(shown("postgres://db:5432/work"), "postgres://db:5432/work");
        assert_eq!(shown("postgres://"), "postgres://");
        // Passwords that should have been percent-encoded.
        for named in [
            "postgres://ada:se@cret@db/work",
            "postgres://db/work?password=se@cret",
            "postgres://db/work?user=ada&password=secret@db",
        ] {
            assert_eq!(shown(named), "postgres://…", "{named}");
        }
        for named in ["postgres://ada:se/cret@db/work", "postgres://ada:se?cret@db/work"] {
            assert_eq!(shown(named), "postgres://ada@db/work", "{named}");
        }
    }

    #[test]
    fn everything_else_is_a_directory() {
        for named in
            ["", ".taskhost", "postgres", "postgres:/x", "/srv/postgres://x", "://x", "a b://x"]
        {
            assert_eq!(Address::from(named).directory(), Some(Path::new(named)), "{named}");
        }
        let here = std::env::current_dir().expect("this process is somewhere");
        let absolute = Address::from("board").absolute().expect("it can be told where");
        assert_eq!(absolute, Address::from(here.join("board")));
        let postgres = Address::from("postgres://db/work");
        assert_eq!(postgres.absolute().expect("it is the same everywhere"), postgres);
    }
}
