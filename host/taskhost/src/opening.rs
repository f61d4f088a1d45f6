//! Why a board was not opened, made or taken in, whichever store keeps it.

use taskhost_board::transfer::TransferError;
use taskhost_board::{BeginError, Digest, ReadError};
use taskhost_store_file as files;
use taskhost_store_postgres as postgres;

use crate::Address;

/// A board was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such board.
    #[error("there is no board at `{board}`; {}", how_to_make(board))]
    NoBoard {
        /// Where it was looked for.
        board: Address,
    },
    /// What keeps this board can't do what was asked for.
    #[error("`{board}`: {why}")]
    Unsupported {
        /// The board.
        board: Address,
        /// What can't be done, and what to do instead.
        why: &'static str,
    },
    /// The directory can't be used.
    #[error(transparent)]
    Directory(files::OpenError),
    /// It isn't the address of a board in PostgreSQL.
    #[error(transparent)]
    Address(#[from] postgres::AddressError),
    /// The board is there and can't be used.
    #[error(transparent)]
    Begin(#[from] BeginError),
}

impl OpenError {
    /// Why the board at `address` was not opened.
    pub(crate) fn of_postgres(error: postgres::OpenError, address: &Address) -> Self {
        use postgres::{MigrateError, OpenError};
        match error {
            OpenError::Begin(error) => Self::Begin(error),
            OpenError::Tables(MigrateError::NoBoard { .. }) => {
                Self::NoBoard { board: address.clone() }
            }
            OpenError::Tables(MigrateError::Newer { found, known }) => {
                Self::Begin(BeginError::Newer { found, known })
            }
            OpenError::Tables(MigrateError::Link(error))
                if error.is_unreachable() || error.is_lost() =>
            {
                Self::Begin(ReadError::Unreachable(error.to_string()).into())
            }
            OpenError::Tables(other) => Self::Begin(ReadError::Failed(other.to_string()).into()),
        }
    }
}

impl From<files::OpenError> for OpenError {
    fn from(error: files::OpenError) -> Self {
        match error {
            files::OpenError::NoBoard { path } => Self::NoBoard { board: path.into() },
            files::OpenError::Begin(error) => Self::Begin(error),
            other => Self::Directory(other),
        }
    }
}

/// A board was not made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is one already.
    #[error("there is a board here already; nothing was changed")]
    Exists,
    /// A policy was pinned without its component.
    #[error("the component of policy `{0}` is missing")]
    MissingComponent(Digest),
    /// It can't be made there.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<files::InitError> for InitError {
    fn from(error: files::InitError) -> Self {
        match error {
            files::InitError::Exists => Self::Exists,
            files::InitError::MissingComponent(digest) => Self::MissingComponent(digest),
            files::InitError::Open(error) => Self::Open(error.into()),
        }
    }
}

impl InitError {
    /// Why the board at `address` was not made.
    pub(crate) fn of_postgres(error: postgres::OpenError, address: &Address) -> Self {
        match error {
            postgres::OpenError::Tables(postgres::MigrateError::Exists { .. }) => Self::Exists,
            other => Self::Open(OpenError::of_postgres(other, address)),
        }
    }
}

/// A board was not imported; where it was to be, there is none, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// What is imported isn't a whole board.
    #[error(transparent)]
    Line(#[from] TransferError),
    /// It can't be made there.
    #[error(transparent)]
    Init(#[from] InitError),
    /// Nobody knows whether it was made; the text says why.
    #[error("{0}")]
    Unknown(String),
    /// It was made.
    #[error("the board was imported and is there, but it can't be opened just now: {0}")]
    Unopened(#[source] OpenError),
}

impl ImportError {
    /// Why no board was made at `address`.
    pub(crate) fn of_postgres(error: postgres::ImportError, address: &Address) -> Self {
        match error {
            postgres::ImportError::Line(error) => Self::Line(error),
            unknown @ postgres::ImportError::Unknown(_) => Self::Unknown(unknown.to_string()),
            postgres::ImportError::Unopened(error) => {
                Self::Unopened(OpenError::of_postgres(error, address))
            }
            postgres::ImportError::Open(error) => {
                Self::Init(InitError::of_postgres(error, address))
            }
        }
    }
}

impl From<files::ImportError> for ImportError {
    fn from(error: files::ImportError) -> Self {
        match error {
            files::ImportError::Line(error) => Self::Line(error),
            files::ImportError::Init(error) => Self::Init(error.into()),
        }
    }
}

/// What to do where there is no board.
fn how_to_make(board: &Address) -> String {
    match board {
        Address::Directory(_) => "run `taskhost init`".into(),
        Address::Postgres(_) => format!("`taskhost --board '{board}' init` makes one"),
    }
}
