//! The directory that policies of several boards share, and its consent.
//!
//! Which directory it is stands among the board's settings, so whoever hands somebody a board chooses it; and what a
//! policy reads and replaces there, it does with the rights of whoever runs it. So the setting alone opens nothing: the
//! directory itself says which boards it is shared with, by a file `.shared-with-<board id>` for each. It is made when
//! the operator sets the directory, who must be able to write there, and taking it away ends the sharing.
//!
//! Invariant: no policy reaches a file of a directory that doesn't name its board.

use std::io;
use std::sync::Arc;

use taskhost_board::FileFailure;

use crate::disk::{Disk, has_file, replace_file};
use crate::state::Inner;

/// What stands in the file, for people; nothing depends on it.
const CONTENT: &[u8] =
    b"The policies of the board with this id may read and replace the files of this directory.\n";

/// The name of the file that shares a directory with this board; a policy's own names don't begin with a dot.
fn consent(board: &str) -> io::Result<String> {
    // The id stands in a file that anybody may have written.
    let is_plain =
        (1..=64).contains(&board.len()) && board.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain {
        Ok(format!(".shared-with-{board}"))
    } else {
        Err(io::Error::other("the board's id is not up to 64 letters and digits"))
    }
}

impl Inner {
    /// Shares a directory with this board, durably.
    pub(crate) fn share(&self, directory: &str, board: &str) -> io::Result<()> {
        let disk = self.platform.shared_place(directory)?;
        Ok(replace_file(&*disk, &consent(board)?, CONTENT)?)
    }

    /// The shared directory at `path`, if it is shared with this board.
    pub(crate) fn shared_place(
        &self,
        path: &str,
        board: &str,
    ) -> Result<Arc<dyn Disk>, FileFailure> {
        let unusable = |error: io::Error| {
            FileFailure::Failed(format!("the shared directory `{path}` can't be opened: {error}"))
        };
        let disk = self.platform.shared_place(path).map_err(unusable)?;
        let name = consent(board).map_err(unusable)?;
        if has_file(&*disk, &name).map_err(unusable)? {
            return Ok(disk);
        }
        Err(FileFailure::Forbidden(format!(
            "the directory `{path}` is not shared with this board: it has no file `{name}`, which setting \
             `shared_files` makes if whoever sets it may write there"
        )))
    }
}
