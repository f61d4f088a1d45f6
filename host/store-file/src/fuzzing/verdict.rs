//! What must hold of a board, whatever was done to its files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use taskhost_board::{
    BeginError, Digest, Engine, Entry, Finding, Keeper as _, Name, NewTask, ReadError, Report,
    Sequence, Severity, Store as _,
};

use super::Files;
use super::sample::{STANDARD, Sample, engine, far, id, records};
use crate::format::{BoardFile, line, names};
use crate::simulation::World;
use crate::{FileStore, ImportError, InitError, OpenError, OpenOptions, RepairOptions, Repaired};

/// Nobody else is there whose lock could be waited for.
fn options() -> OpenOptions {
    OpenOptions { lock_wait: Duration::from_secs(5), ..OpenOptions::default() }
}

/// Looks what becomes of a board with these files: opened, and repaired.
pub(super) fn of(sample: &Sample, files: Files, forged: bool) {
    opened(sample, &files, forged);
    repaired(sample, &files, forged);
}

/// Looks what becomes of an import of `stream`.
pub(super) fn of_import(sample: &Sample, stream: &[u8], forged: bool) {
    let world = World::new();
    match world.process().import(stream, options()) {
        Ok(store) => {
            let is_same = body(stream) == body(&sample.stream);
            assert!(forged || is_same, "a changed stream was taken for a whole one");
            let report = doctor(&world, &store);
            assert!(report.is_clean(), "an imported board isn't clean: {:#?}", report.findings);
            assert!(
                Files::default() != world.files() && export(&store).is_ok(),
                "an imported board can't be exported"
            );
            goes_on(&world, &store, forged);
        }
        Err(error) => {
            let text = error.to_string();
            let has_place = matches!(error, ImportError::Line(_)) && text.contains("line ");
            let is_damage = matches!(
                &error,
                ImportError::Init(InitError::Open(OpenError::Begin(BeginError::Read(
                    ReadError::Damaged(_)
                ))))
            );
            assert!(has_place || is_damage, "an import was refused without a place: {text}");
            assert!(world.process().open(options()).is_err(), "a refused import left a board");
        }
    }
}

/// All lines but the last one, which may say the same in other words.
fn body(stream: &[u8]) -> &[u8] {
    let end = stream.strip_suffix(b"\n").unwrap_or(stream);
    end.rsplitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default()
}

fn opened(sample: &Sample, files: &Files, forged: bool) {
    let world = World::holding(files.clone());
    let store = match world.process().open(options()) {
        Ok(store) => store,
        Err(error) => {
            refused(&error, files);
            untouched(files, &world);
            return;
        }
    };
    if matches!(store.begin(far()), Err(BeginError::Newer { .. })) {
        doctor(&world, &store);
        return untouched(files, &world);
    }
    let report = doctor(&world, &store);
    let found = entries(&store);
    if !forged {
        matches_what_was_written(sample, files, &store, &report, &found);
    }
    let history = found.is_ok();
    assert!(history || !report.is_clean(), "the doctor overlooks that the history can't be read");
    if report.is_clean() {
        travels(&store);
    }
    goes_on(&world, &store, forged);
}

/// Nothing that was there was changed; what was missing may be there.
fn untouched(before: &Files, world: &World) {
    let now = world.files();
    for (name, content) in before {
        assert!(now.get(name) == Some(content), "`{name}` of a refused board was changed");
    }
}

fn refused(error: &OpenError, files: &Files) {
    let is_board = |name: &String| {
        name == names::BOARD
            || ["journal-", "tasks-", "history/"].iter().any(|start| name.starts_with(start))
    };
    match error {
        // Where every file of it is gone there is none.
        OpenError::Begin(BeginError::Read(ReadError::Failed(text))) => {
            let was_here = files.keys().find(|name| is_board(name));
            assert!(text.contains("taskhost init") && was_here.is_none(), "{text}: {was_here:?}");
        }
        OpenError::Begin(BeginError::Read(ReadError::Damaged(text))) => {
            assert!(text.contains('`'), "a board was refused without a place: {text}");
        }
        other => panic!("a damaged board was refused for another reason: {other}"),
    }
}

/// The doctor's report: the same when asked again, and nothing was changed by it.
fn doctor(world: &World, store: &FileStore) -> Report {
    let before = world.files();
    let (one, two) = (store.doctor(), store.doctor());
    assert_eq!(one.findings, two.findings, "the doctor says something else when asked again");
    assert_eq!((one.tasks, one.entries), (two.tasks, two.entries));
    assert!(before == world.files(), "the doctor changed something");
    one
}

fn entries(store: &FileStore) -> Result<Vec<(Sequence, Entry)>, ReadError> {
    let mut all = Vec::new();
    store.history(Sequence(0), &mut |sequence, entry| {
        all.push((sequence, entry));
        true
    })?;
    Ok(all)
}

/// Without forgery every entry that is there is one that was written, and none is lost silently.
fn matches_what_was_written(
    sample: &Sample,
    files: &Files,
    store: &FileStore,
    report: &Report,
    found: &Result<Vec<(Sequence, Entry)>, ReadError>,
) {
    let Ok(found) = found else { return };
    let written: BTreeMap<Sequence, &Entry> =
        sample.entries.iter().map(|(sequence, entry)| (*sequence, entry)).collect();
    for (sequence, entry) in found {
        assert_eq!(written.get(sequence), Some(&entry), "entry {sequence} says what nobody wrote");
    }
    let has_gap = found.windows(2).any(|pair| pair[0].0.next() != pair[1].0);
    assert!(!(has_gap && report.is_clean()), "the doctor overlooks a gap in the history");
    let last = found.last().map(|(sequence, _)| *sequence).unwrap_or_default();
    let whole = intact(sample, files);
    assert!(last >= whole, "entries up to {whole} are whole, and those after {last} are gone");
    let durable = witnessed(sample, files);
    assert!(last >= durable, "entry {durable} was durable, and those after {last} are gone");
    let head = store.snapshot().and_then(|(view, _)| Ok(view.head()?.sequence));
    if head.ok() == sample.entries.last().map(|(sequence, _)| *sequence) {
        assert!(records(store) == sample.records, "every entry is there, and another board");
    }
}

/// The current journal's lines, those of the sample and those there are.
fn current<'a>(sample: &'a Sample, files: &'a Files) -> (Vec<&'a [u8]>, Vec<&'a [u8]>) {
    let name = names::journal(sample.generation);
    let lines = |files: &'a Files| -> Vec<&'a [u8]> {
        let content = files.get(&name).map(Vec::as_slice).unwrap_or_default();
        content.split_inclusive(|byte| *byte == b'\n').collect()
    };
    (lines(&sample.files), lines(files))
}

/// The last entry up to which the current journal is as it was.
fn intact(sample: &Sample, files: &Files) -> Sequence {
    let (written, found) = current(sample, files);
    let same = written.iter().zip(&found).take_while(|(one, other)| one == other);
    same.last().and_then(|(line, _)| decoded(line)).map_or(Sequence(0), |line| line.place.sequence)
}

/// The last entry that some line which is still whole says was durable.
fn witnessed(sample: &Sample, files: &Files) -> Sequence {
    let (written, found) = current(sample, files);
    let whole = found.iter().filter(|line| written.contains(line));
    let durable = whole.filter_map(|line| decoded(line)).map(|line| line.place.durable_through);
    durable.max().unwrap_or_default()
}

fn decoded(line: &[u8]) -> Option<line::Line> {
    line::decode(line.strip_suffix(b"\n")?).ok()
}

fn export(store: &FileStore) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    let exported = store.export(&mut |line| {
        all.extend(line.encode()?);
        Ok(())
    });
    exported.map(|()| all).map_err(|error| error.to_string())
}

/// A board that is clean can be exported, imported, and is the same then.
fn travels(store: &FileStore) {
    let stream = export(store).unwrap_or_else(|why| panic!("a clean board isn't exported: {why}"));
    let twin = World::new().process().import(&stream[..], options());
    let twin = twin.unwrap_or_else(|why| panic!("what was exported isn't imported: {why}"));
    assert!(export(&twin).as_ref() == Ok(&stream), "an import exports something else");
}

/// What opens takes further changes, which are there when it is opened again.
fn goes_on(world: &Arc<World>, store: &FileStore, forged: bool) {
    let engine = engine(store);
    let was_clean = store.doctor().is_clean();
    let added = adds(&engine);
    match &added {
        Ok(()) => {}
        Err(why) => assert!(forged || !was_clean, "a clean board takes no further change: {why}"),
    }
    // Whatever it says of tokens, times and waiters, these only have to end.
    let _ = engine.upkeep(far());
    let _ = store.compact(far());
    let _ = engine.upkeep(far());
    let again = world.process().open(options());
    let again =
        again.unwrap_or_else(|why| panic!("it opened, was changed, and opens no more: {why}"));
    if added.is_ok() {
        let is_there = again.snapshot().expect("it opened").0.task(&id("added-later"));
        assert!(matches!(is_there, Ok(Some(_))), "a task that was added is gone: {is_there:?}");
    }
    let report = doctor(world, &again);
    assert!(
        !was_clean || report.is_clean(),
        "a clean board isn't any more: {:#?}",
        report.findings
    );
}

fn adds(engine: &Engine) -> Result<(), taskhost_board::Error> {
    let work = Name::new("work").expect("it is a name");
    let task = NewTask { id: Some(id("added-later")), ..NewTask::new(work) };
    engine.add(&[task], far()).map(drop)
}

fn repaired(sample: &Sample, files: &Files, forged: bool) {
    let world = World::holding(files.clone());
    let careful = repair(&world, false);
    let Some(report) = careful else { return untouched(files, &world) };
    let report = if report.needs_lossy {
        untouched(files, &world);
        let lossy = repair(&world, true);
        lossy.unwrap_or_else(|| panic!("what a repair would do it refuses to do"))
    } else {
        report
    };
    assert!(!report.needs_lossy, "a repair that may lose something says that it may not");
    kept(files, &world);
    if !report.left.is_empty() {
        return;
    }
    let store = world.process().open(options());
    let store =
        store.unwrap_or_else(|why| panic!("a repaired board doesn't open: {why}; {report:#?}"));
    let found = doctor(&world, &store);
    // Tasks that wait for what there isn't are the operator's to deal with, and so are forged tokens.
    let is_whole = |finding: &Finding| {
        finding.severity == Severity::Note
            || finding.place.starts_with("task ")
            || finding.place == "request keys"
    };
    let is_clean = found.findings.iter().all(is_whole);
    assert!(is_clean, "a repaired board isn't clean: {:#?}; {report:#?}", found.findings);
    if !forged && report.lost.is_nothing() {
        let written: BTreeMap<Sequence, &Entry> =
            sample.entries.iter().map(|(sequence, entry)| (*sequence, entry)).collect();
        for (sequence, entry) in entries(&store).expect("it is clean") {
            assert_eq!(written.get(&sequence), Some(&&entry), "entry {sequence} was never written");
        }
    }
    goes_on(&world, &store, forged);
}

/// What was repaired; `None` if it says that it can't be.
fn repair(world: &Arc<World>, lossy: bool) -> Option<Repaired> {
    let components = BTreeMap::from([(Digest::of(STANDARD), STANDARD.to_vec())]);
    match world.process().repair(RepairOptions { open: options(), lossy, components }) {
        Ok(report) => Some(report),
        Err(BeginError::Newer { .. }) => None,
        Err(BeginError::Read(ReadError::Damaged(text))) => {
            assert!(text.contains('`'), "a repair was refused without a place: {text}");
            None
        }
        Err(other) => panic!("a repair failed for another reason than damage: {other}"),
    }
}

/// Nothing was deleted or overwritten: every byte is still there under whatever name.
fn kept(before: &Files, world: &World) {
    let now = world.files();
    for (name, content) in before {
        let is_pointer = name == names::BOARD && BoardFile::decode(content).is_ok();
        let is_there = is_pointer || now.values().any(|kept| kept == content);
        // The journal that goes on, or whose torn end is kept apart, begins with what it was.
        let goes_on =
            now.get(name).is_some_and(|now| now.starts_with(content) || content.starts_with(now));
        assert!(is_there || goes_on, "`{name}` is gone after a repair: there are {:?}", now.keys());
    }
}
