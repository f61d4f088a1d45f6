//! Making out what a board holds, from what can be read of it. Changes nothing.
//!
//! In this order: snapshot and journal, if both are whole; the same up to the damage, if it is the journal's; every
//! entry since the first one, if the history has them all; or else the records of the snapshot that can be read, and
//! of the entries after it what speaks of tasks that are there.

use std::cell::RefCell;
use std::collections::BTreeSet;

use taskhost_board::image::{self, ImageView, Record};
use taskhost_board::memory::MemoryMap;
use taskhost_board::{
    Change, Digest, Entry, Generation, Head, Millis, PolicyPin, PolicySet, ReadError, Readiness,
    Sequence, Status, Task, TaskId, View as _,
};

use super::Losses;
use super::survey::Highest;
use crate::disk::{How, exists};
use crate::format::line::{self, Line};
use crate::format::snapshot::{self, Header, parse_header};
use crate::format::{BoardFile, Checksum, FORMAT, names};
use crate::journal::{Lines, Tail, judge, replay};
use crate::mend::beginning;
use crate::state::{Inner, failed};

/// How the board was made out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Snapshot and journal are as they should be; what a crash may leave is mended when the board is opened.
    Whole,
    /// The journal is damaged.
    Cut,
    /// The snapshot is, and the history has everything.
    Replayed,
    /// The snapshot is, and this is what was left.
    Salvaged,
}

/// What the board holds.
pub(super) struct Restored {
    pub(super) map: MemoryMap,
    /// The snapshot's, or one in its place.
    pub(super) header: Header,
    pub(super) way: Way,
    pub(super) lost: Losses,
}

impl Inner {
    /// Makes out what `file`'s generation holds. `durable` is what the shared words say.
    pub(super) fn restore(
        &self,
        file: &BoardFile,
        durable: Option<Sequence>,
        highest: &Highest,
    ) -> Result<Restored, ReadError> {
        match self.load_whole(file) {
            Ok((map, header, sum)) => {
                let seed = Checksum::seed(&file.board, file.generation, sum);
                self.restore_journal(file, map, header, seed, durable, highest)
            }
            Err(ReadError::Failed(why)) if !self.is_missing(file)? => Err(ReadError::Failed(why)),
            Err(_) => match self.replay_all(file, durable)? {
                Some(restored) => Ok(restored),
                None => self.salvage(file, highest),
            },
        }
    }

    fn is_missing(&self, file: &BoardFile) -> Result<bool, ReadError> {
        let name = names::tasks(file.generation);
        Ok(!exists(&*self.disk, &name).map_err(failed(&name))?)
    }

    fn load_whole(&self, file: &BoardFile) -> Result<(MemoryMap, Header, Checksum), ReadError> {
        let name = names::tasks(file.generation);
        let tasks = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let map = RefCell::new(MemoryMap::default());
        let (header, sum) = snapshot::read(
            &*tasks,
            &name,
            |header| {
                snapshot::expect(header, &name, &file.board, file.generation)?;
                self.start(&mut map.borrow_mut(), header)
            },
            |record| image::load(&mut *map.borrow_mut(), &record),
        )?;
        Ok((map.into_inner(), header, sum))
    }

    fn start(&self, map: &mut MemoryMap, header: &Header) -> Result<(), ReadError> {
        let boot = self.platform.now().boot;
        image::start(map, &boot, &header.head(), &header.policies, &header.settings)
    }

    /// The journal after a snapshot that is whole.
    fn restore_journal(
        &self,
        file: &BoardFile,
        mut map: MemoryMap,
        header: Header,
        seed: Checksum,
        durable: Option<Sequence>,
        highest: &Highest,
    ) -> Result<Restored, ReadError> {
        let name = names::journal(file.generation);
        let from = beginning(header.base, seed);
        let mut lost = Losses::default();
        let mut way = Way::Whole;
        if exists(&*self.disk, &name).map_err(failed(&name))? {
            let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
            let (tail, end) = replay(&*journal, &name, file.generation, from, |line, _| {
                image::apply(&mut map, line.place.sequence, &line.entry)
            })?;
            match judge(&*journal, &name, file.generation, tail, &end, durable) {
                Ok(()) => {}
                Err(ReadError::Failed(why)) => return Err(ReadError::Failed(why)),
                Err(ReadError::Damaged(_)) => {
                    way = Way::Cut;
                    let last = Sequence(highest.sequence.max(tail.sequence.next().0));
                    lost.entries = Some((tail.sequence.next(), last));
                    self.count_rest(&name, tail, &mut lost)?;
                }
            }
        } else {
            way = Way::Cut;
            let first = header.base.next();
            lost.entries = Some((first, Sequence(highest.sequence.max(first.0))));
            lost.notes.push(format!(
                "`{name}` is missing, with every change after entry {}",
                header.base
            ));
        }
        Ok(Restored { map, header, way, lost })
    }

    /// Counts what stands after the place where a journal can't go on.
    fn count_rest(&self, name: &str, tail: Tail, lost: &mut Losses) -> Result<(), ReadError> {
        let journal = self.disk.open(name, How::Read).map_err(failed(name))?;
        let mut lines = Lines::new(&*journal, name, tail.offset);
        while let Some(raw) = lines.next_line()? {
            match line::decode(&raw.bytes) {
                Ok(line) => {
                    lost.readable += 1;
                    lost.tasks.extend(line.entry.changes.iter().filter_map(|c| c.task().cloned()));
                }
                Err(_) => lost.unreadable += 1,
            }
        }
        Ok(())
    }

    /// Every entry since the first one, if all of them are there: generation 1 begins empty.
    fn replay_all(
        &self,
        file: &BoardFile,
        durable: Option<Sequence>,
    ) -> Result<Option<Restored>, ReadError> {
        let Some(header) = self.header_in_part(file)? else { return Ok(None) };
        let mut map = MemoryMap::default();
        let empty = Header {
            base: Sequence(0),
            token: taskhost_board::Token(0),
            born: 0,
            ..header.clone()
        };
        self.start(&mut map, &empty)?;
        let mut last = Sequence(0);
        for name in self.retired_journals(file.generation)? {
            let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
            let mut lines = Lines::new(&*journal, &name, 0);
            while let Some(raw) = lines.next_line()? {
                // What can't be read may stand in the next journal as well.
                let Ok(line) = line::decode(&raw.bytes) else { break };
                if line.place.sequence == last.next() {
                    image::apply(&mut map, line.place.sequence, &line.entry)?;
                    last = line.place.sequence;
                } else if line.place.sequence > last {
                    break;
                }
            }
        }
        if last < header.base {
            return Ok(None);
        }
        // The current journal begins after the snapshot, some of it perhaps with what the one before it has too.
        let name = names::journal(file.generation);
        if !exists(&*self.disk, &name).map_err(failed(&name))? {
            return Ok(None);
        }
        let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let first = Lines::new(&*journal, &name, 0).next_line()?;
        let first = first.and_then(|raw| line::decode(&raw.bytes).ok());
        let seed = first.map_or_else(Checksum::default, |line| line.place.prev);
        let from = beginning(header.base, seed);
        let (tail, end) = replay(&*journal, &name, file.generation, from, |line, _| {
            if line.place.sequence == last.next() {
                image::apply(&mut map, line.place.sequence, &line.entry)?;
                last = line.place.sequence;
            }
            Ok(())
        })?;
        let is_whole = judge(&*journal, &name, file.generation, tail, &end, durable).is_ok();
        let is_all = last >= tail.sequence && ImageView::new(map.clone()).head()?.sequence == last;
        let lost = Losses::default();
        Ok((is_whole && is_all).then_some(Restored { map, header, way: Way::Replayed, lost }))
    }

    /// The header of a snapshot whose other lines may be damaged.
    fn header_in_part(&self, file: &BoardFile) -> Result<Option<Header>, ReadError> {
        if self.is_missing(file)? {
            return self.header_from_history(file);
        }
        let name = names::tasks(file.generation);
        let tasks = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let first = Lines::new(&*tasks, &name, 0).next_line()?;
        let header = first.and_then(|first| parse_header(&first.bytes, &name).ok());
        let header = header
            .filter(|header| snapshot::expect(header, &name, &file.board, file.generation).is_ok());
        match header {
            Some(header) => Ok(Some(header)),
            None => self.header_from_history(file),
        }
    }

    /// A header in place of one that is gone, if the history says which policies and settings the board has.
    fn header_from_history(&self, file: &BoardFile) -> Result<Option<Header>, ReadError> {
        let mut last = None;
        let (mut policies, mut settings) = (None, None);
        let journals = self.retired_journals(Generation(file.generation.0))?;
        self.each_readable(journals, &mut |line| {
            last = last.max(Some(line.place.sequence));
            for change in line.entry.changes {
                match change {
                    Change::PoliciesSet(set) => policies = Some(*set),
                    Change::SettingsSet(set) => settings = Some(set),
                    _ => {}
                }
            }
        })?;
        let Some(policies) = policies else { return Ok(None) };
        Ok(Some(Header {
            format: FORMAT,
            board: file.board.clone(),
            generation: file.generation,
            base: last.unwrap_or_default(),
            token: taskhost_board::Token(0),
            born: 0,
            policies,
            settings: settings.unwrap_or_default(),
            created: Millis(0),
        }))
    }

    fn each_readable(
        &self,
        journals: Vec<String>,
        each: &mut dyn FnMut(Line),
    ) -> Result<(), ReadError> {
        for name in journals {
            let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
            let mut lines = Lines::new(&*journal, &name, 0);
            while let Some(raw) = lines.next_line()? {
                if let Ok(line) = line::decode(&raw.bytes) {
                    each(line);
                }
            }
        }
        Ok(())
    }

    /// What can be read, of whatever is there.
    fn salvage(&self, file: &BoardFile, highest: &Highest) -> Result<Restored, ReadError> {
        let mut lost = Losses::default();
        let header = match self.header_in_part(file)? {
            Some(header) => header,
            None => self.guessed_header(file, &mut lost)?,
        };
        let mut map = MemoryMap::default();
        self.start(&mut map, &header)?;
        self.salvage_records(file, &mut map, &mut lost)?;
        // The entries after it. Those about tasks that are gone can't be done.
        let name = names::journal(file.generation);
        let journals = if exists(&*self.disk, &name).map_err(failed(&name))? {
            vec![name]
        } else {
            lost.notes.push(format!("`{name}` is missing, with every change in it"));
            Vec::new()
        };
        let mut result = Ok(());
        self.each_readable(journals, &mut |line| {
            if result.is_ok() {
                result = apply_in_part(&mut map, line.entry, &mut lost.tasks);
            }
        })?;
        result?;
        let map = self.without_loose_ends(&map, &header, highest, &mut lost)?;
        Ok(Restored { map, header, way: Way::Salvaged, lost })
    }

    fn salvage_records(
        &self,
        file: &BoardFile,
        map: &mut MemoryMap,
        lost: &mut Losses,
    ) -> Result<(), ReadError> {
        let name = names::tasks(file.generation);
        if self.is_missing(file)? {
            lost.notes
                .push(format!("`{name}` is missing, with everything that didn't change after it"));
            return Ok(());
        }
        let tasks = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let mut lines = Lines::new(&*tasks, &name, 0);
        let (mut read, mut unread) = (0_u64, 0_u64);
        while let Some(raw) = lines.next_line()? {
            if raw.bytes.starts_with(b"{\"header\":") || raw.bytes.starts_with(b"{\"end\":") {
                continue;
            }
            match serde_json::from_slice::<Record>(&raw.bytes) {
                Ok(Record::Task(task)) if has(map, &task.id)? => unread += 1,
                Ok(record) => {
                    image::load(map, &record)?;
                    read += 1;
                }
                Err(_) => unread += 1,
            }
        }
        // The checksum is about all of them, so which one is damaged can't be said if all can be read.
        lost.notes.push(format!(
            "`{name}` is damaged: of its records {read} can be read, of which some may say what nobody wrote, and \
             {unread} can't"
        ));
        Ok(())
    }

    /// A header in place of one that is gone, and that the history doesn't tell.
    fn guessed_header(&self, file: &BoardFile, lost: &mut Losses) -> Result<Header, ReadError> {
        let mut short = None;
        let mut journals = self.retired_journals(file.generation)?;
        let name = names::journal(file.generation);
        if exists(&*self.disk, &name).map_err(failed(&name))? {
            journals.push(name);
        }
        let mut base = Sequence(0);
        self.each_readable(journals, &mut |line| {
            short = Some(line.place.policy);
            if line.place.generation < file.generation {
                base = base.max(line.place.sequence);
            }
        })?;
        let digest = self.component_named(short.as_deref())?.ok_or_else(|| {
            ReadError::Damaged(format!(
                "neither `{}` nor the history says by which policy the board decides: put the snapshot back from \
                 a copy; nothing was changed",
                names::tasks(file.generation)
            ))
        })?;
        lost.notes.push(format!(
            "the board's settings, and those of its policies, are the default ones, and its policy is `{digest}`, \
             which decided last"
        ));
        Ok(Header {
            format: FORMAT,
            board: file.board.clone(),
            generation: file.generation,
            base,
            token: taskhost_board::Token(0),
            born: 0,
            policies: PolicySet {
                custom: None,
                standard: PolicyPin { digest, settings: Default::default() },
            },
            settings: Default::default(),
            created: Millis(0),
        })
    }

    /// The component whose digest begins like this, or the only one there is.
    fn component_named(&self, short: Option<&str>) -> Result<Option<Digest>, ReadError> {
        let names = self.list_if_there("policies")?;
        let digests = names.iter().filter_map(|name| name.strip_suffix(".wasm")?.parse().ok());
        let digests: Vec<Digest> = digests.collect();
        Ok(match (short, &digests[..]) {
            (Some(short), all) => all.iter().find(|digest| digest.short() == short).copied(),
            (None, [only]) => Some(*only),
            (None, _) => None,
        })
    }

    /// The same tasks without what they say of tasks that are gone, all to be asked about again.
    fn without_loose_ends(
        &self,
        map: &MemoryMap,
        header: &Header,
        highest: &Highest,
        lost: &mut Losses,
    ) -> Result<MemoryMap, ReadError> {
        let head = ImageView::new(map.clone()).head()?;
        let mut records = Vec::new();
        image::dump(map, Millis(0), |record| {
            records.push(record);
            Ok::<_, ReadError>(())
        })?;
        let there: BTreeSet<TaskId> = records.iter().filter_map(task_in).cloned().collect();
        let mut fresh = MemoryMap::default();
        let view = ImageView::new(map.clone());
        let header =
            Header { policies: view.policies()?, settings: view.settings()?, ..header.clone() };
        let boot = self.platform.now().boot;
        let head = Head { counts: Default::default(), ..head };
        image::start(&mut fresh, &boot, &head, &header.policies, &header.settings)?;
        for mut record in records {
            match &mut record {
                Record::Task(task) => tie_up(task, &there, lost),
                Record::Wake { on, .. } if !there.contains(on) => continue,
                _ => {}
            }
            image::load(&mut fresh, &record)?;
        }
        if highest.sequence > head.sequence.0 {
            lost.entries = Some((head.sequence.next(), Sequence(highest.sequence)));
        }
        Ok(fresh)
    }
}

fn task_in(record: &Record) -> Option<&TaskId> {
    if let Record::Task(task) = record { Some(&task.id) } else { None }
}

fn has(map: &MemoryMap, id: &TaskId) -> Result<bool, ReadError> {
    Ok(ImageView::new(map.clone()).task(id)?.is_some())
}

/// Takes away what a task says of others that are gone: nobody could ever finish those.
fn tie_up(task: &mut Task, there: &BTreeSet<TaskId>, lost: &mut Losses) {
    let gone = task.after.iter().chain(&task.parent).filter(|id| !there.contains(*id));
    lost.tasks.extend(gone.cloned());
    task.after.retain(|id| there.contains(id));
    task.parent.take_if(|id| !there.contains(id));
    if task.status == Status::Pending {
        task.readiness = Readiness::Unasked;
    }
}

/// Does what an entry says of tasks that are there.
fn apply_in_part(
    map: &mut MemoryMap,
    mut entry: Entry,
    gone: &mut BTreeSet<TaskId>,
) -> Result<(), ReadError> {
    let view = ImageView::new(map.clone());
    let mut added = BTreeSet::new();
    let mut kept = Vec::new();
    for change in entry.changes {
        let task = change.task().cloned();
        let is_there = match (&change, &task) {
            (Change::Added(_), Some(id)) => {
                added.insert(id.clone());
                view.task(id)?.is_none()
            }
            (_, Some(id)) => added.contains(id) || view.task(id)?.is_some(),
            (_, None) => true,
        };
        if is_there {
            kept.push(change);
        } else {
            gone.extend(task);
        }
    }
    entry.changes = kept;
    let next = view.head()?.sequence.next();
    drop(view);
    image::apply(map, next, &entry)
}
