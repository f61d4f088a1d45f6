//! Everything but snapshot and journal: pointer, lock, components, index, history; and who may repair.

use taskhost_board::Generation;

use super::*;
use crate::format::names;
use taskhost_board::Severity;

#[test]
fn a_board_that_is_well_is_left_as_it_is() {
    let (_directory, path) = closed();
    let before = all_files(&path);
    assert_eq!(repair(&path, lossy()), Repaired::default());
    assert_eq!(all_files(&path), before);
    let nothing = tempfile::tempdir().unwrap();
    assert!(FileStore::repair(nothing.path(), lossy()).is_err());
}

#[test]
fn a_lost_or_garbled_pointer_is_made_again_from_the_generation_that_goes_furthest() {
    for garbled in [None, Some("{\"for"), Some("")] {
        let (_directory, path) = closed();
        let given = numbers_given(&path);
        let pointer = fs::read(path.join("board.json")).unwrap();
        match garbled {
            None => fs::remove_file(path.join("board.json")).unwrap(),
            Some(garbled) => fs::write(path.join("board.json"), garbled).unwrap(),
        }
        // A switch that died had given its files their names; then the board went on.
        let header = "{\"header\":{\"format\":2,\"board\":\"x\"";
        fs::write(path.join("tasks-3.jsonl"), header).unwrap();
        fs::write(path.join("journal-3.jsonl"), "").unwrap();
        assert!(FileStore::open(&path, OpenOptions::default()).is_err());
        let repaired = repair(&path, careful());
        assert!(!repaired.needs_lossy && repaired.left.is_empty(), "{repaired:?}");
        assert_eq!(repaired.set_aside.len(), 2 + usize::from(garbled.is_some()));
        let kept = garbled.is_none_or(|garbled| {
            all_files(&path).values().any(|content| content == garbled.as_bytes())
        });
        assert!(kept, "{:?}", all_files(&path).keys());
        assert_eq!(fs::read(path.join("board.json")).unwrap(), pointer);
        assert_eq!(history(&open(&path)), numbers(given.0.0));
        assert_works(&path, given);
    }
}

#[test]
fn a_pointer_that_speaks_of_a_generation_that_is_gone_is_made_again() {
    let (_directory, path) = closed();
    let given = numbers_given(&path);
    let pointer = fs::read_to_string(path.join("board.json")).unwrap();
    let older = pointer.replace("\"generation\":2", "\"generation\":1");
    fs::write(path.join("board.json"), older).unwrap();
    let repaired = repair(&path, careful());
    assert!(repaired.lost.is_nothing() && repaired.left.is_empty(), "{repaired:?}");
    assert_eq!(fs::read_to_string(path.join("board.json")).unwrap(), pointer);
    assert_works(&path, given);
}

#[test]
fn a_pointer_that_nothing_tells_of_is_not_made_up() {
    let (_directory, path) = closed();
    for name in ["board.json", "tasks-2.jsonl"] {
        fs::remove_file(path.join(name)).unwrap();
    }
    let before = all_files(&path);
    let repaired = repair(&path, lossy());
    assert!(repaired.left[0].contains("put it back from a copy"), "{repaired:?}");
    assert_eq!(all_files(&path), before);
}

#[test]
fn a_lock_file_that_is_gone_is_made_again() {
    let (_directory, path) = closed();
    let given = numbers_given(&path);
    fs::remove_file(path.join("board.lock")).unwrap();
    let repaired = repair(&path, careful());
    assert_eq!(repaired.done, ["`board.lock` was made again"]);
    assert_works(&path, given);
}

#[test]
fn a_component_is_put_back_if_the_caller_has_it_and_named_otherwise() {
    let name = names::policy(Digest::of(STANDARD));
    for missing in [false, true] {
        let (_directory, path) = closed();
        let given = numbers_given(&path);
        if missing {
            fs::remove_file(path.join(&name)).unwrap();
        } else {
            flip(&path.join(&name), |_| 3);
        }
        let before = all_files(&path);
        let without = repair(&path, RepairOptions::default());
        assert!(without.left[0].contains(&Digest::of(STANDARD).to_string()), "{without:?}");
        assert_eq!(all_files(&path), before);
        let repaired = repair(&path, careful());
        assert!(repaired.left.is_empty() && repaired.set_aside.len() == usize::from(!missing));
        assert_kept(&path, &before);
        assert_works(&path, given);
    }
}

#[test]
fn a_damaged_index_or_damaged_words_are_made_anew() {
    let (_directory, path) = closed();
    let given = numbers_given(&path);
    // An index that disagrees with the journal.
    let store = open(&path);
    let current = store.inner.current(far()).unwrap();
    let mut writing = crate::index::write(&*current.index).unwrap();
    taskhost_board::image::Write::put(&mut writing, b"zz", b"stray").unwrap();
    writing.commit().unwrap();
    drop((current, store));
    assert!(!open(&path).doctor().is_clean());
    let repaired = repair(&path, careful());
    assert_eq!(repaired.done, ["the index was made anew"]);
    assert_works(&path, given);
    // Words that speak of entries that no board ever had.
    let mut words = fs::read(path.join("index/shared")).unwrap();
    words[4 * 8..6 * 8].fill(0x7f);
    fs::write(path.join("index/shared"), words).unwrap();
    let repaired = repair(&path, careful());
    assert!(repaired.done[0].contains("the shared words"), "{repaired:?}");
    assert_clean(&open(&path));
    remember(&open(&path), "more").unwrap();
}

#[test]
fn the_history_stays_one_piece_when_a_retired_journal_is_damaged_or_gone() {
    for (volume, missing, kept_from) in [(1, false, 2), (2, false, 3), (2, true, 3)] {
        let (directory, store) = fresh();
        for number in 1..=3 {
            remember(&store, &format!("{number}")).unwrap();
            store.compact(far()).unwrap();
        }
        remember(&store, "4").unwrap();
        drop(store);
        let path = board(&directory);
        let place = path.join(names::retired(Generation(volume)));
        if missing {
            fs::remove_file(place).unwrap();
        } else {
            flip(&place, inside(1));
        }
        assert!(!open(&path).doctor().is_clean());
        let before = all_files(&path);
        let repaired = repair(&path, careful());
        assert!(repaired.lost.is_nothing() && !repaired.done.is_empty(), "{repaired:?}");
        assert_kept(&path, &before);
        let store = open(&path);
        assert_eq!(history(&store), (kept_from..=4).map(Sequence).collect::<Vec<_>>());
        assert_clean(&store);
        let notes = store.doctor().findings;
        assert!(notes.iter().any(|f| f.severity == Severity::Note && f.place.contains("damaged-")));
        assert!(recalls(&*store.snapshot().unwrap().0, "1"));
    }
}

#[test]
fn nobody_repairs_a_board_that_somebody_is_on() {
    let (_directory, path) = closed();
    let store = open(&path);
    let opened = store.begin(far()).unwrap();
    let options = RepairOptions {
        open: OpenOptions { lock_wait: Duration::from_millis(50), ..OpenOptions::default() },
        ..lossy()
    };
    let error = FileStore::repair(&path, options).unwrap_err();
    assert!(error.to_string().contains("held by somebody else"), "{error}");
    drop(opened);
}

/// A handle that was open all the while goes on where the repair went on.
#[test]
fn handles_that_are_open_follow_a_repair() {
    let (_directory, path) = closed();
    let store = open(&path);
    flip(&path.join("journal-2.jsonl"), inside(3));
    let repaired = repair(&path, lossy());
    assert!(!repaired.lost.is_nothing());
    remember(&store, "on").unwrap();
    assert_clean(&store);
    assert!(recalls(&*open(&path).snapshot().unwrap().0, "on"));
}

/// What had a journal's name and was a link or a directory wasn't noticed, or ended everything, the repair too, with
/// nothing but the operating system's words.
#[test]
fn what_is_no_regular_file_is_found_and_set_aside() {
    let link = |at: &Path| std::os::unix::fs::symlink("/dev/null", at).unwrap();
    let directory = |at: &Path| fs::create_dir(at).unwrap();
    for (name, make) in [
        ("history/journal-9.jsonl", &link as &dyn Fn(&Path)),
        ("history/journal-1.jsonl", &link),
        ("history/journal-9.jsonl", &directory),
        ("journal-3.jsonl", &directory),
        ("journal-2.jsonl", &directory),
        ("journal-2.jsonl", &link),
        ("tasks-2.jsonl", &directory),
    ] {
        for restarted in [false, true] {
            let (_directory, path) = closed();
            let given = numbers_given(&path);
            let _ = fs::remove_file(path.join(name));
            make(&path.join(name));
            if restarted {
                restart(&path);
            }
            let found = match FileStore::open(&path, OpenOptions::default()) {
                Ok(store) => {
                    let report = store.doctor();
                    assert!(!report.is_clean());
                    format!("{:?}", report.findings)
                }
                Err(error) => error.to_string(),
            };
            assert!(found.contains(name) && found.contains("isn't a regular file"), "{found}");
            assert!(found.contains("taskhost doctor --repair"), "{found}");
            let repaired = repair(&path, lossy());
            assert!(repaired.left.is_empty(), "{name}: {repaired:?}");
            let said = format!("`{name}` was set aside: it isn't a regular file");
            assert!(repaired.done.contains(&said), "{name}: {repaired:?}");
            assert!(fs::symlink_metadata(path.join(&repaired.set_aside[0])).is_ok());
            assert_works(&path, given);
            assert_eq!(repair(&path, lossy()), Repaired::default(), "{name}");
        }
    }
}
