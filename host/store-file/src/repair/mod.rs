//! Repairing a board that the doctor calls damaged, also one that can't be opened.
//!
//! - [`RepairOptions`], [`Repaired`]: what may be done, and what was. `survey` looks at everything that is there,
//!   `restore` and `salvage` make out what the board holds, `past` keeps the history in one piece.
//!
//! Under the board's lock, and the switches':
//!
//! 1. look at every line of every file, also at those that can't be read, for the highest numbers ever given;
//! 2. find the generation that is meant, where `board.json` doesn't say;
//! 3. make out what it holds: snapshot and journal, or all of the history, or whatever can be read;
//! 4. stop here if something would be lost and the caller doesn't allow that: nothing was changed;
//! 5. set aside what is damaged, durably; put pointer and components back; begin a new generation if the old one
//!    can't go on;
//! 6. set aside what of the history no longer continues into the present.
//!
//! Invariants: nothing is deleted or overwritten, what is in the way is moved to `history/damaged-…`, whole; no
//! sequence, token or place in the order of creation is given again. A crash at any step leaves a board that can be
//! repaired again.

mod past;
mod restore;
mod salvage;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use taskhost_board::image::{self, ImageView};
use taskhost_board::{
    BeginError, Digest, Generation, Millis, ReadError, Sequence, Severity, TaskId, View as _,
};

use crate::board_lock::BoardGuard;
use crate::disk::{exists, read_file, remove_if_there, replace_file};
use crate::filler::Filler;
use crate::format::snapshot::Header;
use crate::format::{BoardFile, Checksum, FORMAT, names};
use crate::index::{self, Meta};
use crate::init::{self, OpenError};
use crate::irregular::NOT_REGULAR;
use crate::options::{Notice, OpenOptions};
use crate::platform::Platform;
use crate::publish::{Next, PublishError};
use crate::remains::remains;
use crate::state::{Inner, failed};
use crate::switch::Purpose;
use restore::{Restored, Way};
use survey::Highest;

/// By how much the numbers go on after entries were lost: what can't be read may have had higher ones.
const MARGIN: u64 = 1000;

/// What a repair may do.
#[derive(Debug, Clone, Default)]
pub struct RepairOptions {
    /// How to open the board, and how long to wait for its lock.
    pub open: OpenOptions,
    /// Go on although something that was acknowledged is lost. Without it such a board is only looked at.
    pub lossy: bool,
    /// Components to put back where the board's are missing or damaged: the standard policy's.
    pub components: BTreeMap<Digest, Vec<u8>>,
}

/// What is lost, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Losses {
    /// The first and the last entry that is lost, as far as one can tell.
    pub entries: Option<(Sequence, Sequence)>,
    /// How many lines of lost entries can be read all the same, in what was set aside.
    pub readable: u64,
    /// How many lines can't be read.
    pub unreadable: u64,
    /// The tasks that lost something, as far as they are known.
    pub tasks: BTreeSet<TaskId>,
    /// What else is lost, a sentence each.
    pub notes: Vec<String>,
}

impl Losses {
    /// Whether nothing is lost.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some((first, last)) = self.entries {
            parts.push(format!("entries {first} to {last}"));
        }
        if self.readable + self.unreadable > 0 {
            let (readable, unreadable) = (self.readable, self.unreadable);
            parts.push(format!("{readable} lines that can be read and {unreadable} that can't"));
        }
        if !self.tasks.is_empty() {
            let tasks: Vec<String> = self.tasks.iter().map(|task| format!("`{task}`")).collect();
            parts.push(format!("changes of {}", tasks.join(", ")));
        }
        parts.extend(self.notes.iter().cloned());
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join("; "))
    }
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// What was done, a sentence each; nothing if there was nothing to do.
    pub done: Vec<String>,
    /// Where what was damaged is kept, whole.
    pub set_aside: Vec<String>,
    /// What is lost. With [`Repaired::needs_lossy`], what would be: then nothing was changed.
    pub lost: Losses,
    /// Whether nothing was changed because something would be lost, which the caller didn't allow.
    pub needs_lossy: bool,
    /// What could not be repaired, and what to do about it.
    pub left: Vec<String>,
}

/// Repairs the board at `path`.
pub(crate) fn repair(path: &Path, options: RepairOptions) -> Result<Repaired, OpenError> {
    let platform = init::platform_at(path, &options.open)?;
    let disk = platform.disk();
    let io = |error| OpenError::Io { path: path.to_owned(), error };
    let is_board =
        exists(&**disk, names::BOARD).map_err(io)? || remains(&**disk).map_err(io)?.is_some();
    if !is_board {
        return Err(OpenError::NoBoard { path: path.to_owned() });
    }
    Ok(repair_on(platform, options)?)
}

pub(crate) fn repair_on(
    platform: Arc<dyn Platform>,
    options: RepairOptions,
) -> Result<Repaired, BeginError> {
    let RepairOptions { open, lossy, components } = options;
    let inner = Inner::new(platform, open);
    let mut report = Repaired::default();
    if inner.repair(lossy, &components, &mut report)? {
        inner.mend_derived(&mut report)?;
    }
    Ok(report)
}

impl Inner {
    /// Returns whether the board can be opened now.
    fn repair(
        &self,
        lossy: bool,
        components: &BTreeMap<Digest, Vec<u8>>,
        report: &mut Repaired,
    ) -> Result<bool, BeginError> {
        let had_lock = exists(&*self.disk, names::LOCK).map_err(failed(names::LOCK))?;
        self.complete()?;
        if !had_lock {
            report.done.push(format!("`{}` was made again", names::LOCK));
        }
        let _turn = self.turn(&Purpose::Compaction, self.wait_max())?;
        let guard = self.lock(self.wait_max())?;
        // 1.
        let mut highest = self.survey()?;
        // 2.
        let Some((file, is_wrong)) = self.pointer(report)? else { return Ok(false) };
        // 3.
        let words = self.words(&file.board)?;
        let known =
            words.as_ref().map(|words| words.durable_through().max(words.appended_through()));
        // Words that are so far off aren't about any board: they are derived, and made anew.
        let known = known.filter(|known| known.0 < highest.sequence.saturating_add(1_000_000_000));
        let is_lost = words.is_some() && known.is_none();
        let words = words.filter(|_| known.is_some());
        highest.durable = words.as_ref().map(|words| words.durable_through());
        highest.sequence = highest.sequence.max(known.unwrap_or_default().0);
        let restored = self.restore(&file, &highest)?;
        report.lost = restored.lost.clone();
        // 4.
        if !restored.lost.is_nothing() && !lossy {
            report.needs_lossy = true;
            return Ok(false);
        }
        // 5.
        let aside = format!("{}/damaged-{}", names::HISTORY, highest.sequence);
        self.set_irregular_aside(&aside, report)?;
        if is_wrong {
            self.put_pointer_back(&file, &aside, report)?;
        }
        if is_lost {
            remove_if_there(&*self.disk, "index/shared").map_err(failed("index/shared"))?;
            report.done.push("the shared words, which spoke of no such board, were removed".into());
        }
        let mut base = restored.header.base;
        self.put_components_back(&restored, components, &aside, report)?;
        if !matches!(restored.way, Way::Whole) {
            base = self.begin_anew(&guard, &file, words, &restored, &highest, &aside, report)?;
        }
        // 6.
        let current = self.board_file()?.generation;
        self.keep_in_one_piece(current, base, &aside, report)?;
        Ok(report.left.is_empty())
    }

    /// What `board.json` says, or must have said; and whether it has to be written again. `None` if that can't be
    /// made out.
    fn pointer(&self, report: &mut Repaired) -> Result<Option<(BoardFile, bool)>, BeginError> {
        let pointer = match self.board_file() {
            Err(error @ BeginError::Newer { .. }) => return Err(error),
            pointer => pointer.ok(),
        };
        if let Some(file) = &pointer {
            let mut names =
                [names::tasks(file.generation), names::journal(file.generation)].into_iter();
            if names.any(|name| !matches!(exists(&*self.disk, &name), Ok(false))) {
                return Ok(Some((file.clone(), false)));
            }
        }
        // It is missing, or speaks of a generation of which nothing is there: perhaps it is an older copy.
        let likely = self.likely_pointer()?;
        match (likely, pointer) {
            (Some(file), _) if file.is_newer() => {
                Err(BeginError::Newer { found: file.format, known: FORMAT })
            }
            (Some(file), None) => Ok(Some((file, true))),
            (Some(file), Some(old)) if file.board == old.board => Ok(Some((file, true))),
            (_, Some(old)) => Ok(Some((old, false))),
            (None, None) => {
                report.left.push(format!(
                    "`{}` can't be made again, because no generation says whose it is: put it back from a copy",
                    names::BOARD
                ));
                Ok(None)
            }
        }
    }

    /// What isn't a file was taken for missing so far, and is in the way of one.
    fn set_irregular_aside(&self, aside: &str, report: &mut Repaired) -> Result<(), ReadError> {
        for name in self.irregular_volumes()? {
            self.move_aside(&name, aside, report)?;
            report.done.push(format!("`{name}` was set aside: {NOT_REGULAR}"));
        }
        Ok(())
    }

    /// Writes `board.json` again. Other generations than the one that it names aren't this board's present, and no
    /// switch may take them for its litter now.
    fn put_pointer_back(
        &self,
        file: &BoardFile,
        aside: &str,
        report: &mut Repaired,
    ) -> Result<(), ReadError> {
        if exists(&*self.disk, names::BOARD).map_err(failed(names::BOARD))? {
            self.move_aside(names::BOARD, aside, report)?;
        }
        self.set_generations_aside(aside, |of| of > file.generation, report)?;
        replace_file(&*self.disk, names::BOARD, &file.encode())
            .map_err(|e| failed(names::BOARD)(e.into()))?;
        let (board, generation) = (names::BOARD, file.generation);
        report.done.push(format!("`{board}` was made again, for generation {generation}"));
        Ok(())
    }

    /// Sets the snapshots and journals of some generations aside.
    fn set_generations_aside(
        &self,
        aside: &str,
        which: impl Fn(Generation) -> bool,
        report: &mut Repaired,
    ) -> Result<(), ReadError> {
        for name in self.disk.list(".").map_err(failed("."))? {
            let of = names::generation_in(&name, "journal-", ".jsonl")
                .or_else(|| names::generation_in(&name, "tasks-", ".jsonl"));
            if of.is_some_and(&which) {
                self.move_aside(&name, aside, report)?;
            }
        }
        Ok(())
    }

    fn put_components_back(
        &self,
        restored: &Restored,
        components: &BTreeMap<Digest, Vec<u8>>,
        aside: &str,
        report: &mut Repaired,
    ) -> Result<(), ReadError> {
        for digest in ImageView::new(restored.map.clone()).policies()?.digests() {
            let Err(error) = self.component(digest) else { continue };
            let name = names::policy(digest);
            let Some(content) = components.get(&digest) else {
                report.left.push(format!(
                    "{error}, and it is none that comes with this version: put `{name}` back from a copy, or set \
                     another policy"
                ));
                continue;
            };
            if exists(&*self.disk, &name).map_err(failed(&name))? {
                self.move_aside(&name, aside, report)?;
            }
            self.put_components(&BTreeMap::from([(digest, content.clone())]))?;
            report.done.push(format!("`{name}` was put back"));
        }
        Ok(())
    }

    /// Begins a generation that holds what could be made out; returns its base.
    #[expect(clippy::too_many_arguments, reason = "it is one step of `repair`, which has them all")]
    fn begin_anew(
        &self,
        guard: &BoardGuard,
        file: &BoardFile,
        words: Option<crate::words::Words>,
        restored: &Restored,
        highest: &Highest,
        aside: &str,
        report: &mut Repaired,
    ) -> Result<Sequence, BeginError> {
        let generation = Generation(highest.generation.max(file.generation.0) + 1);
        let margin = if restored.has_every_entry() { 0 } else { MARGIN };
        let header = self.header_after(file, restored, generation, highest, margin)?;
        // What the switch takes away is kept first, as it is: damaged, or what a damaged journal continues. If
        // nothing is there of the generation that the pointer names, another one may be what it should have named.
        if self.is_missing(file)? {
            self.set_generations_aside(aside, |of| of != file.generation, report)?;
        }
        let old = names::tasks(file.generation);
        if exists(&*self.disk, &old).map_err(failed(&old))? {
            let content = read_file(&*self.disk, &old).map_err(failed(&old))?;
            let kept = self.free_name(&format!("{aside}-{old}"))?;
            replace_file(&*self.disk, &kept, &content).map_err(|e| failed(&kept)(e.into()))?;
            report.set_aside.push(kept);
        }
        let (tasks, sum) = self.write_snapshot(&header, &restored.map, Millis(0))?;
        let (journal, empty) = self.new_journal(generation)?;
        empty.sync().map_err(failed(&journal))?;
        let epoch = self.disk.random();
        let boot = self.platform.now().boot;
        let index = self.platform.create_index(&names::index(generation, epoch), &self.pages)?;
        let mut filler = Filler::new(self, &*index);
        filler.step("writing the board anew", |writing| writing.start(&header, &boot))?;
        image::dump(&restored.map, Millis(0), |record| {
            filler.step("writing the board anew", |writing| image::load(writing, &record))
        })?;
        let meta = Meta {
            board: file.board.clone(),
            boot,
            layout: index::LAYOUT,
            generation,
            chain: Checksum::seed(&file.board, generation, sum),
            applied: header.base,
            offset: 0,
        };
        filler.finish(&meta)?;
        let through = header.base;
        let elsewhere = file.elsewhere.clone();
        let next =
            Next { format: FORMAT, elsewhere, generation, epoch, through, tasks, journal, index };
        let current = match self.publish(guard, file, words, next) {
            Ok(current) => current,
            Err(PublishError::Open(error)) => return Err(error),
            Err(error) => return Err(ReadError::Failed(error.to_string()).into()),
        };
        self.retire(&current, false);
        if file.format < FORMAT {
            report.done.push(Notice::Upgraded { from: file.format, to: FORMAT }.to_string());
        }
        report.done.push(match restored.way {
            Way::Replayed => {
                format!("the board was made anew from its history, as generation {generation}")
            }
            _ => format!("the board goes on in generation {generation} with what could be read"),
        });
        Ok(through)
    }

    fn header_after(
        &self,
        file: &BoardFile,
        restored: &Restored,
        generation: Generation,
        highest: &Highest,
        margin: u64,
    ) -> Result<Header, ReadError> {
        let view = ImageView::new(restored.map.clone());
        let head = view.head()?;
        // With all of them there the entries go on where they end, so that the history stays one piece.
        let base = match margin {
            0 => head.sequence,
            margin => Sequence(highest.sequence.max(head.sequence.0) + margin),
        };
        Ok(Header {
            format: FORMAT,
            board: file.board.clone(),
            generation,
            base,
            token: taskhost_board::Token(highest.token.max(head.token.0) + margin),
            born: highest.born.max(head.born) + margin,
            policies: view.policies()?,
            settings: view.settings()?,
            created: self.platform.now().wall,
            past: Vec::new(),
            elsewhere: file.elsewhere.clone(),
        })
    }

    /// Moves a file into the history, under a name that says that it was damaged, durably.
    fn move_aside(&self, name: &str, aside: &str, report: &mut Repaired) -> Result<(), ReadError> {
        let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
        let kept = self.free_name(&format!("{aside}-{last}"))?;
        self.disk.rename(name, &kept).map_err(failed(name))?;
        // Its new name is durable before anything takes its place.
        self.disk.sync_dir(names::HISTORY).map_err(failed(names::HISTORY))?;
        let from = crate::disk::parent(name);
        self.disk.sync_dir(from).map_err(failed(from))?;
        report.set_aside.push(kept);
        Ok(())
    }

    fn free_name(&self, wanted: &str) -> Result<String, ReadError> {
        let mut name = wanted.to_owned();
        while exists(&*self.disk, &name).map_err(failed(&name))? {
            name.push('+');
        }
        Ok(name)
    }

    /// Makes the index anew if it doesn't say what the journal does.
    fn mend_derived(&self, report: &mut Repaired) -> Result<(), BeginError> {
        // What can be mended without a repair is.
        self.current(self.wait_max())?;
        let is_wrong = self
            .doctor()
            .findings
            .iter()
            .any(|finding| finding.place == "index" && finding.severity > Severity::Note);
        if is_wrong {
            let guard = self.lock(self.wait_max())?;
            self.mend_index(&guard, Some("a repair found it wrong".into()))?;
            report.done.push("the index was made anew".into());
        }
        Ok(())
    }
}
