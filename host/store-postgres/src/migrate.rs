//! A board's tables: how they are made, and brought to what this version knows.
//!
//! Each migration is a file in `migrations/`, run once, in the board's own schema, which also keeps the list of those
//! that were run. A board whose tables are newer than the migrations known here is left alone; one whose tables are
//! older is brought up by whoever opens it, all or nothing, while nobody else changes it.
//!
//! Invariant: a session's advisory lock that is taken here is let go here, or else with the connection.

use std::time::{Duration, Instant};

use refinery::Runner;

use crate::fault::LinkError;
use crate::keys::{Kind, key};
use crate::link::{Call, Link};

mod embedded {
    //! The migrations, as they were when this was built.
    refinery::embed_migrations!("migrations");
}

/// A board's tables can't be made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    /// There is none.
    #[error("there is no board `{board}` in this database: `init` makes one")]
    NoBoard {
        /// Its name.
        board: String,
    },
    /// There is one already.
    #[error("there is a board `{board}` in this database already")]
    Exists {
        /// Its name.
        board: String,
    },
    /// A newer version has changed its tables.
    #[error(
        "the board's tables are of version {found}, and this taskhost knows those up to {known}: use a newer one"
    )]
    Newer {
        /// The newest migration that was run.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// A migration failed; nothing of it stays.
    #[error("the board's tables could not be changed: {0}")]
    Failed(String),
    /// The connection failed.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// A board, as migrations see it: its name, and its migrations.
pub struct Tables<'a> {
    schema: &'a str,
    board: &'a str,
    runner: Runner,
}

impl<'a> Tables<'a> {
    /// With the migrations that this version knows.
    pub fn new(address: &'a crate::Address) -> Self {
        Self::with(address, embedded::migrations::runner())
    }

    pub(crate) fn with(address: &'a crate::Address, runner: Runner) -> Self {
        // All of them or none: a board is never left halfway.
        let runner = runner.set_grouped(true);
        Self { schema: address.schema(), board: address.board(), runner }
    }

    /// The newest migration that is known here.
    pub fn known(&self) -> u32 {
        let versions = self.runner.get_migrations().iter().map(|migration| migration.version());
        versions.max().and_then(|version| u32::try_from(version).ok()).unwrap_or(0)
    }

    /// The newest migration that was run, if the board is there at all.
    pub fn version(&self, link: &mut Link) -> Result<Option<u32>, LinkError> {
        let newest = Call::new("SELECT max(version)::int4 FROM refinery_schema_history", &[]);
        match link.query(newest) {
            Ok(rows) => {
                let version: Option<i32> = rows.first().and_then(|row| row.get(0));
                Ok(version.and_then(|version| u32::try_from(version).ok()))
            }
            Err(LinkError::Undefined(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the board's schema and its tables. Of several who do so at once, one succeeds.
    pub fn create(&self, link: &mut Link, deadline: Instant) -> Result<(), MigrateError> {
        let lock = key(self.schema, Kind::Create, "");
        locked(link, lock, deadline, |link| {
            if self.version(link)?.is_some() {
                return Err(MigrateError::Exists { board: self.board.to_owned() });
            }
            // Its name is of letters, digits and `_`.
            link.batch(&format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema))?;
            self.run(link)
        })
    }

    /// Sees to it that the board's tables are what this version knows. Says whether they had to be changed.
    pub fn upgrade(&self, link: &mut Link, deadline: Instant) -> Result<bool, MigrateError> {
        if self.is_current(link)? {
            return Ok(false);
        }
        let lock = key(self.schema, Kind::Board, "");
        locked(link, lock, deadline, |link| {
            // Somebody else may have done it meanwhile.
            if self.is_current(link)? {
                return Ok(false);
            }
            self.run(link)?;
            Ok(true)
        })
    }

    fn is_current(&self, link: &mut Link) -> Result<bool, MigrateError> {
        let known = self.known();
        match self.version(link)? {
            None => Err(MigrateError::NoBoard { board: self.board.to_owned() }),
            Some(found) if found > known => Err(MigrateError::Newer { found, known }),
            Some(found) => Ok(found == known),
        }
    }

    fn run(&self, link: &mut Link) -> Result<(), MigrateError> {
        let result = link.with_client(async |client| self.runner.run_async(client).await)?;
        result.map(drop).map_err(|error| {
            let why = std::error::Error::source(&error).map_or_else(String::new, |source| {
                let deeper = source.source().map(|reason| format!(": {reason}"));
                format!(": {source}{}", deeper.unwrap_or_default())
            });
            MigrateError::Failed(format!("{error}{why}"))
        })
    }
}

/// Does something while the session has the lock to itself, waiting for it and for the rest until the deadline.
fn locked<T>(
    link: &mut Link,
    lock: i64,
    deadline: Instant,
    work: impl FnOnce(&mut Link) -> Result<T, MigrateError>,
) -> Result<T, MigrateError> {
    let left = deadline.saturating_duration_since(Instant::now());
    let patience = link.set_patience(left.max(Duration::from_millis(1)));
    link.query(Call::new("SELECT pg_advisory_lock($1)", &[&lock]))?;
    let result = work(link);
    let released = link.query(Call::new("SELECT pg_advisory_unlock($1)", &[&lock]));
    link.set_patience(patience);
    if released.is_err() {
        link.abandon("its lock could not be let go");
    }
    result
}
