//! What a directory holds of a board, or of strangers, where a board's own files should be.
//!
//! - [`remains`]: what says that a board was here, although `board.json` is missing.
//! - [`Inner::foreign`]: a file that isn't this board's, under a name that the next generation wants.
//! - [`Inner::complete`]: puts back what backups and git leave out because it is empty.
//!
//! Invariant: only an empty first generation is taken for a making that was cut short. Everything else could be
//! what somebody was told is safe.

use std::io;

use serde::Deserialize;
use taskhost_board::{Generation, ReadError};

use crate::disk::{Disk, How, TEMPORARY, exists, read_file};
use crate::format::names;
use crate::format::snapshot::SEE_DOCTOR;
use crate::journal::Lines;
use crate::state::{Inner, failed, failed_to_write};

/// A file that a making of a board that was cut short can't have left.
pub(crate) fn remains(disk: &dyn Disk) -> io::Result<Option<String>> {
    // An import was cut short before it had made a board. Whoever opens a board removes the mark, so it says nothing
    // of one that was used.
    if exists(disk, names::IMPORTING)? {
        return Ok(None);
    }
    for name in disk.list(".")? {
        let journal = names::generation_in(&name, "journal-", ".jsonl");
        let tasks = names::generation_in(&name, "tasks-", ".jsonl");
        let is_late = journal.or(tasks).is_some_and(|of| of > Generation(1));
        if is_late
            || (journal.is_some() && !is_empty(disk, &name)?)
            || (tasks.is_some() && !is_cut_short(&read_file(disk, &name)?))
        {
            return found_before_board_file(disk, name);
        }
    }
    let history = match disk.list(names::HISTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed?,
    };
    match history.first() {
        Some(name) => found_before_board_file(disk, format!("{}/{name}", names::HISTORY)),
        None => Ok(None),
    }
}

/// Somebody may have made a board here while this was looked for.
fn found_before_board_file(disk: &dyn Disk, name: String) -> io::Result<Option<String>> {
    Ok((!exists(disk, names::BOARD)?).then_some(name))
}

fn is_empty(disk: &dyn Disk, name: &str) -> io::Result<bool> {
    Ok(disk.open(name, How::Read)?.len()? == 0)
}

/// Whether this is a snapshot without records, or what a crash left of one: cut off, or zeros in part.
fn is_cut_short(snapshot: &[u8]) -> bool {
    snapshot.split(|byte| *byte == b'\n').all(|line| {
        let start = line.iter().position(|byte| *byte != 0).unwrap_or(line.len());
        let line = &line[start..];
        [&b"{\"header\":"[..], b"{\"end\":"]
            .iter()
            .any(|opening| line.starts_with(opening) || opening.starts_with(line))
    })
}

/// Whether a making of a board that was cut short may have left this beside its files.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.strip_prefix(TEMPORARY)
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(random, _)| random.len() == 16 && u64::from_str_radix(random, 16).is_ok())
}

/// What to say of a directory without `board.json`.
pub(crate) fn no_board_file(disk: &dyn Disk) -> ReadError {
    match remains(disk) {
        Ok(Some(place)) => without_board_file(&place),
        _ => ReadError::Failed(
            "there is no `board.json`: no board was made here, or not to the end; run `taskhost init`"
                .into(),
        ),
    }
}

/// `board.json` is missing from a board of which `place` is left.
pub(crate) fn without_board_file(place: &str) -> ReadError {
    ReadError::Damaged(format!(
        "`{}` is missing, although `{place}` says that a board was here: put it back from a copy; nothing was \
         changed",
        names::BOARD
    ))
}

#[derive(Deserialize)]
struct Owned {
    header: Owner,
}

#[derive(Deserialize)]
struct Owner {
    board: String,
}

impl Inner {
    /// A file under a name of this generation that another board, or a stranger, has put there. A switch of this
    /// board that died leaves a snapshot that says whose it is, and nothing without it.
    pub(crate) fn foreign(
        &self,
        board: &str,
        generation: Generation,
    ) -> Result<Option<String>, ReadError> {
        let (tasks, journal) = (names::tasks(generation), names::journal(generation));
        if exists(&*self.disk, &tasks).map_err(failed(&tasks))? {
            return Ok((!self.is_of(board, &tasks)?).then_some(tasks));
        }
        if exists(&*self.disk, &journal).map_err(failed(&journal))?
            && !is_empty(&*self.disk, &journal).map_err(failed(&journal))?
        {
            return Ok(Some(journal));
        }
        Ok(None)
    }

    fn is_of(&self, board: &str, tasks: &str) -> Result<bool, ReadError> {
        let file = self.disk.open(tasks, How::Read).map_err(failed(tasks))?;
        let Some(first) = Lines::new(&*file, tasks, 0).next_line()? else { return Ok(false) };
        let owned = serde_json::from_slice::<Owned>(&first.bytes);
        Ok(owned.is_ok_and(|owned| owned.header.board == board))
    }

    /// Makes the lock file and the directories that are missing from a board that is there.
    pub(crate) fn complete(&self) -> Result<(), ReadError> {
        let mut made = false;
        for name in names::DIRECTORIES {
            if !exists(&*self.disk, name).map_err(failed(name))? {
                self.disk.create_dir(name).map_err(failed_to_write(name))?;
                made = true;
            }
        }
        let lock = names::LOCK;
        if !exists(&*self.disk, lock).map_err(failed(lock))? {
            self.disk.open(lock, How::Lock).map_err(failed_to_write(lock))?;
            made = true;
        }
        if exists(&*self.disk, names::IMPORTING).map_err(failed(names::IMPORTING))? {
            // The import came as far as `board.json`. Before this is used, which the mark would deny, it goes; but
            // not before that pointer, which the same directory holds, is durable.
            self.disk.sync_dir(".").map_err(failed("."))?;
            self.end_import()?;
        }
        if made {
            self.disk.sync_dir(".").map_err(failed("."))?;
        }
        Ok(())
    }
}

/// The text for damage that an existing file of somebody else would come to.
pub(crate) fn not_ours(place: &str) -> ReadError {
    ReadError::Damaged(format!(
        "`{place}` is there already, and isn't this board's: move it away; nothing was changed{SEE_DOCTOR}"
    ))
}
