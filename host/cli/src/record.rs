//! Whether decisions that fail or are refused are recorded, and where.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use taskhost::KeepError;
use taskhost::recording::OnKept;

use crate::context::shell_word;
use crate::exit::Usage;
use crate::output::{Output, note};

/// Names the file where no flag does.
const VARIABLE: &str = "TASKHOST_RECORD";

/// The file that a recording is to be kept in, and who named it.
#[derive(Debug)]
pub enum Record {
    /// The command line of this one command: a file that is there already was meant for something else.
    Flag(PathBuf),
    /// The environment of many commands: whichever has something to keep first keeps it.
    Environment(PathBuf),
}

impl Record {
    /// What is asked for; nothing where the environment names a file that is there, because another command has kept
    /// something in it.
    pub fn asked_for(flag: Option<PathBuf>) -> Option<Self> {
        let variable = || {
            let file = std::env::var_os(VARIABLE).filter(|file| !file.is_empty())?;
            Some(PathBuf::from(file)).filter(|file| file.symlink_metadata().is_err())
        };
        flag.map(Self::Flag).or_else(|| variable().map(Self::Environment))
    }

    fn file(&self) -> &Path {
        match self {
            Self::Flag(file) | Self::Environment(file) => file,
        }
    }

    /// Refuses a file that can't be a new one.
    pub fn check(&self) -> Result<()> {
        let file = self.file();
        let wrong = |why: &str| Usage(format!("`{}` can't be recorded to: {why}", file.display()));
        if matches!(self, Self::Flag(_)) && file.symlink_metadata().is_ok() {
            return Err(
                wrong("it is there already, and isn't overwritten: name another file").into()
            );
        }
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(wrong("its directory isn't there: make it first").into());
        }
        Ok(())
    }

    /// Keeps what it is given, and says so; `taskhost` is how to call it.
    pub fn keeping(&self, output: Output, taskhost: String) -> OnKept {
        let file = self.file().to_path_buf();
        let is_shared = matches!(self, Self::Environment(_));
        Arc::new(move |recording| {
            let kept = recording
                .map_err(KeepError::from)
                .and_then(|recording| taskhost::keep_recording(&file, &recording));
            let name = file.display();
            match kept {
                Ok(()) => output.hint(&format!(
                    "taskhost: what the policy decided on is kept in `{name}`: \
                     `{taskhost} policy replay {}` decides it again",
                    shell_word(&file.to_string_lossy()),
                )),
                // Another command was first.
                Err(KeepError::Exists) if is_shared => {}
                Err(error) => {
                    note(&format!("taskhost: the decision is not kept in `{name}`: {error}"));
                }
            }
        })
    }
}
