//! Recordings of decisions, and the files they are kept in.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use taskhost_board::Keeper;
use taskhost_board::recording::{
    InvalidRecording, OnKept, RECORDING_BYTES_MAX, Recorder, Recording, TooLarge,
};

/// A recording was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// It is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// There is something of that name already, which is left as it is.
    #[error("there is a file of that name already, and it is not overwritten: name another one")]
    Exists,
    /// The file can't be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A file can't be used as a recording.
#[derive(Debug, thiserror::Error)]
pub enum ReadRecordingError {
    /// It can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It isn't one, or a damaged one.
    #[error(transparent)]
    Invalid(#[from] InvalidRecording),
}

/// What hands over decisions that are to be kept, with the policies that made them as far as they are small.
pub(crate) fn recorder(store: &Arc<dyn Keeper>, on_kept: OnKept) -> Recorder {
    let store = store.clone();
    Recorder::new(Arc::new(move |kept| {
        on_kept(kept.map(|mut recording| {
            for digest in recording.policies.clone().digests() {
                // One that can't be read now is named by its digest at least.
                if let Ok(component) = store.component(digest) {
                    recording.embed(component);
                }
            }
            recording
        }));
    }))
}

/// Writes a recording to a new file, whole or not at all, that only its owner can read: it has what tasks and their
/// results have in them, secrets too.
pub fn keep_recording(path: &Path, recording: &Recording) -> Result<(), KeepError> {
    let text = recording.encode()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Made with mode 0600, and taken away again if it doesn't get its name.
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(&text)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(KeepError::Exists),
        Err(error) => Err(error.error.into()),
    }
}

/// Reads what [`keep_recording`] wrote.
pub fn read_recording(path: &Path) -> Result<Recording, ReadRecordingError> {
    let mut text = Vec::new();
    // One byte more than a recording has: what is larger isn't one.
    // Nor is a pipe, which might keep whoever opens it waiting.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it isn't a file").into());
    }
    file.take(RECORDING_BYTES_MAX as u64 + 1).read_to_end(&mut text)?;
    Ok(Recording::parse(&text)?)
}
