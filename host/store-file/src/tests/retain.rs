//! How long the history is kept.

use taskhost_board::{Millis, Retention};

use super::*;
use crate::simulation::{Counted, Fault, World};
use taskhost_board::Severity;

/// Sets how long the history is kept.
fn keep(store: &FileStore, history: Retention) {
    let opened = store.begin(far()).unwrap();
    let settings = BoardSettings { history, ..BoardSettings::default() };
    let entry = Entry {
        time: opened.now().wall,
        request: Request::of(Command::ConfigSet),
        seed: 7,
        changes: vec![Change::SettingsSet(settings)],
    };
    opened.commit(entry).unwrap();
}

fn of_bytes(bytes: u64) -> Retention {
    Retention { age_ms: None, bytes: Some(bytes) }
}

/// A switch after each of so many entries, so that each stands in a journal of its own.
fn entries_and_switches(store: &FileStore, count: u32) {
    for number in 0..count {
        remember(store, &format!("{number}")).unwrap();
        store.compact(far()).unwrap();
    }
}

fn retired(directory: &tempfile::TempDir) -> BTreeMap<String, Vec<u8>> {
    files(&board(directory).join("history"))
}

#[test]
fn a_history_that_is_too_long_loses_its_oldest_journals_and_stays_one_piece() {
    let (directory, store) = fresh();
    entries_and_switches(&store, 5);
    let volumes = retired(&directory);
    assert_eq!(volumes.len(), 5);
    let last_two: usize =
        ["journal-4.jsonl", "journal-5.jsonl"].map(|name| volumes[name].len()).iter().sum();
    assert_eq!(store.trim_history().unwrap(), 0, "everything is kept unless it is said otherwise");

    keep(&store, of_bytes(last_two as u64 + 10));
    assert_eq!(store.trim_history().unwrap(), 3);
    assert_eq!(
        retired(&directory).keys().collect::<Vec<_>>(),
        ["journal-4.jsonl", "journal-5.jsonl"]
    );
    assert_eq!(history(&store), (4..=6).map(Sequence).collect::<Vec<_>>());
    let report = store.doctor();
    assert!(report.is_clean(), "{report:?}");
    let note = report.findings.iter().find(|f| f.what.contains("begins with entry 4")).unwrap();
    assert_eq!((note.severity, report.entries), (Severity::Note, Some(3)));

    // A switch does the same.
    store.compact(far()).unwrap();
    assert!(history(&store)[0] > Sequence(4), "{:?}", history(&store));
    assert_clean(&store);
    // Another handle reads what is left, and so does one after all of it went.
    keep(&store, of_bytes(0));
    store.compact(far()).unwrap();
    assert!(retired(&directory).is_empty());
    for handle in [&store, &open(&board(&directory))] {
        assert_eq!(history(handle), []);
        assert_clean(handle);
    }
    assert_eq!(remember(&store, "after").unwrap(), Sequence(8));
    assert_eq!(history(&store), [Sequence(8)]);
    assert_clean(&store);
}

#[test]
fn the_history_is_kept_as_long_as_its_newest_entry_is_young() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    entries_and_switches(&store, 2);
    world.advance(Duration::from_secs(100));
    keep(&store, Retention { age_ms: Some(50_000), bytes: None });
    store.compact(far()).unwrap();
    // The third journal has the entry that was made just now.
    assert_eq!(history(&store), [Sequence(3)]);
    world.advance(Duration::from_secs(49));
    assert_eq!(store.trim_history().unwrap(), 0);
    world.advance(Duration::from_secs(2));
    assert_eq!(store.trim_history().unwrap(), 1);
    assert_eq!(history(&store), []);
    // A journal without entries is in nobody's way.
    store.compact(far()).unwrap();
    assert!(
        !world.files().keys().any(|name| name.starts_with("history/journal")),
        "{:?}",
        world.files().keys()
    );
    assert_clean(&store);
    assert!(store.snapshot().unwrap().1.wall > Millis(0));
}

#[test]
fn a_journal_whose_age_can_not_be_read_stays() {
    let (directory, store) = fresh();
    entries_and_switches(&store, 1);
    let place = board(&directory).join("history/journal-1.jsonl");
    let mut content = std::fs::read(&place).unwrap();
    content[40] ^= 1;
    std::fs::write(&place, content).unwrap();
    keep(&store, Retention { age_ms: Some(0), bytes: None });
    assert_eq!(store.trim_history().unwrap(), 0);
}

#[test]
fn a_hole_in_the_middle_of_the_history_is_damage() {
    let (directory, store) = fresh();
    entries_and_switches(&store, 3);
    std::fs::remove_file(board(&directory).join("history/journal-2.jsonl")).unwrap();
    let report = store.doctor();
    assert_eq!(report.findings[0].severity, Severity::Damage);
    assert!(report.findings[0].what.contains("entry 3 follows where 2 should"), "{report:?}");
}

#[test]
fn trimming_that_is_cut_short_leaves_a_history_in_one_piece() {
    let mut at = 0;
    loop {
        let world = World::new();
        let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
        entries_and_switches(&store, 3);
        keep(&store, of_bytes(0));
        drop(store);
        let process = world.process();
        let store = process.open(OpenOptions::default()).unwrap();
        process.plan(Counted::Changes, at, Fault::Stop);
        let _ = store.trim_history();
        drop(store);
        for survivor in world.survivors() {
            let world = World::booted(&survivor);
            let store = world.process().open(OpenOptions::default()).unwrap();
            let left = history(&store);
            assert_eq!(left, (left[0].0..=4).map(Sequence).collect::<Vec<_>>());
            assert_clean(&store);
        }
        if !process.is_stopped() {
            assert!(at >= 6, "{at}");
            return;
        }
        at += 1;
    }
}

#[test]
fn whoever_reads_the_history_meanwhile_gets_one_piece_of_it() {
    let (directory, store) = fresh();
    keep(&store, of_bytes(600));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers = [(); 2].map(|()| {
            let (path, done) = (board(&directory), &done);
            scope.spawn(move || {
                let reader = open(&path);
                while !done.load(Ordering::Relaxed) {
                    let read = history(&reader);
                    assert!(read.windows(2).all(|pair| pair[0].next() == pair[1]), "{read:?}");
                }
            })
        });
        entries_and_switches(&store, 25);
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert!(history(&store)[0] > Sequence(10));
    assert_clean(&store);
}
