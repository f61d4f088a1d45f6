//! What goes wrong on a connection, by what one may do about it.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// A connection's last use failed. Each says what the server said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The connection is gone, or its answer didn't come in time: what was sent may have happened or not.
    #[error("the connection to the server was lost: {0}")]
    Lost(String),
    /// The server isn't reached, is starting up, or stops: nothing was sent, and later it may be.
    #[error("the server can't be reached: {0}")]
    Unreachable(String),
    /// Another transaction came in between, or two waited for each other: the same may succeed now.
    #[error("another transaction came in between: {0}")]
    Serialization(String),
    /// Somebody else holds a lock that wasn't to be waited for.
    #[error("somebody else holds a lock: {0}")]
    NotAvailable(String),
    /// There is such a row already.
    #[error("{message}")]
    Unique {
        /// The constraint that says so.
        constraint: String,
        /// In words.
        message: String,
    },
    /// There is no such table, schema or database.
    #[error("{0}")]
    Undefined(String),
    /// A row isn't as a constraint wants it.
    #[error("{message}")]
    Check {
        /// The constraint.
        constraint: String,
        /// In words.
        message: String,
    },
    /// The server knows this user not, or lets them not.
    #[error("the server refuses: {0}")]
    Denied(String),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl LinkError {
    /// Whether another connection may do better, without anything having happened on this one.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Whether it is unknown what happened.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    /// While a statement ran.
    pub(crate) fn of(error: &Error) -> Self {
        match error.as_db_error() {
            Some(db) => Self::of_server(db),
            None if error.is_closed() => Self::Lost("the server closed it".into()),
            None => match io_error(error) {
                Some(io) => Self::Lost(io.to_string()),
                None => Self::Other(words(error)),
            },
        }
    }

    /// While a connection was made: nothing was lost by it.
    pub(crate) fn of_connecting(error: &Error) -> Self {
        match Self::of(error) {
            Self::Lost(reason) => Self::Unreachable(reason),
            other => other,
        }
    }

    fn of_server(db: &DbError) -> Self {
        let message = server_words(db);
        let constraint = || db.constraint().unwrap_or_default().to_owned();
        let code = db.code();
        match code.code() {
            "40001" | "40P01" => Self::Serialization(message),
            "55P03" => Self::NotAvailable(message),
            "23505" => Self::Unique { constraint: constraint(), message },
            "3D000" => Self::Undefined(format!(
                "{message}: make it with `createdb`, or name another one in the board's address"
            )),
            "42P01" | "3F000" | "42704" | "42883" | "42703" => Self::Undefined(message),
            "42501" => Self::Denied(format!("{message}: whoever owns it may grant that")),
            // Starting up or shutting down, and as many connections as there may be.
            "57P03" => Self::Unreachable(message),
            "53300" => Self::Unreachable(format!(
                "{message}: it has as many clients as it takes; say a smaller `pool=` in the board's address, or raise its \
                 `max_connections`"
            )),
            _ if code.code().starts_with("23") => Self::Check { constraint: constraint(), message },
            _ if code.code().starts_with("28") => Self::Denied(message),
            _ if has_ended(db) => Self::Lost(message),
            _ => Self::Other(message),
        }
    }
}

/// Whether what was prepared no longer fits the tables, which a migration changed.
pub(crate) fn is_outdated(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        *code == SqlState::FEATURE_NOT_SUPPORTED || *code == SqlState::INVALID_SQL_STATEMENT_NAME
    })
}

/// Whether the server has ended the connection with this.
fn has_ended(db: &DbError) -> bool {
    let severity = db.parsed_severity();
    matches!(severity, Some(Severity::Fatal | Severity::Panic))
        || db.code().code().starts_with("57P0")
}

fn io_error(error: &Error) -> Option<&io::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

/// The server's message, its detail and its hint.
fn server_words(db: &DbError) -> String {
    let mut words = db.message().to_owned();
    for more in [db.detail(), db.hint()].into_iter().flatten() {
        words.push_str(": ");
        words.push_str(more.trim_end_matches('.'));
    }
    words
}

fn words(error: &Error) -> String {
    match error.source() {
        Some(source) if source.to_string() == "password missing" => {
            "the server wants a password: set `PGPASSWORD`, or write `user:password@` into the address".into()
        }
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
