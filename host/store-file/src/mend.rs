//! Mending, under the board's lock: shared words that are missing, an index that is missing or of another boot,
//! lines that a dead writer left, a torn end. A generation whose sync failed is left to `recover`.
//!
//! Invariant: nothing here overwrites what could have been acknowledged. A board that can't be mended without
//! doing so is refused, with the place, and left as it is.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use taskhost_board::image;
use taskhost_board::{BeginError, Generation, Millis, ReadError, Sequence};

use crate::board_lock::BoardGuard;
use crate::disk::{DiskFile, How, exists, read_from, replace_file};
use crate::filler::Filler;
use crate::format::snapshot::{self, Header, SnapshotWriter};
use crate::format::{BoardFile, Checksum, names};
use crate::index::{self, Index, Meta, Reading, SharedReading};
use crate::journal::{End, Tail, judge, replay};
use crate::options::{Notice, PlantedBug};
use crate::state::{Current, Found, Inner, failed, failed_to_write};
use crate::words::{Start, Words};

/// An index made anew, and what it was made from.
pub(crate) struct Rebuilt {
    pub(crate) index: Box<dyn Index>,
    pub(crate) epoch: u64,
    pub(crate) header: Header,
    pub(crate) meta: Meta,
    /// How the journal ended.
    pub(crate) end: End,
}

impl Inner {
    /// Makes the current generation fit to be opened, and opens it.
    pub(crate) fn mend(&self, guard: &BoardGuard) -> Result<Arc<Current>, BeginError> {
        self.mend_index(guard, None)
    }

    /// The same; with `broken`, the index is made anew because of that.
    pub(crate) fn mend_index(
        &self,
        guard: &BoardGuard,
        broken: Option<String>,
    ) -> Result<Arc<Current>, BeginError> {
        let file = self.board_file()?;
        let journal = self.open_current_journal(&file)?;
        let words = self.words(&file.board)?;
        // Whoever replaced `board.json` may have died before that was durable.
        self.sync_top_or_poison(file.generation, words.as_ref())?;
        let mark = names::poisoned(file.generation);
        let poisoned = words.as_ref().is_some_and(|words| words.is_poisoned(file.generation))
            || exists(&*self.disk, &mark).map_err(failed(&mark))?;
        if poisoned && !self.options.has(PlantedBug::PoisonIgnored) {
            return self.recover_poisoned(guard, &file, &*journal, words);
        }
        let found = match &words {
            Some(words) if broken.is_none() => self.find_index(&file, &*journal, words)?,
            _ => None,
        };
        let known_durable = words.as_ref().map(Words::durable_through);
        let (index, epoch, through) = match found {
            Some(Found { index, epoch, meta }) => (index, epoch, meta.applied),
            None => {
                if words.is_none() {
                    // Nothing is known of earlier syncs, so what is about to be read is synced first.
                    self.sync_or_poison(&*journal, file.generation, None)?;
                } else {
                    let why = broken.unwrap_or_else(|| "it was missing or damaged".into());
                    self.notice(Notice::IndexRebuilt { why });
                }
                let rebuilt = self.rebuild(&file, file.generation, &*journal, known_durable)?;
                if let End::Bad(why) = &rebuilt.end {
                    self.set_aside(
                        guard,
                        &*journal,
                        file.generation,
                        rebuilt.meta.offset,
                        why,
                        words.as_ref(),
                    )?;
                }
                (rebuilt.index, rebuilt.epoch, rebuilt.meta.applied)
            }
        };
        let words = match words {
            Some(words) => {
                // Words about this generation may count lines that the index lacks.
                let counted = if words.count_for(file.generation) {
                    words.appended_through()
                } else {
                    through
                };
                words.point(file.generation, epoch);
                words.set_appended(counted.max(through));
                words
            }
            None => self.make_words(&file, epoch, through, false)?,
        };
        // Not those of later generations: somebody may be building one right now.
        self.sweep_indexes(|of, other| {
            of < file.generation || (of == file.generation && other != epoch)
        });
        self.enter(file, words, index, epoch, journal)
    }

    fn open_current_journal(&self, file: &BoardFile) -> Result<Arc<dyn DiskFile>, ReadError> {
        let name = names::journal(file.generation);
        self.expect_regular(&name)?;
        self.disk.open(&name, How::Append).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ReadError::Damaged(format!(
                "`{name}` is missing, which `board.json` says is the current journal; nothing was changed, and \
                 `taskhost doctor` says more"
            )),
            _ => failed_to_write(&name)(error),
        })
    }

    pub(crate) fn make_words(
        &self,
        file: &BoardFile,
        epoch: u64,
        through: Sequence,
        poisoned: bool,
    ) -> Result<Words, ReadError> {
        let home = self.home(&file.board)?;
        let start = Start { home, generation: file.generation, epoch, through, poisoned };
        self.platform.make_words(&start).map_err(failed_to_write("index/shared"))
    }

    /// An index that is good as it is, although the words didn't lead to it: a switch died half-way.
    fn find_index(
        &self,
        file: &BoardFile,
        journal: &dyn DiskFile,
        words: &Words,
    ) -> Result<Option<Found>, ReadError> {
        let names = self.platform.indexes().map_err(failed("index"))?;
        let others = names.iter().filter_map(|name| names::index_in(name));
        let others = others.filter(|(of, _)| *of == file.generation).map(|(_, epoch)| epoch);
        for epoch in std::iter::once(words.epoch()).chain(others) {
            let found = match self.open_index(file, epoch) {
                // One that nobody is led to may be somebody's leftover, and can be done without.
                Err(_) if epoch != words.epoch() => None,
                result => result?,
            };
            if let Some(found) = found
                && self.bears(journal, &found.meta)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Makes the index of `generation` from snapshot and journal of `file`'s, checking all of both. What a torn
    /// end would drop is judged here; dropping it is the caller's.
    pub(crate) fn rebuild(
        &self,
        file: &BoardFile,
        generation: Generation,
        journal: &dyn DiskFile,
        known_durable: Option<Sequence>,
    ) -> Result<Rebuilt, ReadError> {
        let epoch = self.disk.random();
        let name = names::index(generation, epoch);
        let index = self.platform.create_index(&name, &self.pages)?;
        let filled = self.fill(file, &*index, journal, known_durable);
        match filled {
            Ok((header, meta, end)) => Ok(Rebuilt { index, epoch, header, meta, end }),
            Err(error) => {
                drop(index);
                let _ = self.platform.remove_index(&name);
                Err(error)
            }
        }
    }

    /// Fills an empty index from snapshot and journal.
    fn fill(
        &self,
        file: &BoardFile,
        index: &dyn Index,
        journal: &dyn DiskFile,
        known_durable: Option<Sequence>,
    ) -> Result<(Header, Meta, End), ReadError> {
        let mut filler = Filler::new(self, index);
        let (header, meta) = self.fill_from_snapshot(file, &mut filler)?;
        let name = names::journal(file.generation);
        let (tail, end) = replay(journal, &name, file.generation, meta.tail(), |line, _| {
            filler.step("applying the journal", |writing| writing.apply_line(&line))
        })?;
        if !self.options.has(PlantedBug::DurableThroughIgnored) {
            let known = known_durable.max(self.copied_through(&header.past, tail, &end)?);
            judge(journal, &name, file.generation, tail, &end, known)?;
        }
        let meta = meta.at(tail);
        filler.finish(&meta)?;
        Ok((header, meta, end))
    }

    /// Fills an empty index from the snapshot alone; gives what it says of itself then.
    pub(crate) fn fill_from_snapshot(
        &self,
        file: &BoardFile,
        filler: &mut Filler<'_>,
    ) -> Result<(Header, Meta), ReadError> {
        let (header, sum) = self.load_snapshot(file, filler)?;
        let meta = Meta {
            board: file.board.clone(),
            boot: self.platform.now().boot,
            layout: index::LAYOUT,
            generation: file.generation,
            chain: Checksum::seed(&file.board, file.generation, sum),
            applied: header.base,
            offset: 0,
        };
        Ok((header, meta))
    }

    /// Reads the snapshot of `file`'s generation into an index.
    fn load_snapshot(
        &self,
        file: &BoardFile,
        filler: &mut Filler<'_>,
    ) -> Result<(Header, Checksum), ReadError> {
        let name = names::tasks(file.generation);
        self.expect_regular(&name)?;
        let snapshot = self.disk.open(&name, How::Read).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ReadError::Damaged(format!(
                "`{name}` is missing, the snapshot that the current journal continues; nothing was changed, and \
                 `taskhost doctor` says more"
            )),
            _ => failed(&name)(error),
        })?;
        let boot = self.platform.now().boot;
        let filler = std::cell::RefCell::new(filler);
        snapshot::read(
            &*snapshot,
            &name,
            |header| {
                snapshot::expect(header, &name, &file.board, file.generation)?;
                filler
                    .borrow_mut()
                    .step("reading the snapshot", |writing| writing.start(header, &boot))
            },
            |record| {
                filler
                    .borrow_mut()
                    .step("reading the snapshot", |writing| image::load(writing, &record))
            },
        )
    }

    /// Applies what the journal has and the index lacks, because its writer died in between.
    pub(crate) fn catch_up(
        &self,
        guard: &BoardGuard,
        current: Arc<Current>,
    ) -> Result<(Arc<Current>, Reading, Meta), BeginError> {
        let reading = index::read(&*current.index)?;
        let meta = index::meta(&reading)?;
        let length = current.journal.len().map_err(failed(current.journal_name()))?;
        if let Some(meta) = meta {
            if meta.offset == length {
                // A writer that died between the index and the words has left them behind.
                if current.words.appended_through() != meta.applied {
                    current.words.set_appended(meta.applied);
                }
                return Ok((current, reading, meta));
            }
            drop(reading);
            if meta.offset < length {
                match self.apply_rest(guard, &current, &meta) {
                    Ok(()) => return self.read_caught_up(current),
                    // The index failed, not the journal.
                    Err(ReadError::Failed(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if current.index.is_own() {
            return self.replace_own_index(guard);
        }
        let current = self.mend_index(guard, Some("it didn't fit the journal".into()))?;
        self.read_caught_up(current)
    }

    /// Makes an index anew that has no room left for a change, with room for several of its size.
    pub(crate) fn replace_full_index(
        &self,
        guard: &BoardGuard,
        current: &Current,
        needed: u64,
    ) -> Result<(), BeginError> {
        self.index_room.fetch_max(needed.saturating_mul(2), Relaxed);
        if current.index.is_own() {
            self.replace_own_index(guard)?;
        } else {
            self.mend_index(guard, Some("it was full".into()))?;
        }
        Ok(())
    }

    pub(crate) fn read_caught_up(
        &self,
        current: Arc<Current>,
    ) -> Result<(Arc<Current>, Reading, Meta), BeginError> {
        let reading = index::read(&*current.index)?;
        let lost = || ReadError::Failed("the index lost what it was made from".into());
        let meta = index::meta(&reading)?.ok_or_else(lost)?;
        Ok((current, reading, meta))
    }

    pub(crate) fn apply_rest(
        &self,
        guard: &BoardGuard,
        current: &Current,
        seen: &Meta,
    ) -> Result<(), ReadError> {
        let name = current.journal_name();
        let mut writing = index::write(&*current.index)?;
        // A writer killed in the middle of its index commit may have finished it for writers but not for readers:
        // LMDB mends that when the next writer begins. So what counts is what this change begins from, not what
        // was seen before it, or the line would be applied twice.
        let meta = index::meta(&writing)?.unwrap_or_else(|| seen.clone());
        let (tail, end) =
            replay(&*current.journal, name, current.generation, meta.tail(), |line, _| {
                writing.apply_line(&line)
            })?;
        let durable = current.words.durable_through();
        judge(&*current.journal, name, current.generation, tail, &end, Some(durable))?;
        writing.put_meta(&meta.at(tail))?;
        if let End::Bad(why) = &end {
            let words = Some(&current.words);
            self.set_aside(guard, &*current.journal, current.generation, tail.offset, why, words)?;
        }
        if current.index.is_own() {
            // Before anybody sees it there (`own`).
            current.words.set_appended(tail.sequence);
        }
        writing.commit()?;
        current.words.set_appended(tail.sequence);
        Ok(())
    }

    /// Takes the torn end of a journal away, and keeps it where people can look at it.
    fn set_aside(
        &self,
        guard: &BoardGuard,
        journal: &dyn DiskFile,
        generation: Generation,
        offset: u64,
        why: &str,
        words: Option<&Words>,
    ) -> Result<(), ReadError> {
        let name = names::journal(generation);
        let dropped = read_from(journal, offset).map_err(failed(&name))?;
        let mut kept_in = names::dropped(generation, offset);
        while exists(&*self.disk, &kept_in).map_err(failed(&kept_in))? {
            kept_in.push('+');
        }
        // 1. Keep the bytes, durably. After a crash the end is still there too, and is judged again.
        replace_file(&*self.disk, &kept_in, &dropped).map_err(|e| failed(&kept_in)(e.into()))?;
        // 2. Cut, unless somebody else may be writing there by now. After a crash the end is there or gone.
        guard.still_excludes().map_err(|error| ReadError::Failed(error.to_string()))?;
        journal.truncate(offset).map_err(failed(&name))?;
        // 3. Make the cut durable, so that nothing is ever appended to a tail that could come back.
        self.sync_or_poison(journal, generation, words)?;
        // Without the words of this boot, the lines themselves are all that says what was durable.
        let (bytes, is_certain) = (dropped.len() as u64, words.is_some());
        self.notice(Notice::TornEnd { kept_in, bytes, why: why.to_owned(), is_certain });
        Ok(())
    }

    fn sync_or_poison(
        &self,
        journal: &dyn DiskFile,
        generation: Generation,
        words: Option<&Words>,
    ) -> Result<(), ReadError> {
        journal.sync().map_err(|error| {
            self.poison(generation, words);
            failed(&names::journal(generation))(error)
        })
    }

    fn sync_top_or_poison(
        &self,
        generation: Generation,
        words: Option<&Words>,
    ) -> Result<(), ReadError> {
        self.disk.sync_dir(".").map_err(|error| {
            self.poison(generation, words);
            failed(".")(error)
        })
    }

    /// The header that describes what `reading` holds.
    pub(crate) fn header_of(
        &self,
        old: &Header,
        reading: &SharedReading,
    ) -> Result<Header, ReadError> {
        use taskhost_board::View as _;
        let view = image::ImageView::new(reading.clone());
        let head = view.head()?;
        Ok(Header {
            base: head.sequence,
            token: head.token,
            born: head.born,
            policies: view.policies()?,
            settings: view.settings()?,
            ..old.clone()
        })
    }

    /// Writes a snapshot of all that `reading` holds under a temporary name, synced.
    pub(crate) fn write_snapshot(
        &self,
        header: &Header,
        reading: &impl image::Read,
        now: Millis,
    ) -> Result<(String, Checksum), ReadError> {
        let name = crate::disk::temporary_name(&*self.disk, &names::tasks(header.generation));
        let file = self.disk.open(&name, How::New).map_err(failed(&name))?;
        let mut writer = SnapshotWriter::begin(&*file, header).map_err(failed(&name))?;
        image::dump(reading, now, |record| writer.record(&record).map_err(failed(&name)))?;
        let sum = writer.finish().map_err(failed(&name))?;
        Ok((name, sum))
    }

    /// An empty journal under a temporary name.
    pub(crate) fn new_journal(
        &self,
        generation: Generation,
    ) -> Result<(String, Arc<dyn DiskFile>), ReadError> {
        let name = crate::disk::temporary_name(&*self.disk, &names::journal(generation));
        let file = self.disk.open(&name, How::New).map_err(failed(&name))?;
        Ok((name, file))
    }
}

/// A journal's beginning.
pub(crate) fn beginning(base: Sequence, seed: Checksum) -> Tail {
    Tail { sequence: base, chain: seed, offset: 0 }
}
