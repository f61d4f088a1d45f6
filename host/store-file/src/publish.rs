//! Making a generation the current one: the one place where `board.json` is replaced, for policies, compaction
//! and recovery alike.

use std::sync::Arc;

use taskhost_board::{Elsewhere, Generation, ReadError, Sequence};

use crate::board_lock::BoardGuard;
use crate::disk::{How, ReplaceError, TEMPORARY, exists, read_file, remove_if_there, replace_file};
use crate::format::{BoardFile, names};
use crate::index::Index;
use crate::options::PlantedBug;
use crate::remains::{is_temporary, not_ours};
use crate::state::{Current, Inner, failed};
use crate::words::Words;

/// A generation that is complete and synced, under names that nobody looks for yet.
pub(crate) struct Next {
    /// The format that it is written in.
    pub(crate) format: u32,
    /// Where the board is from then on, if not here.
    pub(crate) elsewhere: Option<Elsewhere>,
    pub(crate) generation: Generation,
    pub(crate) epoch: u64,
    /// The last sequence in it.
    pub(crate) through: Sequence,
    /// The snapshot's temporary name.
    pub(crate) tasks: String,
    /// The journal's.
    pub(crate) journal: String,
    pub(crate) index: Box<dyn Index>,
}

/// A generation did not become the current one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The old one still is.
    #[error("{0}")]
    Unchanged(String),
    /// It is now, but a crash may bring the old one back: it is poisoned, and the next transaction mends it.
    #[error("{0}")]
    Unknown(String),
    /// It is, and could not be opened.
    #[error(transparent)]
    Open(#[from] taskhost_board::BeginError),
}

impl Inner {
    /// Makes `next` the current generation in place of `file`'s.
    pub(crate) fn publish(
        &self,
        guard: &BoardGuard,
        file: &BoardFile,
        words: Option<Words>,
        next: Next,
    ) -> Result<Arc<Current>, PublishError> {
        let unchanged = |error: ReadError| PublishError::Unchanged(error.to_string());
        let excludes =
            || guard.still_excludes().map_err(|error| PublishError::Unchanged(error.to_string()));
        excludes()?;
        // 1. Give snapshot and journal their names, durably. A crash leaves the old generation, and litter.
        let (tasks, journal) = (names::tasks(next.generation), names::journal(next.generation));
        if let Some(place) = self.foreign(&file.board, next.generation).map_err(unchanged)? {
            return Err(unchanged(not_ours(&place)));
        }
        for (temporary, name) in [(&next.tasks, &tasks), (&next.journal, &journal)] {
            self.disk.rename(temporary, name).map_err(failed(name)).map_err(unchanged)?;
        }
        self.sync_dir(".").map_err(unchanged)?;
        let opened =
            self.disk.open(&journal, How::Append).map_err(failed(&journal)).map_err(unchanged)?;
        // 2. Tell the handles that are open. They now find that theirs isn't current and wait for the lock. If
        //    this process dies before the end, whoever has the lock next syncs the directory and goes by what
        //    `board.json` says then.
        excludes()?;
        let was = words.as_ref().map(|words| (words.generation(), words.epoch()));
        if let Some(words) = &words {
            words.begin_switch(next.generation);
        }
        // 3. Replace the pointer. A crash leaves the one generation or the other, each complete and synced up
        //    to the last entry that anybody was told of.
        let pointer = BoardFile {
            format: next.format,
            generation: next.generation,
            board: file.board.clone(),
            elsewhere: None,
        }
        .with_elsewhere(next.elsewhere);
        let replaced = self.replace_pointer(&pointer);
        if let Err(ReplaceError::Unchanged(error)) = replaced {
            if let (Some(words), Some((generation, epoch))) = (&words, was) {
                words.point(generation, epoch);
            }
            return Err(PublishError::Unchanged(failed(names::BOARD)(error).to_string()));
        }
        // 4. Say how far the new journal goes, and let the handles in. Only now is everything in it durable,
        //    whichever generation a crash would leave.
        let poisoned = replaced.is_err();
        let words = match words {
            Some(words) => {
                if poisoned {
                    words.poison(next.generation);
                }
                words.set_appended(next.through);
                if !poisoned {
                    words.raise_durable(next.through);
                }
                words.point(next.generation, next.epoch);
                words
            }
            None => self
                .make_words(&pointer, next.epoch, next.through, poisoned)
                .map_err(taskhost_board::BeginError::from)?,
        };
        if let Err(error) = replaced {
            return Err(PublishError::Unknown(format!("`{}`: {error}", names::BOARD)));
        }
        Ok(self.enter(pointer, words, next.index, next.epoch, opened)?)
    }

    fn replace_pointer(&self, pointer: &BoardFile) -> Result<(), ReplaceError> {
        if self.options.has(PlantedBug::DirectorySyncLeftOut) {
            return replace_file(&NoDirectorySync(&*self.disk), names::BOARD, &pointer.encode());
        }
        replace_file(&*self.disk, names::BOARD, &pointer.encode()).map_err(|error| match error {
            // A rename that reported an error may have happened all the same.
            ReplaceError::Unchanged(error) => match read_file(&*self.disk, names::BOARD) {
                Ok(found) if found == pointer.encode() => ReplaceError::Unknown(error),
                _ => ReplaceError::Unchanged(error),
            },
            unknown => unknown,
        })
    }

    fn sync_dir(&self, path: &str) -> Result<(), ReadError> {
        if self.options.has(PlantedBug::DirectorySyncLeftOut) {
            return Ok(());
        }
        self.disk.sync_dir(path).map_err(failed(path))
    }

    /// Moves what the current generation replaced out of the way: journals into the history, the rest away.
    /// Nobody opens these any more, so this needs no lock. With `copied`, the old journal's lines are in the
    /// history already. Whatever fails here is tried again by the next switch.
    pub(crate) fn retire(&self, current: &Current, copied: bool) {
        for name in self.disk.list(".").unwrap_or_default() {
            let journal = names::generation_in(&name, "journal-", ".jsonl");
            let _ = match (journal, other_generation(&name)) {
                (Some(of), _) if of < current.generation => self.retire_journal(&name, of, copied),
                (_, Some(of)) if of < current.generation => remove_if_there(&*self.disk, &name),
                _ => Ok(()),
            };
        }
        let _ = self.disk.sync_dir(names::HISTORY);
        let _ = self.disk.sync_dir(".");
        self.sweep_indexes(|of, _| of < current.generation);
    }

    /// Removes what switches that died have left. Only by one who holds the lock of switches as well, so that
    /// nobody is making a generation.
    pub(crate) fn sweep_litter(&self, guard: &BoardGuard, current: &Current) {
        for name in self.disk.list(".").unwrap_or_default() {
            let of = names::generation_in(&name, "journal-", ".jsonl").or(other_generation(&name));
            let is_late =
                of.is_some_and(|of| of > current.generation && self.is_litter(current, of));
            if is_late || is_temporary(&name) {
                let _ = remove_if_there(&*self.disk, &name);
            }
        }
        for name in self.disk.list("policies").unwrap_or_default() {
            if name.starts_with(TEMPORARY) {
                let _ = remove_if_there(&*self.disk, &format!("policies/{name}"));
            }
        }
        self.sweep_indexes(|of, epoch| of >= current.generation && epoch != current.epoch);
        self.sweep_locks(guard, current);
    }

    /// Whether what has names of this generation was left by a switch of this board.
    fn is_litter(&self, current: &Current, of: Generation) -> bool {
        matches!(self.foreign(&current.board, of), Ok(None))
    }

    fn retire_journal(
        &self,
        name: &str,
        generation: Generation,
        copied: bool,
    ) -> std::io::Result<()> {
        let retired = names::retired(generation);
        match exists(&*self.disk, &retired)? {
            true if copied => return self.disk.remove(name),
            // Whatever that is, it is older than this, and nobody's to overwrite.
            true => return Err(std::io::ErrorKind::AlreadyExists.into()),
            false => {}
        }
        self.disk.rename(name, &retired)
    }

    /// Removes the indexes of which `stale` says so, given their generation and epoch. A directory whose name says
    /// nothing is a stranger's.
    pub(crate) fn sweep_indexes(&self, stale: impl Fn(Generation, u64) -> bool) {
        for name in self.platform.indexes().unwrap_or_default() {
            if names::index_in(&name).is_some_and(|(of, epoch)| stale(of, epoch)) {
                // Litter is harmless.
                let _ = self.platform.remove_index(&name);
            }
        }
    }
}

/// The generation of a file that only its own generation needs.
fn other_generation(name: &str) -> Option<Generation> {
    names::generation_in(name, "tasks-", ".jsonl")
        .or_else(|| names::generation_in(name, "journal-", ".poisoned"))
}

/// A disk whose directories are never synced: a planted bug.
struct NoDirectorySync<'a>(&'a dyn crate::disk::Disk);

impl crate::disk::Disk for NoDirectorySync<'_> {
    fn open(&self, path: &str, how: How) -> std::io::Result<Arc<dyn crate::disk::DiskFile>> {
        self.0.open(path, how)
    }
    fn identity(&self, path: &str) -> std::io::Result<crate::disk::Identity> {
        self.0.identity(path)
    }
    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &str) -> std::io::Result<()> {
        self.0.remove(path)
    }
    fn list(&self, directory: &str) -> std::io::Result<Vec<String>> {
        self.0.list(directory)
    }
    fn directories(&self, directory: &str) -> std::io::Result<Vec<String>> {
        self.0.directories(directory)
    }
    fn allocated(&self, path: &str) -> std::io::Result<u64> {
        self.0.allocated(path)
    }
    fn create_dir(&self, path: &str) -> std::io::Result<()> {
        self.0.create_dir(path)
    }
    fn sync_dir(&self, _path: &str) -> std::io::Result<()> {
        Ok(())
    }
    fn random(&self) -> u64 {
        self.0.random()
    }
}
