//! What can go wrong between a caller and a board.

use taskhost_board::{
    BeginError, CommitError, ContextFailure, ExportError, InvalidName, ReadError,
};
use taskhost_policy::RuntimeError;

use crate::{ImportError, InitError, MigrateError, OpenError};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A command was not carried out.
    #[error(transparent)]
    Board(#[from] taskhost_board::Error),
    /// The board could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The board could not be made.
    #[error(transparent)]
    Init(#[from] InitError),
    /// Policies can't be run here.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A large value could not be read or changed.
    #[error(transparent)]
    Context(#[from] ContextFailure),
    /// The board was not exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A board was not imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The board was not moved.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The files of another system were not read or written.
    #[error(transparent)]
    Format(#[from] taskhost_formats::Error),
    /// A name isn't one.
    #[error(transparent)]
    Name(InvalidName),
}

impl Error {
    pub(crate) fn name(error: InvalidName) -> Self {
        Self::Name(error)
    }
}

macro_rules! from_board {
    ($($error:ty),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Board(error.into())
            }
        })*
    };
}
from_board!(BeginError, CommitError, ReadError);
