//! Taking a whole board in from a stream (`taskhost_board::transfer`): a new board, at a place where there is none.
//!
//! 1. Everything is written under names that nobody looks for, and checked, up to the stream's end. A crash leaves
//!    litter, which the next import or `init` sweeps up.
//! 2. A mark says that an import is about to give names. A crash leaves the mark, and litter.
//! 3. The files get their names. A crash leaves the mark and files that nobody was told of: the next import or
//!    `init` removes both.
//! 4. `board.json` is written: from here on there is a board, whole and durable.
//! 5. The mark goes. After a crash before that, whoever opens the board removes it.
//!
//! A board that is moved here isn't worked on before it has left where it was (`still`): `board.json` says so from step 4 on.
//! What an earlier try of the same move has made is given up first: the mark says again that nobody was told of these files,
//! and then `board.json` goes.
//!
//! The history becomes the retired journals of the first generations, what the board holds the snapshot of the next.
//!
//! Invariant: what is there already stays as it is, unless there is no `board.json` and the mark says that nobody
//! was ever told of it.

use std::collections::BTreeSet;
use std::io::{self, BufRead};

use taskhost_board::transfer::{TransferError, TransferHeader, TransferLine, TransferReader};
use taskhost_board::{BeginError, BootId, Coming, Elsewhere, Generation, ReadError};

use crate::board_lock::BoardGuard;
use crate::contexts;
use crate::disk::{How, exists, read_file, remove_if_there, replace_file, temporary_name};
use crate::format::{BoardFile, FORMAT, names};
use crate::index::Index;
use crate::init::{InitError, OpenError};
use crate::intake::{Intake, Intaken, Renamed, Value};
use crate::remains::is_temporary;
use crate::state::{Inner, failed};

/// The generation that the history begins with.
pub(crate) const PAST: Generation = Generation(1);

/// A board was not imported; where it was to be, there is none.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// What is imported isn't a whole board.
    #[error(transparent)]
    Line(#[from] TransferError),
    /// It can't be made there.
    #[error(transparent)]
    Init(#[from] InitError),
}

impl From<ReadError> for ImportError {
    fn from(error: ReadError) -> Self {
        Self::Init(error.into())
    }
}

impl From<BeginError> for ImportError {
    fn from(error: BeginError) -> Self {
        Self::Init(OpenError::from(error).into())
    }
}

impl Inner {
    /// Makes the board.
    pub(crate) fn import(
        &self,
        lines: impl BufRead,
        coming: Option<&Coming>,
    ) -> Result<(), ImportError> {
        if coming.is_none() {
            self.check_vacant()?;
        }
        let guard = self.lock(self.wait_max())?;
        if let Some(coming) = coming {
            self.give_up_earlier(&guard, coming)?;
        }
        self.check_vacant()?;
        self.prepare_directory()?;
        let elsewhere = coming.map(Coming::elsewhere);
        let taken = self.take_in(lines, elsewhere.clone()).inspect_err(|_| {
            // Litter is harmless, and is swept up by the next one who makes a board here.
            let _ = self.sweep_import();
        })?;
        let file = BoardFile {
            format: FORMAT,
            board: taken.board,
            generation: taken.first,
            elsewhere: None,
        }
        .with_elsewhere(elsewhere);
        // 2. The mark.
        self.disclaim(&file)?;
        // 3. The names, all durable before the pointer is.
        for (from, to) in taken.files {
            self.disk.rename(&from, &to).map_err(failed(&to))?;
        }
        self.note_boots(&taken.boots)?;
        for (from, owner, key) in taken.values {
            contexts::place(&*self.disk, &from, &owner, &key).map_err(failed(&from))?;
        }
        for directory in [names::HISTORY, "."] {
            self.disk.sync_dir(directory).map_err(failed(directory))?;
        }
        // 4. The pointer.
        replace_file(&*self.disk, names::BOARD, &file.encode())
            .map_err(|e| failed(names::BOARD)(e.into()))?;
        // 5. The mark is no longer needed.
        self.end_import()?;
        self.mend(&guard)?;
        Ok(())
    }

    /// Gives up what an earlier try of the same move has made here.
    fn give_up_earlier(&self, guard: &BoardGuard, coming: &Coming) -> Result<(), ImportError> {
        if !exists(&*self.disk, names::BOARD).map_err(failed(names::BOARD))? {
            return Ok(());
        }
        let file = self.any_board_file()?;
        if !coming.is_left_by(&file.board, file.elsewhere.as_ref()) {
            // Of the same board, but from a place that was called otherwise: whoever knows it finishes that.
            let same = file.elsewhere.filter(|_| file.board == coming.board);
            return same.map_or(Ok(()), |elsewhere| Err(elsewhere.refusal().into()));
        }
        guard.still_excludes().map_err(|error| ReadError::Failed(error.to_string()))?;
        self.disclaim(&file)?;
        self.disk.remove(names::BOARD).map_err(failed(names::BOARD))?;
        Ok(self.disk.sync_dir(".").map_err(failed("."))?)
    }

    /// Says that nobody was told of the files of these generations.
    fn disclaim(&self, file: &BoardFile) -> Result<(), ReadError> {
        let text = format!("{} {}", file.board, file.generation);
        let marked = replace_file(&*self.disk, names::IMPORTING, text.as_bytes());
        marked.map_err(|e| failed(names::IMPORTING)(e.into()))
    }

    /// Up to which generation it says so.
    fn disclaimed(&self) -> Result<Option<Generation>, ReadError> {
        let text = match read_file(&*self.disk, names::IMPORTING) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(failed(names::IMPORTING))?,
        };
        let text = String::from_utf8_lossy(&text);
        let number = text.rsplit(' ').next().and_then(|number| number.parse().ok());
        // An older version, or a crash, has left one without a number.
        Ok(Some(number.map_or(PAST.next(), Generation)))
    }

    /// Removes what an import that was cut short left, if there is no board. Only by one who is about to make one,
    /// under the board's lock.
    pub(crate) fn sweep_import(&self) -> Result<(), ReadError> {
        for name in self.disk.list(".").map_err(failed("."))? {
            if is_temporary(&name) {
                remove_if_there(&*self.disk, &name).map_err(failed(&name))?;
            }
        }
        for name in self.list_if_there("policies")? {
            if is_temporary(&name) {
                let name = format!("policies/{name}");
                remove_if_there(&*self.disk, &name).map_err(failed(&name))?;
            }
        }
        if let Some(last) = self.disclaimed()? {
            for of in (PAST.0..=last.0).map(Generation) {
                for name in [names::retired(of), names::tasks(of), names::journal(of)] {
                    remove_if_there(&*self.disk, &name).map_err(failed(&name))?;
                }
            }
            self.forget_boots()?;
            contexts::remove_all(&*self.disk).map_err(failed("context"))?;
            // The mark goes after what it speaks of.
            if exists(&*self.disk, names::HISTORY).map_err(failed(names::HISTORY))? {
                self.disk.sync_dir(names::HISTORY).map_err(failed(names::HISTORY))?;
            }
            self.disk.sync_dir(".").map_err(failed("."))?;
            self.end_import()?;
        }
        Ok(())
    }

    /// Takes the mark away, durably. Only where there is a board, or nothing that the mark speaks of.
    pub(crate) fn end_import(&self) -> Result<(), ReadError> {
        remove_if_there(&*self.disk, names::IMPORTING).map_err(failed(names::IMPORTING))?;
        self.disk.sync_dir(".").map_err(failed("."))
    }

    /// Step 1.
    fn take_in(
        &self,
        lines: impl BufRead,
        elsewhere: Option<Elsewhere>,
    ) -> Result<Taken, ImportError> {
        let mut lines = TransferReader::new(lines);
        let header = match lines.next().transpose()? {
            Some((_, TransferLine::Header(header))) => *header,
            _ => return Err(TransferError::at(1, "there is no header").into()),
        };
        let epoch = self.disk.random();
        let name = names::index(PAST, epoch);
        let index = self.platform.create_index(&name, &self.pages)?;
        let taken = self.take_in_checked(&header, elsewhere, lines, &*index);
        drop(index);
        // It was only to check the records: the board's own is made when it is opened.
        let _ = self.platform.remove_index(&name);
        taken
    }

    fn take_in_checked(
        &self,
        header: &TransferHeader,
        elsewhere: Option<Elsewhere>,
        lines: TransferReader<impl BufRead>,
        index: &dyn Index,
    ) -> Result<Taken, ImportError> {
        let new = |name: &str| -> Result<_, ReadError> {
            let temporary = temporary_name(&*self.disk, name);
            let file = self.disk.open(&temporary, How::New).map_err(failed(&temporary))?;
            Ok((file, temporary))
        };
        let (tasks, tasks_name) = new("tasks")?;
        let (journal, journal_name) = new("journal")?;
        let mut intake = Intake::begin(self, header, elsewhere, &*tasks, index)?;
        for line in lines {
            let (number, line) = line?;
            intake.take(number, line)?;
        }
        let Intaken { first, past, values, boots } = intake.finish()?;
        journal.sync().map_err(failed(&journal_name))?;
        let mut files = past;
        files.push((tasks_name, names::tasks(first)));
        files.push((journal_name, names::journal(first)));
        Ok(Taken { board: header.board.clone(), first, files, values, boots })
    }
}

/// A board's files under names that nobody looks for, all synced.
struct Taken {
    board: String,
    first: Generation,
    /// Which name is to become which.
    files: Vec<Renamed>,
    values: Vec<Value>,
    boots: BTreeSet<BootId>,
}
