//! Going on after a failed sync, under the board's lock.
//!
//! The pages that the sync should have written are lost, or will be, whatever a later one says. So the journal is given up:
//! what can be read back of it is written again, into the next generation, and what it was becomes history.
//!
//! Invariant: as in `mend`, nothing that could have been acknowledged is overwritten or left out.

use std::sync::Arc;

use taskhost_board::{BeginError, Millis, ReadError};

use crate::board_lock::BoardGuard;
use crate::disk::{DiskFile, exists, read_file, read_open, replace_file};
use crate::format::snapshot::Header;
use crate::format::{BoardFile, Checksum, names};
use crate::index::{self, Meta, SharedReading};
use crate::options::Notice;
use crate::publish::Next;
use crate::remains::not_ours;
use crate::state::{Current, Inner, failed};
use crate::words::Words;

impl Inner {
    /// Goes on after a failed sync: what can be read back is written again, into the next generation.
    pub(crate) fn recover_poisoned(
        &self,
        guard: &BoardGuard,
        file: &BoardFile,
        journal: &dyn DiskFile,
        words: Option<Words>,
    ) -> Result<Arc<Current>, BeginError> {
        let known_durable = words.as_ref().map(Words::durable_through);
        let next = file.generation.next();
        // 1. Read back everything that can be, into the next generation's index.
        let rebuilt = self.rebuild(file, next, journal, known_durable)?;
        let through = rebuilt.meta.applied;
        // 2. Write it down anew. Request keys are kept whatever their age, as the index keeps them.
        let reading = SharedReading::new(index::read(&*rebuilt.index)?);
        let header = Header {
            generation: next,
            base: through,
            created: self.platform.now().wall,
            past: self.past_of(file, &rebuilt.meta)?,
            ..self.header_of(&rebuilt.header, &reading)?
        };
        let (tasks, sum) = self.write_snapshot(&header, &reading, Millis(0))?;
        drop(reading);
        let (journal_name, empty) = self.new_journal(next)?;
        // It has no content that could be lost, but a file system need not keep a file that was never synced.
        empty.sync().map_err(failed(&journal_name))?;
        let meta = Meta {
            generation: next,
            chain: Checksum::seed(&file.board, next, sum),
            offset: 0,
            ..rebuilt.meta.clone()
        };
        let mut writing = index::write(&*rebuilt.index)?;
        writing.put_meta(&meta)?;
        writing.commit()?;
        // 3. Keep the old journal's lines as history, in a file that can be synced, since its own can't.
        let content = read_open(journal).map_err(failed(&names::journal(file.generation)))?;
        let good = usize::try_from(rebuilt.meta.offset).unwrap_or(usize::MAX).min(content.len());
        let retired = names::retired(file.generation);
        self.check_retired(&retired, &content[..good])?;
        replace_file(&*self.disk, &retired, &content[..good])
            .map_err(|e| failed(&retired)(e.into()))?;
        if good < content.len() {
            let torn = names::dropped(file.generation, good as u64);
            replace_file(&*self.disk, &torn, &content[good..])
                .map_err(|e| failed(&torn)(e.into()))?;
        }
        // 4. Switch, as every other switch does.
        let next = Next {
            // Recovery may be a reader's, and only whoever changes a board may shut older versions out.
            format: file.format,
            elsewhere: file.elsewhere.clone(),
            generation: next,
            epoch: rebuilt.epoch,
            through,
            tasks,
            journal: journal_name,
            index: rebuilt.index,
        };
        let current = self.publish(guard, file, words, next).map_err(|error| {
            ReadError::Failed(format!("going on after a failed sync failed: {error}"))
        })?;
        self.notice(Notice::Recovered { poisoned: file.generation.0, through: through.0 });
        self.retire(&current, true);
        Ok(current)
    }

    /// Refuses to put a journal's lines where others are. Of an earlier attempt to recover, the one begins with
    /// the other.
    fn check_retired(&self, retired: &str, lines: &[u8]) -> Result<(), ReadError> {
        if !exists(&*self.disk, retired).map_err(failed(retired))? {
            return Ok(());
        }
        let found = read_file(&*self.disk, retired).map_err(failed(retired))?;
        let ours = found.starts_with(lines) || lines.starts_with(&found);
        if ours { Ok(()) } else { Err(not_ours(retired)) }
    }
}
