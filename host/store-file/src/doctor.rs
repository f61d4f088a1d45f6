//! The doctor: looks at everything a board consists of, and says what it found. It repairs nothing: what can be
//! mended without losing anything mends itself when a board is opened, and for the rest there is `repair`.

use std::collections::BTreeSet;
use std::time::Duration;

use taskhost_board::image::{self, Direction, ImageView, Read, Record, Start};
use taskhost_board::memory::MemoryMap;
use taskhost_board::transfer::{in_count, needed};
use taskhost_board::{BeginError, Millis, ReadError, Report, Sequence, Severity, View as _};

use crate::disk::How;
use crate::format::{BoardFile, Checksum, names, snapshot};
use crate::index::{self, Meta, SharedReading};
use crate::irregular::NOT_REGULAR;
use crate::journal::replay;
use crate::mend::beginning;
use crate::remains::is_temporary;
use crate::state::{Current, Inner, failed};

const RESTORE: &str = "see what `taskhost doctor --repair` would do, or restore the board from a copy; nothing was \
                       changed";
/// How often the examination starts over because the generation was replaced meanwhile.
const ATTEMPTS_MAX: u64 = 10;
/// How often, and with which pause, it is looked whether the index has caught up with the journal.
const LOOKS_MAX: u32 = 50;
const LOOK_PAUSE: Duration = Duration::from_millis(10);
const UNEXPLAINED: &str = "no crash does that: restore the board from a copy; nothing was changed";
const HARMLESS: &str = "nothing needs to be done";

impl Inner {
    /// Examines the board.
    pub(crate) fn doctor(&self) -> Report {
        let mut report = Report::default();
        match self.examine_one() {
            Ok(Some(examined)) => report = examined,
            Ok(None) => {
                let what = "its generation changed again and again while it was examined";
                report.add(Severity::Warning, "board", what, "ask again when nobody sets policies");
            }
            Err(error @ BeginError::Newer { .. }) => {
                let next = "nothing is known to be wrong with it, and nothing was changed";
                report.add(Severity::Damage, names::BOARD, error, next);
            }
            Err(error @ BeginError::Timeout { .. }) => {
                let next = "ask again once the lock is free: until then nothing can be said";
                report.add(Severity::Warning, names::LOCK, error, next);
            }
            Err(BeginError::Read(error)) => report.add(Severity::Damage, "board", error, RESTORE),
        }
        for notice in self.notices.lock().iter() {
            report.add(Severity::Note, "board", notice, HARMLESS);
        }
        for finding in &mut report.findings {
            // The texts of errors lead here.
            finding.what = finding.what.replace(snapshot::SEE_DOCTOR, "");
        }
        report.sorted()
    }

    /// A report about one generation; `None` if each was replaced while something in it looked wrong. Whoever
    /// replaces a generation takes its files away, which looks like damage.
    fn examine_one(&self) -> Result<Option<Report>, BeginError> {
        for attempt in 0..ATTEMPTS_MAX {
            let (current, reading, meta) = self.snapshot(self.wait_max())?;
            self.options.report("examining the board", attempt);
            let mut report = Report::default();
            self.examine(&current, &SharedReading::new(reading), &meta, &mut report);
            self.look_around(&current, &mut report);
            if report.is_clean() || current.is_current() {
                return Ok(Some(report));
            }
        }
        Ok(None)
    }

    fn examine(
        &self,
        current: &Current,
        reading: &SharedReading,
        meta: &Meta,
        report: &mut Report,
    ) {
        let view = ImageView::new(reading.clone());
        report.tasks = view.head().ok().map(|head| head.counts.total());
        match view.policies() {
            Ok(policies) => {
                for digest in policies.digests() {
                    if let Err(error) = self.component(digest) {
                        report.add(Severity::Damage, &names::policy(digest), error, RESTORE);
                    }
                }
            }
            Err(error) => report.add(Severity::Damage, "index", error, RESTORE),
        }
        let remake =
            "stop all agents and remove the directory `index`: it is made anew from the journal";
        if let Err(error) = look_at_records(reading, &view, report) {
            report.add(Severity::Warning, "index", error, remake);
        }
        match image::check(reading, &mut MemoryMap::default()) {
            Ok(differences) => {
                for difference in differences {
                    report.add(Severity::Warning, "index", difference, remake);
                }
            }
            Err(error) => report.add(Severity::Warning, "index", error, remake),
        }
        match self.read_again(current, meta) {
            Ok(fresh) => match differences(reading, &fresh) {
                Ok(0) => self.compare_ends(current, meta, report),
                Ok(count) => {
                    let what = format!("{count} records differ from what snapshot and journal say");
                    report.add(Severity::Warning, "index", what, remake);
                }
                Err(error) => report.add(Severity::Warning, "index", error, remake),
            },
            Err(error) => report.add(Severity::Damage, "journal", error, RESTORE),
        }
        self.examine_history(meta.applied, report);
    }

    /// The board made anew from snapshot and journal, all of both checked.
    fn read_again(&self, current: &Current, meta: &Meta) -> Result<MemoryMap, ReadError> {
        let file = BoardFile {
            format: crate::format::FORMAT,
            board: current.board.clone(),
            generation: current.generation,
            elsewhere: None,
        };
        let name = names::tasks(file.generation);
        self.expect_regular(&name)?;
        let tasks = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        let boot = &meta.boot;
        let map = std::cell::RefCell::new(MemoryMap::default());
        let (header, sum) = snapshot::read(
            &*tasks,
            &name,
            |header| {
                snapshot::expect(header, &name, &file.board, file.generation)?;
                let map = &mut *map.borrow_mut();
                image::start(map, boot, &header.head(), &header.policies, &header.settings)
            },
            |record| image::load(&mut *map.borrow_mut(), &record),
        )?;
        let seed = Checksum::seed(&file.board, file.generation, sum);
        let name = names::journal(file.generation);
        let from = beginning(header.base, seed);
        let mut reached = from;
        replay(&*current.journal, &name, file.generation, from, |line, tail| {
            // Others go on writing.
            if tail.offset <= meta.offset {
                image::apply(&mut *map.borrow_mut(), line.place.sequence, &line.entry)?;
                reached = tail;
            }
            Ok(())
        })?;
        if reached != meta.tail() {
            return Err(snapshot::damaged(
                &name,
                0,
                reached.offset,
                "a line before the end is bad",
            ));
        }
        Ok(map.into_inner())
    }

    /// Whether the index has everything that the journal has. A writer appends before it changes the index, so
    /// one that is at it is given some time.
    fn compare_ends(&self, current: &Current, meta: &Meta, report: &mut Report) {
        let name = current.journal_name();
        let end = replay(&*current.journal, name, current.generation, meta.tail(), |_, _| Ok(()));
        let Ok((end, _)) = end else { return };
        for _ in 0..LOOKS_MAX {
            let now = index::read(&*current.index).and_then(|reading| index::meta(&reading));
            if matches!(now, Ok(Some(now)) if now.applied >= end.sequence) || !current.is_current()
            {
                return;
            }
            self.platform.pause(LOOK_PAUSE);
        }
        let what = format!("it lacks entries that the journal has, up to {}", end.sequence);
        // What isn't counted is what a writer appended and died: nobody was told of it.
        let is_counted = current.words.appended_through() >= end.sequence;
        let severity = if is_counted { Severity::Warning } else { Severity::Note };
        report.add(severity, "index", what, "the next change of the board mends it");
    }

    /// Whether every entry from the first one that is kept up to `last` is there, once.
    fn examine_history(&self, last: Sequence, report: &mut Report) {
        let mut count = 0;
        let mut first = None;
        let mut expected = None;
        let mut gap = None;
        let read = self.history(Sequence(0), &mut |sequence, _| {
            first.get_or_insert(sequence);
            if expected.is_some_and(|expected| expected != sequence) && gap.is_none() {
                gap = expected.map(|expected: Sequence| (expected, sequence));
            }
            expected = Some(sequence.next());
            count += 1;
            true
        });
        report.entries = Some(count);
        let hole =
            "the board works on; `taskhost doctor --repair` sets aside what is before the damage";
        if let Err(error) = read {
            return report.add(Severity::Damage, names::HISTORY, error, hole);
        }
        if let Some((expected, found)) = gap {
            let what = format!("entry {found} follows where {expected} should");
            report.add(Severity::Damage, names::HISTORY, what, hole);
        } else if let Some(expected) = expected.filter(|expected| *expected <= last) {
            let what = format!("it ends before entry {expected}, although there are {last}");
            report.add(Severity::Damage, names::HISTORY, what, RESTORE);
        }
        // Others go on writing.
        let newest = self.newest().map_or(last, |newest| newest.max(last));
        if expected.is_some_and(|expected| expected > newest.next()) {
            let what = format!("it goes on after entry {newest}, the board's last one");
            report.add(Severity::Damage, names::HISTORY, what, RESTORE);
        }
        let first = first.unwrap_or(last.next());
        if first > Sequence(1) {
            let what = format!("it begins with entry {first}: what was before is no longer kept");
            report.add(Severity::Note, names::HISTORY, what, HARMLESS);
        }
    }

    /// Looks for what shouldn't lie about.
    fn look_around(&self, current: &Current, report: &mut Report) {
        for path in self.irregular_volumes().unwrap_or_default() {
            report.add(Severity::Damage, &path, NOT_REGULAR, RESTORE);
        }
        let swept = "the next compaction or `taskhost policy set` sweeps it up";
        for name in self.disk.list(".").unwrap_or_default() {
            let of = names::generation_in(&name, "journal-", ".jsonl")
                .or_else(|| names::generation_in(&name, "tasks-", ".jsonl"));
            if of.is_some_and(|of| of != current.generation) || is_temporary(&name) {
                report.add(Severity::Note, &name, "a switch that was cut short left it", swept);
            }
            if names::generation_in(&name, "journal-", ".poisoned").is_some() {
                report.add(Severity::Note, &name, "a sync failed; the board has recovered", swept);
            }
        }
        for name in self.disk.list(names::HISTORY).unwrap_or_default() {
            if name.starts_with("dropped-") {
                let what = "the end of a journal that a crash had torn is kept here; nothing in it was acknowledged, as \
                            far as could be told";
                report.add(Severity::Note, &format!("{}/{name}", names::HISTORY), what, HARMLESS);
            }
            if name.starts_with("damaged-") {
                let what = "a repair has set this aside";
                report.add(Severity::Note, &format!("{}/{name}", names::HISTORY), what, HARMLESS);
            }
        }
        let known: BTreeSet<String> = names::DIRECTORIES.iter().map(ToString::to_string).collect();
        for name in known {
            if self.disk.list(&name).is_err() {
                let next = "make the directory again";
                report.add(Severity::Warning, &name, "the directory is missing", next);
            }
        }
        self.look_for_open_doors(current, report);
    }
}

/// Looks for tasks that wait for one that there isn't, which nobody could ever finish, and for tokens that the board
/// has yet to give. It is what an export looks for too.
fn look_at_records(
    reading: &SharedReading,
    view: &ImageView<SharedReading>,
    report: &mut Report,
) -> Result<(), ReadError> {
    const ENDS_MAX: usize = 20;
    let (mut ends, mut beyond) = (0, 0);
    let head = view.head()?;
    image::dump(reading, Millis(0), |record| {
        if let Err(what) = in_count(&record, head.token, head.born)
            && beyond < ENDS_MAX
        {
            beyond += 1;
            let place = match &record {
                Record::Task(task) => format!("task {}", task.id),
                _ => "request keys".to_owned(),
            };
            report.add(Severity::Damage, &place, what, UNEXPLAINED);
        }
        let Record::Task(task) = record else { return Ok(()) };
        for id in needed(&task) {
            if ends < ENDS_MAX && view.task(id)?.is_none() {
                ends += 1;
                let what = format!(
                    "it names the task `{id}`, which there isn't, so that it can never be done"
                );
                let next = "cancel it, and add it again without that";
                report.add(Severity::Warning, &format!("task {}", task.id), what, next);
            }
        }
        Ok(())
    })
}

impl Inner {
    /// Looks for what everybody on the machine may write to. That may be meant, so it is nothing wrong.
    fn look_for_open_doors(&self, current: &Current, report: &mut Report) {
        let (tasks, journal) = (names::tasks(current.generation), current.journal_name());
        let files = [names::BOARD, names::LOCK, &tasks, journal];
        let open: Vec<String> = std::iter::once(".")
            .chain(names::DIRECTORIES)
            .chain(files)
            .filter(|path| matches!(self.disk.is_writable_by_all(path), Ok(true)))
            .map(|path| if path == "." { "its directory".to_owned() } else { format!("`{path}`") })
            .collect();
        if open.is_empty() {
            return;
        }
        let what = format!("every user of this machine may write to {}", open.join(", "));
        let next = "whoever writes there can do anything with the board: unless that is meant, take the right from them \
                    with `chmod -R o-w`";
        report.add(Severity::Note, "board", what, next);
    }
}

/// How many records of the two differ.
fn differences(one: &impl Read, other: &impl Read) -> Result<u64, ReadError> {
    const PAGE: usize = 1024;
    let mut count = 0;
    for (map, against, is_first) in
        [(one as &dyn Read, other as &dyn Read, true), (other, one, false)]
    {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let start = last.as_deref().map_or(Start::End, Start::Past);
            let page = map.scan(b"", start, Direction::Forward, PAGE)?;
            for (key, value) in &page {
                match against.get(key)? {
                    // Different values would be counted from both sides.
                    Some(found) => count += u64::from(is_first && found != *value),
                    None => count += 1,
                }
            }
            match page.last() {
                Some((key, _)) => last = Some(key.clone()),
                None => break,
            }
        }
    }
    Ok(count)
}
