//! `files`: reading, and replacing at once, what the store keeps for the policy.

use taskhost_board::{FILE_BYTES_MAX, FileFailure, Place as BoardPlace};

use crate::bindings::taskhost::policy::files::{FileError, Host, Place};
use crate::state::State;

impl Host for State {
    fn read(&mut self, at: Place, name: String) -> wasmtime::Result<Result<Vec<u8>, FileError>> {
        self.call("files.read")?;
        self.charge(name.len())?;
        let content = match checked(&name) {
            Ok(()) => self.powers.read(place(at), &name, self.time_left()).map_err(file_error),
            Err(error) => Err(error),
        };
        self.charge(content.as_ref().map_or(0, Vec::len))?;
        Ok(content)
    }

    fn replace(
        &mut self,
        at: Place,
        name: String,
        content: Vec<u8>,
        expected: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<(), FileError>> {
        self.charge(name.len() + content.len() + expected.as_ref().map_or(0, Vec::len))?;
        if let Err(why) = self.call("files.replace")?.acts_at_once() {
            return Ok(Err(FileError::Forbidden(why.into())));
        }
        if let Err(error) = checked(&name) {
            return Ok(Err(error));
        }
        if content.len() > FILE_BYTES_MAX {
            return Ok(Err(FileError::TooLarge));
        }
        let left = self.time_left();
        let replaced = self.powers.replace(place(at), &name, &content, expected.as_deref(), left);
        Ok(replaced.map_err(file_error))
    }
}

/// The store checks names too; but no name that could lead out of a directory gets as far as that.
fn checked(name: &str) -> Result<(), FileError> {
    let ok = (1..=128).contains(&name.len())
        && name.bytes().enumerate().all(|(i, byte)| {
            byte.is_ascii_alphanumeric() || (i > 0 && matches!(byte, b'.' | b'_' | b'-'))
        });
    if ok {
        Ok(())
    } else {
        Err(FileError::Forbidden("a file's name is `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`".into()))
    }
}

fn place(at: Place) -> BoardPlace {
    match at {
        Place::Board => BoardPlace::Board,
        Place::Shared => BoardPlace::Shared,
    }
}

fn file_error(failure: FileFailure) -> FileError {
    match failure {
        FileFailure::NotFound => FileError::NotFound,
        FileFailure::Changed => FileError::Changed,
        FileFailure::Forbidden(text) => FileError::Forbidden(text),
        FileFailure::TooLarge => FileError::TooLarge,
        FileFailure::Failed(text) => FileError::Failed(text),
    }
}
