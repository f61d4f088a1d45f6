//! Boards that something happened to: mended, or refused with the place, never overwritten.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::simulation::{Counted, Fault, World};
use crate::{Notice, PlantedBug, Severity};

/// A board with four entries, closed.
fn closed() -> (tempfile::TempDir, PathBuf) {
    let (directory, store) = fresh();
    for key in ["a", "b", "c", "d"] {
        remember(&store, key).unwrap();
    }
    let path = board(&directory);
    (directory, path)
}

/// As after a restart of the machine: nothing but files is left.
fn restart(path: &Path) {
    fs::remove_dir_all(path.join("index")).unwrap();
    fs::create_dir(path.join("index")).unwrap();
}

fn flip(path: &Path, at: impl FnOnce(&[u8]) -> usize) {
    let mut content = fs::read(path).unwrap();
    let at = at(&content);
    content[at] ^= 1;
    fs::write(path, content).unwrap();
}

/// Where the line of this number (from 1) begins.
fn line_start(content: &[u8], number: usize) -> usize {
    content.split_inclusive(|byte| *byte == b'\n').take(number - 1).map(<[u8]>::len).sum()
}

#[track_caller]
fn refused(path: &Path, place: &str) {
    let before = files(path);
    let error = FileStore::open(path, OpenOptions::default()).err().unwrap().to_string();
    assert!(error.contains("damaged") && error.contains(place), "{error}");
    assert_eq!(files(path), before, "a refused board must stay as it is");
}

#[test]
fn a_torn_end_is_set_aside_and_reported_and_nothing_acknowledged_is_lost() {
    for restarted in [false, true] {
        let (_directory, path) = closed();
        let journal = path.join("journal-1.jsonl");
        let whole = fs::read(&journal).unwrap();
        let torn = &whole[..40];
        fs::write(&journal, [&whole[..], torn].concat()).unwrap();
        if restarted {
            restart(&path);
        }
        let store = open(&path);
        drop(store.begin(far()).unwrap());
        assert!(
            matches!(&store.notices()[0], Notice::TornEnd { bytes: 40, .. }),
            "{:?}",
            store.notices()
        );
        assert_eq!(
            fs::read(path.join(format!("history/dropped-1-{}", whole.len()))).unwrap(),
            torn
        );
        assert_eq!(fs::read(&journal).unwrap(), whole);
        assert_eq!(remember(&store, "e").unwrap(), Sequence(5));
        assert_clean(&store);
        let report = store.doctor();
        assert!(
            report
                .findings
                .iter()
                .any(|f| f.severity == Severity::Note && f.place.contains("dropped-1-"))
        );
    }
}

/// A corrupt middle taken for a torn end loses what was acknowledged; the reverse refuses a board that only
/// crashed. With several unsynced writers a crash may legally keep a later line and lose an earlier one, so each
/// line says how far the journal was durable when it was written.
#[test]
fn a_flipped_bit_in_the_middle_is_refused_with_its_place() {
    for restarted in [false, true] {
        let (_directory, path) = closed();
        flip(&path.join("journal-1.jsonl"), |content| line_start(content, 2) + 60);
        if restarted {
            restart(&path);
        } else {
            // The index has applied the line and isn't read again; whoever makes it anew finds out.
            fs::remove_dir_all(
                fs::read_dir(path.join("index"))
                    .unwrap()
                    .map(|e| e.unwrap().path())
                    .find(|p| p.is_dir())
                    .unwrap(),
            )
            .unwrap();
        }
        let start = line_start(&fs::read(path.join("journal-1.jsonl")).unwrap(), 2);
        refused(&path, &format!("`journal-1.jsonl`, line 2, byte {start}"));
    }
}

#[test]
fn the_doctor_finds_a_flipped_bit_that_no_index_has_met_yet() {
    let (_directory, path) = closed();
    flip(&path.join("journal-1.jsonl"), |content| line_start(content, 2) + 60);
    let report = open(&path).doctor();
    assert!(
        report.findings.iter().any(|f| f.severity == Severity::Damage),
        "{:?}",
        report.findings
    );
}

#[test]
fn a_flipped_bit_in_the_last_line_is_refused_while_this_boot_knows_that_it_was_durable() {
    let (_directory, path) = closed();
    flip(&path.join("journal-1.jsonl"), |content| line_start(content, 4) + 60);
    fs::remove_dir_all(
        fs::read_dir(path.join("index"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .find(|p| p.is_dir())
            .unwrap(),
    )
    .unwrap();
    refused(&path, "`journal-1.jsonl`, line 4");
}

#[test]
fn a_store_that_ignores_durable_through_would_drop_acknowledged_entries() {
    let (_directory, path) = closed();
    flip(&path.join("journal-1.jsonl"), |content| line_start(content, 2) + 60);
    restart(&path);
    let planted = Some(PlantedBug::DurableThroughIgnored);
    let store = FileStore::open(&path, OpenOptions { planted, ..OpenOptions::default() }).unwrap();
    assert_eq!(history(&store), numbers(1));
}

#[test]
fn what_is_missing_or_garbled_is_named() {
    let remove = |name: &'static str| move |path: &Path| fs::remove_file(path.join(name)).unwrap();
    type Harm = Box<dyn Fn(&Path)>;
    let harms: Vec<(Harm, &str)> = vec![
        (Box::new(remove("tasks-1.jsonl")), "`tasks-1.jsonl` is missing"),
        (Box::new(remove("journal-1.jsonl")), "`journal-1.jsonl` is missing"),
        (
            Box::new(|path| fs::write(path.join("board.json"), "{\"for").unwrap()),
            "`board.json`, line 1",
        ),
        (Box::new(|path| flip(&path.join("tasks-1.jsonl"), |_| 30)), "`tasks-1.jsonl`, line"),
        (
            Box::new(|path| {
                let tasks = fs::read(path.join("tasks-1.jsonl")).unwrap();
                fs::write(path.join("tasks-1.jsonl"), &tasks[..line_start(&tasks, 2)]).unwrap();
            }),
            "it has no end",
        ),
        (
            Box::new(|path| fs::write(path.join("journal-1.jsonl"), "").unwrap()),
            "`journal-1.jsonl`, line 1, byte 0",
        ),
    ];
    for (harm, place) in harms {
        let (_directory, path) = closed();
        harm(&path);
        // The emptied journal is only known to be wrong while something remembers what it held.
        if !place.contains("byte 0") {
            restart(&path);
        }
        refused(&path, place);
    }
}

#[test]
fn a_journal_of_another_board_is_refused() {
    let (_one, path) = closed();
    let (_two, other) = closed();
    fs::copy(other.join("journal-1.jsonl"), path.join("journal-1.jsonl")).unwrap();
    restart(&path);
    refused(&path, "`journal-1.jsonl`, line 1");
}

#[test]
fn a_deleted_index_is_made_anew_even_under_a_handle_that_is_open() {
    let (directory, store) = fresh();
    let engine = engine(&store);
    add(&engine, "a", &[]);
    fs::remove_dir_all(board(&directory).join("index")).unwrap();
    add(&engine, "b", &[]);
    let late = open(&board(&directory));
    assert_eq!(late.snapshot().unwrap().0.head().unwrap().counts.total(), 2);
    assert!(claim(&engine, "x").is_some());
    assert_clean(&store);
    assert_clean(&late);
}

#[test]
fn a_cut_or_overwritten_index_is_made_anew() {
    for harm in [&b""[..], &[0xff; 8192][..]] {
        let (_directory, path) = closed();
        for entry in fs::read_dir(path.join("index")).unwrap() {
            let data = entry.unwrap().path().join("data.mdb");
            if data.exists() {
                fs::write(data, harm).unwrap();
            }
        }
        let store = open(&path);
        assert_eq!(history(&store), numbers(4));
        assert!(recalls(&*store.snapshot().unwrap().0, "d"));
        assert!(matches!(store.notices()[..], [Notice::IndexRebuilt { .. }]));
        assert_clean(&store);
    }
}

#[test]
fn a_board_of_a_newer_format_is_read_and_never_written() {
    let (_directory, path) = closed();
    let pointer = fs::read_to_string(path.join("board.json")).unwrap();
    fs::write(path.join("board.json"), pointer.replace("\"format\":1", "\"format\":2")).unwrap();
    let before = files(&path);
    let store = open(&path);
    assert!(recalls(&*store.snapshot().unwrap().0, "d"));
    let refused = store.begin(far()).err().unwrap();
    assert!(
        matches!(refused, taskhost_board::BeginError::Newer { found: 2, known: 1 }),
        "{refused}"
    );
    assert!(store.compact(far()).is_err());
    assert_eq!(files(&path), before);
}

#[test]
fn a_copied_board_trusts_no_shared_words() {
    let (directory, path) = closed();
    let copy = directory.path().join("copy");
    let status =
        std::process::Command::new("cp").args(["-r"]).arg(&path).arg(&copy).status().unwrap();
    assert!(status.success());
    let (one, two) = (open(&path), open(&copy));
    assert_eq!(remember(&one, "e").unwrap(), Sequence(5));
    assert_eq!(remember(&two, "f").unwrap(), Sequence(5));
    assert!(!recalls(&*two.snapshot().unwrap().0, "e"));
    assert_clean(&one);
    assert_clean(&two);
}

#[test]
fn a_changed_component_is_not_handed_out() {
    let (_directory, path) = closed();
    let digest = Digest::of(STANDARD);
    flip(&path.join(format!("policies/{digest}.wasm")), |_| 0);
    let store = open(&path);
    assert!(store.component(digest).unwrap_err().to_string().contains("not what its name says"));
    assert!(!store.doctor().is_clean());
}

/// With several unsynced writers, a legal crash keeps a later line and loses an earlier one. Neither was
/// acknowledged, so this is a torn end, not damage.
#[test]
fn a_later_line_without_an_earlier_one_is_a_torn_end_if_neither_was_durable() {
    let world = World::new();
    drop(world.process().init(&plan(), OpenOptions::default()).unwrap());
    let stores: Vec<_> = ["a", "b"]
        .map(|key| {
            let process = world.process();
            let store = process.open(OpenOptions::default()).unwrap();
            // Stopped just before its sync.
            process.plan(Counted::Changes, 3, Fault::Stop);
            assert!(matches!(remember(&store, key), Err(CommitError::Unknown(_))));
            store
        })
        .into();
    drop(stores);
    let survivors = world.survivors();
    let holes: Vec<_> =
        survivors.iter().filter(|survivor| survivor.what.contains("hole at 0")).collect();
    assert!(!holes.is_empty());
    for survivor in survivors {
        let world = World::booted(&survivor);
        let store = world.process().open(OpenOptions::default()).unwrap();
        let kept = history(&store).len() as u64;
        assert!(
            kept <= 2 && (kept == 0 || !survivor.what.contains("hole at 0")),
            "{}",
            survivor.what
        );
        assert_clean(&store);
    }
}

#[test]
fn writers_that_die_one_after_the_other_leave_a_board_that_keeps_what_the_third_was_told() {
    for first in 0..6 {
        for second in 0..6 {
            let world = World::new();
            drop(world.process().init(&plan(), OpenOptions::default()).unwrap());
            for (key, at) in [("a", first), ("b", second)] {
                let process = world.process();
                let store = process.open(OpenOptions::default()).unwrap();
                process.plan(Counted::Changes, at, Fault::Stop);
                let _ = remember(&store, key);
            }
            let store = world.process().open(OpenOptions::default()).unwrap();
            let told = remember(&store, "c").unwrap();
            world.answered(told);
            assert_eq!(world.order_violations(), Vec::<String>::new());
            for survivor in world.survivors() {
                let world = World::booted(&survivor);
                let store = world.process().open(OpenOptions::default()).unwrap();
                assert!(
                    recalls(&*store.snapshot().unwrap().0, "c"),
                    "{first} {second} {}",
                    survivor.what
                );
                assert_clean(&store);
            }
            assert_clean(&store);
        }
    }
}
