//! Small files of the policy's own.

use super::ask;

/// Where a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The policy's own directory on this board.
    Board,
    /// A directory that the operator shares between boards.
    Shared,
}

/// Why a file wasn't read or replaced.
#[derive(Debug, Clone, PartialEq)]
pub enum FileError {
    NotFound,
    /// The content is no longer the expected one.
    Changed,
    /// A name that isn't allowed, or a hook that may only read.
    Forbidden(String),
    /// More than 1 MiB.
    TooLarge,
    Failed(String),
}

/// As in the contract.
pub fn read(at: Place, name: &str) -> Result<Vec<u8>, FileError> {
    ask(|host| host.read_file(at, name))
}

/// As in the contract.
pub fn replace(
    at: Place,
    name: &str,
    content: &[u8],
    expected: Option<&[u8]>,
) -> Result<(), FileError> {
    ask(|host| host.replace_file(at, name, content, expected))
}
