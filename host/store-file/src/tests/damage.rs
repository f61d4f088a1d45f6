//! Boards that something happened to: mended, or refused with the place, never overwritten.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::simulation::{Counted, Fault, World};
use crate::{Notice, PlantedBug};
use taskhost_board::Severity;

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
        // It was claimed that nothing acknowledged was lost, even when what knew of it was gone.
        let said = store.notices()[0].to_string();
        assert_eq!(said.contains("as far as can be told"), restarted, "{said}");
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

/// A line that somebody had pasted before the last one was taken for a torn end after a restart, and the good line
/// behind it, which was acknowledged, was set aside with it.
#[test]
fn a_line_put_before_the_last_one_is_refused_with_its_place() {
    let (_directory, path) = closed();
    let journal = path.join("journal-1.jsonl");
    let content = fs::read(&journal).unwrap();
    let (second, last) = (line_start(&content, 2), line_start(&content, 4));
    fs::write(&journal, [&content[..last], &content[..second], &content[last..]].concat()).unwrap();
    restart(&path);
    refused(&path, &format!("`journal-1.jsonl`, line 4, byte {last}"));
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
    fs::write(path.join("board.json"), pointer.replace("\"format\":2", "\"format\":3")).unwrap();
    let before = files(&path);
    let store = open(&path);
    assert!(recalls(&*store.snapshot().unwrap().0, "d"));
    let refused = store.begin(far()).err().unwrap();
    assert!(
        matches!(refused, taskhost_board::BeginError::Newer { found: 3, known: 2 }),
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
    let mut holes = 0;
    for survivor in world.survivors() {
        let journal = &survivor.files()["journal-1.jsonl"];
        let is_hole = journal.first() == Some(&0) && journal.ends_with(b"}\n");
        holes += u32::from(is_hole);
        let world = World::booted(&survivor);
        let store = world.process().open(OpenOptions::default()).unwrap();
        let kept = history(&store).len() as u64;
        assert!(kept <= 2 && (kept == 0 || !is_hole), "{}", survivor.what);
        assert_clean(&store);
    }
    assert!(holes > 0);
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

/// A full disk fails the index's commit after the line was appended and synced. The error was swallowed, the caller
/// was told of success, and readers and the doctor went on with the old state until somebody wrote.
#[test]
fn a_change_that_the_index_could_not_take_is_seen_by_every_reader() {
    let world = World::new();
    drop(world.process().init(&plan(), OpenOptions::default()).unwrap());
    let reader = world.process().open(OpenOptions::default()).unwrap();
    let full = world.process();
    let writer = full.open(OpenOptions::default()).unwrap();
    let late = world.process();
    let doctor = late.open(OpenOptions::default()).unwrap();
    full.fail_index(true);
    late.fail_index(true);
    let told = remember(&writer, "k").unwrap();
    // Whoever can't mend it says so, rather than showing the board as it was.
    assert!(writer.snapshot().is_err() && doctor.snapshot().is_err());
    assert!(!doctor.doctor().is_clean());
    assert!(recalls(&*reader.snapshot().unwrap().0, "k"));
    assert_eq!(reader.mark().unwrap().newest, told);
    full.fail_index(false);
    late.fail_index(false);
    assert!(recalls(&*writer.snapshot().unwrap().0, "k"));
    assert_clean(&writer);
    assert_clean(&doctor);
}

/// The doctor compared the index with the journal only as far as the index went. What a dead writer appended and
/// nobody was told of is worth a note; what was counted, and so perhaps told, more than that.
#[test]
fn the_doctor_finds_an_index_that_lacks_what_the_journal_has() {
    let world = World::new();
    drop(world.process().init(&plan(), OpenOptions::default()).unwrap());
    let process = world.process();
    let store = process.open(OpenOptions::default()).unwrap();
    process.plan(Counted::Changes, 1, Fault::Stop);
    let _ = remember(&store, "k");
    let other = world.process().open(OpenOptions::default()).unwrap();
    let report = other.doctor();
    let lacking = report.findings.iter().find(|f| f.what.contains("lacks entries")).unwrap();
    assert_eq!(lacking.severity, Severity::Note);
    drop(other.begin(far()).unwrap());
    assert_clean(&other);
}

/// `init` on a board whose `board.json` somebody had deleted cut its journal to nothing, and a board of a later
/// generation lost its history to the switch after it. `open` even told people to run `init`.
#[test]
fn a_board_without_its_pointer_is_neither_made_anew_nor_said_to_be_none() {
    let later = || {
        let (directory, path) = closed();
        open(&path).compact(far()).unwrap();
        (directory, path)
    };
    let (first, second) = (closed(), later());
    let only_history = later();
    for name in ["tasks-2.jsonl", "journal-2.jsonl"] {
        fs::remove_file(only_history.1.join(name)).unwrap();
    }
    let cases = [
        (first, "journal-1.jsonl"),
        (second, "journal-2.jsonl"),
        (only_history, "history/journal-1.jsonl"),
    ];
    for ((_directory, path), place) in cases {
        fs::remove_file(path.join("board.json")).unwrap();
        let before = (files(&path), files(&path.join("history")));
        let made = FileStore::init(&path, &plan(), OpenOptions::default()).err().unwrap();
        let opened = FileStore::open(&path, OpenOptions::default()).err().unwrap();
        for error in [made.to_string(), opened.to_string()] {
            assert!(
                error.contains("damaged") && error.contains("`board.json` is missing"),
                "{error}"
            );
            assert!(error.contains(place) && !error.contains("taskhost init"), "{error}");
        }
        assert_eq!((files(&path), files(&path.join("history"))), before);
    }
}

/// The same under a handle that was opened before.
#[test]
fn a_doctor_on_a_board_that_lost_its_pointer_says_so() {
    let (_directory, path) = closed();
    let store = open(&path);
    fs::remove_file(path.join("board.json")).unwrap();
    fs::remove_dir_all(path.join("index")).unwrap();
    let report = store.doctor();
    let text = report.findings[0].to_string();
    assert!(text.contains("`board.json` is missing") && !text.contains("taskhost init"), "{text}");
}

/// `init` in a directory that others use must leave what they have there.
#[test]
fn strangers_files_are_left_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = board(&directory);
    fs::create_dir_all(path.join("index/theirs")).unwrap();
    fs::write(path.join(".tmp-theirs"), "theirs").unwrap();
    let store = FileStore::init(&path, &plan(), OpenOptions::default()).unwrap();
    fs::write(path.join("tasks-2.jsonl"), "theirs").unwrap();
    let refused = store.compact(far()).err().unwrap().to_string();
    assert!(refused.contains("`tasks-2.jsonl` is there already"), "{refused}");
    assert_eq!(fs::read(path.join("tasks-2.jsonl")).unwrap(), b"theirs");
    fs::remove_file(path.join("tasks-2.jsonl")).unwrap();
    store.compact(far()).unwrap();
    assert_eq!(fs::read(path.join(".tmp-theirs")).unwrap(), b"theirs");
    assert!(path.join("index/theirs").is_dir());
    assert_clean(&store);
}

/// git and some backups keep neither empty files' directories nor an empty lock file: every command then failed with
/// a bare `No such file or directory`.
#[test]
fn a_board_without_its_lock_file_and_empty_directories_is_completed() {
    let (_directory, path) = closed();
    fs::remove_file(path.join("board.lock")).unwrap();
    for name in ["agents", "locks", "history", "output", "context", "policy-files", "index"] {
        fs::remove_dir_all(path.join(name)).unwrap();
    }
    let store = open(&path);
    assert_eq!(history(&store), numbers(4));
    assert_eq!(remember(&store, "e").unwrap(), Sequence(5));
    drop(store.live(&SessionId::new("s").unwrap()).unwrap());
    assert_clean(&store);
    fs::remove_dir(path.join("history")).unwrap();
    assert_eq!(history(&store), numbers(5));
}

/// Somebody put yesterday's copy back in place, and the board was refused without a word about the way out.
#[test]
fn an_older_copy_put_back_in_place_is_refused_with_the_way_out_which_works() {
    let (_directory, path) = closed();
    let journal = path.join("journal-1.jsonl");
    let older = fs::read(&journal).unwrap();
    remember(&open(&path), "newer").unwrap();
    fs::write(&journal, &older).unwrap();
    refused(&path, "remove its `index` directory");
    fs::remove_dir_all(path.join("index")).unwrap();
    let store = open(&path);
    assert_eq!(history(&store), numbers(4));
    assert_clean(&store);
}

/// The doctor's report sent its readers to the doctor.
#[test]
fn the_doctors_report_does_not_send_people_to_the_doctor() {
    let (_directory, path) = closed();
    let store = open(&path);
    flip(&path.join("journal-1.jsonl"), |content| line_start(content, 2) + 60);
    fs::remove_file(path.join("tasks-1.jsonl")).unwrap();
    let report = store.doctor();
    assert!(!report.is_clean());
    assert!(report.findings.iter().all(|f| {
        !f.to_string().replace("taskhost doctor --repair", "").contains("taskhost doctor")
    }));
}

/// Whoever asked for the history got two lines in the order in which somebody had put them, without a word: the index was
/// whole, so nobody replayed the journal, and each line was right by itself.
#[test]
fn lines_that_changed_places_are_refused_by_whoever_reads_the_history() {
    let (directory, store) = fresh();
    for key in ["a", "b", "c", "d"] {
        remember(&store, key).unwrap();
    }
    let path = board(&directory).join("journal-1.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(1, 2);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let read = store.history(Sequence(0), &mut |_, _| true);
    assert!(
        matches!(&read, Err(taskhost_board::ReadError::Damaged(why)) if why.contains("line 2")),
        "{read:?}"
    );
}
