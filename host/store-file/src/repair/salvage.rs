//! What is left of a board whose snapshot is damaged and whose history doesn't go back far enough.
//!
//! The records of the snapshot that can be read, each on a line of its own; then what the entries after it say of
//! tasks that are there. What these tasks say of others that are gone is taken away, and the policy is asked about
//! all of them again: nobody waits for what will never happen.

use std::collections::{BTreeMap, BTreeSet};

use taskhost_board::image::{self, ImageView, Record};
use taskhost_board::memory::MemoryMap;
use taskhost_board::{
    Change, Digest, Entry, Millis, PolicyPin, PolicySet, ReadError, Readiness, Sequence, Status,
    Task, TaskId, View as _,
};

use super::Losses;
use super::restore::{Restored, Way};
use super::survey::Highest;
use crate::disk::{How, has_file};
use crate::format::line;
use crate::format::snapshot::{self, Header, parse_header};
use crate::format::{BoardFile, FORMAT, names};
use crate::journal::Lines;
use crate::state::{Inner, failed};

impl Inner {
    /// What can be read, of whatever is there.
    pub(super) fn salvage(
        &self,
        file: &BoardFile,
        header: Header,
        highest: &Highest,
        mut lost: Losses,
    ) -> Result<Restored, ReadError> {
        let mut map = MemoryMap::default();
        self.start(&mut map, &header)?;
        self.salvage_records(file, &mut map, &mut lost)?;
        self.salvage_entries(file, &mut map, &mut lost)?;
        let map = self.without_loose_ends(&map, &mut lost)?;
        let last = ImageView::new(map.clone()).head()?.sequence;
        if highest.sequence > last.0 {
            lost.entries = Some((last.next(), Sequence(highest.sequence)));
        }
        Ok(Restored { map, header, way: Way::Salvaged, lost })
    }

    /// The entries after the snapshot, up to one that can't be read. What they say of tasks that are gone can't be
    /// done.
    fn salvage_entries(
        &self,
        file: &BoardFile,
        map: &mut MemoryMap,
        lost: &mut Losses,
    ) -> Result<(), ReadError> {
        let name = names::journal(file.generation);
        if !has_file(&*self.disk, &name).map_err(failed(&name))? {
            lost.notes.push(format!("`{name}` is missing, with every change in it"));
            return Ok(());
        }
        let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let mut lines = Lines::new(&*journal, &name, 0);
        while let Some(raw) = lines.next_line()? {
            match line::decode(&raw.bytes) {
                Ok(line) => apply_in_part(map, line.entry, &mut lost.tasks)?,
                Err(_) => return self.count_rest(&name, raw.offset, lost),
            }
        }
        Ok(())
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
                Ok(record) => match image::load(map, &record) {
                    Ok(()) => read += 1,
                    // In another one's place.
                    Err(ReadError::Damaged(_)) => unread += 1,
                    Err(error) => return Err(error),
                },
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

    /// The header of a snapshot whose other lines may be damaged; one in its place if it is gone.
    pub(super) fn header_in_place(
        &self,
        file: &BoardFile,
        lost: &mut Losses,
    ) -> Result<Header, ReadError> {
        if !self.is_missing(file)? {
            let name = names::tasks(file.generation);
            let tasks = self.disk.open(&name, How::Read).map_err(failed(&name))?;
            let first = Lines::new(&*tasks, &name, 0).next_line()?;
            let header = first.and_then(|first| parse_header(&first.bytes, &name).ok());
            let fits = |header: &Header| {
                snapshot::expect(header, &name, &file.board, file.generation).is_ok()
            };
            if let Some(header) = header.filter(fits) {
                return Ok(header);
            }
        }
        self.header_from_history(file, lost)
    }

    /// What the entries say of policies and settings: all that was ever set, but not what the board was made with.
    fn header_from_history(
        &self,
        file: &BoardFile,
        lost: &mut Losses,
    ) -> Result<Header, ReadError> {
        let (mut policies, mut settings) = (None, None);
        let (mut short, mut last) = (None, Sequence(0));
        let mut journals = self.retired_journals(file.generation)?;
        let current = names::journal(file.generation);
        if has_file(&*self.disk, &current).map_err(failed(&current))? {
            journals.push(current.clone());
        }
        for name in journals {
            let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
            let mut lines = Lines::new(&*journal, &name, 0);
            while let Some(raw) = lines.next_line()? {
                let Ok(line) = line::decode(&raw.bytes) else { continue };
                if name != current {
                    last = last.max(line.place.sequence);
                }
                short = Some(line.place.policy);
                for change in line.entry.changes {
                    match change {
                        Change::PoliciesSet(set) => policies = Some(*set),
                        Change::SettingsSet(set) => settings = Some(set),
                        _ => {}
                    }
                }
            }
        }
        let policies = match policies {
            Some(policies) => policies,
            None => self.guessed_policies(file, short.as_deref(), lost)?,
        };
        if settings.is_none() {
            lost.notes.push("the board's own settings are the default ones".into());
        }
        let first = self.first_of_journal(file)?;
        Ok(Header {
            format: FORMAT,
            board: file.board.clone(),
            generation: file.generation,
            base: first.map_or(last, |line| Sequence(line.place.sequence.0.saturating_sub(1))),
            token: taskhost_board::Token(0),
            born: 0,
            policies,
            settings: settings.unwrap_or_default(),
            created: Millis(0),
            past: Vec::new(),
            elsewhere: file.elsewhere.clone(),
        })
    }

    fn guessed_policies(
        &self,
        file: &BoardFile,
        short: Option<&str>,
        lost: &mut Losses,
    ) -> Result<PolicySet, ReadError> {
        let digest = self.component_named(short)?.ok_or_else(|| {
            ReadError::Damaged(format!(
                "neither `{}` nor the history says by which policy the board decides: put the snapshot back from \
                 a copy; nothing was changed",
                names::tasks(file.generation)
            ))
        })?;
        lost.notes.push(format!(
            "the policy is `{digest}`, which decided last, and its settings are the default ones"
        ));
        let standard = PolicyPin { digest, settings: BTreeMap::new() };
        Ok(PolicySet { custom: None, standard })
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
        lost: &mut Losses,
    ) -> Result<MemoryMap, ReadError> {
        let mut records = Vec::new();
        image::dump(map, Millis(0), |record| {
            records.push(record);
            Ok::<_, ReadError>(())
        })?;
        let there: BTreeSet<TaskId> = records.iter().filter_map(task_in).cloned().collect();
        let view = ImageView::new(map.clone());
        let boot = self.platform.now().boot;
        let mut fresh = MemoryMap::default();
        image::start(&mut fresh, &boot, &view.head()?, &view.policies()?, &view.settings()?)?;
        for mut record in records {
            match &mut record {
                Record::Task(task) => tie_up(task, &there, lost),
                Record::Wake { on, .. } if !there.contains(on) => continue,
                _ => {}
            }
            image::load(&mut fresh, &record)?;
        }
        Ok(fresh)
    }
}

fn task_in(record: &Record) -> Option<&TaskId> {
    if let Record::Task(task) = record { Some(&task.id) } else { None }
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
    match image::apply(map, next, &entry) {
        // It says what can't have happened after what is left.
        Err(ReadError::Damaged(_)) => {
            gone.extend(entry.changes.iter().filter_map(|change| change.task().cloned()));
            Ok(())
        }
        applied => applied,
    }
}
