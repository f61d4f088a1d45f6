//! A board that the first version has left: format 1, generation 2, nine tasks, five claims, a policy whose settings
//! were changed.

use std::fs;
use std::path::PathBuf;

use taskhost_board::{BeginError, Status};

use super::*;
use crate::Notice;
use crate::format::FORMAT;

fn fixture() -> BTreeMap<String, Vec<u8>> {
    all_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/format-1"))
}

/// A copy, as git leaves it: without lock file, index and empty directories.
pub(super) fn old_board() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = board(&directory);
    for (name, content) in fixture() {
        let file = path.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    (directory, path)
}

/// Whether every file of the fixture is as it was; the lock's is made again.
fn is_untouched(path: &Path) -> bool {
    let now = all_files(path);
    fixture().into_iter().all(|(name, content)| now.get(&name) == Some(&content))
        && now.len() == fixture().len() + 1
}

#[track_caller]
fn assert_as_it_was(store: &FileStore) {
    let (view, _) = store.snapshot().unwrap();
    let head = view.head().unwrap();
    assert_eq!((head.counts.total(), head.token, head.born), (9, Token(5), 9));
    let task = view.task(&id("c4")).unwrap().unwrap();
    assert_eq!(task.status, Status::InProgress);
    assert_eq!(task.claim.unwrap().token, Token(5));
    assert_eq!(view.task(&id("plan")).unwrap().unwrap().status, Status::Completed);
    assert_eq!(view.task(&id("c1")).unwrap().unwrap().error.as_deref(), Some("boom"));
    for (command, key, task) in
        [(Command::Add, "k1", "plan"), (Command::Claim, "ck", "c1"), (Command::Add, "k4", "c4")]
    {
        assert_eq!(view.key(command, key).unwrap().unwrap().task, id(task));
    }
    let settings = &view.policies().unwrap().standard.settings;
    assert_eq!(settings.get("lease").map(String::as_str), Some("20m"));
}

#[test]
fn a_board_of_format_1_is_read_as_it_is_and_nothing_but_its_index_changes() {
    let (_directory, path) = old_board();
    let store = open(&path);
    assert_as_it_was(&store);
    assert_eq!(whole_history(&store), 19);
    assert!(!store.compaction_is_due());
    assert!(!store.compact_if_due(far()).unwrap());
    assert_clean(&store);
    assert_eq!(store.notices(), []);
    assert!(is_untouched(&path), "{:?}", all_files(&path).keys());
}

#[test]
fn the_first_change_upgrades_the_board_and_everything_is_there_afterwards() {
    let (_directory, path) = old_board();
    let store = open(&path);
    let late = open(&path);
    let (entries_before, records_before) = (entries(&store), records(&store));
    // Taking the lock is enough: what is decided under it may be anything that format 1 doesn't know.
    drop(store.begin(far()).unwrap());
    assert_eq!(store.notices(), [Notice::Upgraded { from: 1, to: FORMAT }]);
    for handle in [&store, &late, &open(&path)] {
        assert_as_it_was(handle);
        assert_eq!(entries(handle), entries_before);
        assert_eq!(records(handle), records_before);
        assert_clean(handle);
    }
    let now = files(&path);
    let pointer = String::from_utf8(now["board.json"].clone()).unwrap();
    assert!(pointer.contains("\"format\":2") && pointer.contains("\"generation\":3"), "{pointer}");
    assert!(now["tasks-3.jsonl"].starts_with(b"{\"header\":{\"format\":2,"));
    // What the old version wrote is kept to the letter.
    assert_eq!(
        fs::read(path.join("history/journal-2.jsonl")).unwrap(),
        fixture()["journal-2.jsonl"]
    );

    let engine = engine(&late);
    add(&engine, "new", &[]);
    let (task, token) = claim(&engine, "x").unwrap();
    assert_eq!(token, Token(6));
    complete(&engine, "x", &task, token);
    assert!(late.notices().is_empty() && store.notices().len() == 1, "it is upgraded once");
    assert!(whole_history(&store) >= 22);
    assert_clean(&store);
}

#[test]
fn a_compaction_upgrades_as_well_and_says_so() {
    let (_directory, path) = old_board();
    let store = open(&path);
    store.compact(far()).unwrap();
    assert_eq!(store.notices(), [Notice::Upgraded { from: 1, to: FORMAT }]);
    assert_as_it_was(&store);
    assert_clean(&store);
}

#[test]
fn of_many_that_upgrade_at_once_one_does_and_all_go_on() {
    let (_directory, path) = old_board();
    let stores: Vec<FileStore> = (0..6).map(|_| open(&path)).collect();
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..3 {
                    remember(store, &format!("{number}-{round}")).unwrap();
                }
            });
        }
    });
    let notices: usize = stores.iter().map(|store| store.notices().len()).sum();
    assert_eq!(notices, 1);
    assert!(files(&path).contains_key("journal-3.jsonl"));
    assert_eq!(whole_history(&stores[0]), 19 + 18);
    assert_as_it_was(&stores[0]);
    assert_clean(&stores[0]);
}

/// An older version and this one read and write the same index until the board is upgraded, and the older one keeps
/// fewer tables.
#[test]
fn an_index_of_another_layout_is_made_anew() {
    let (_directory, store) = fresh();
    remember(&store, "a").unwrap();
    let current = store.inner.current(far()).unwrap();
    let meta = crate::index::meta(&crate::index::read(&*current.index).unwrap()).unwrap().unwrap();
    let mut writing = crate::index::write(&*current.index).unwrap();
    writing.put_meta(&crate::index::Meta { layout: 0, ..meta }).unwrap();
    writing.commit().unwrap();
    assert!(recalls(&*store.snapshot().unwrap().0, "a"));
    assert!(matches!(store.notices()[..], [Notice::IndexRebuilt { .. }]));
    remember(&store, "b").unwrap();
    assert_clean(&store);
}

/// What an older version finds: here this one, on a board of the format after its own.
#[test]
fn a_version_that_is_too_old_reads_an_upgraded_board_and_refuses_to_change_it() {
    let (_directory, path) = old_board();
    drop(open(&path).begin(far()).unwrap());
    let pointer = fs::read_to_string(path.join("board.json")).unwrap();
    fs::write(path.join("board.json"), pointer.replace("\"format\":2", "\"format\":3")).unwrap();
    let store = open(&path);
    assert_as_it_was(&store);
    assert!(matches!(store.begin(far()), Err(BeginError::Newer { .. })));
}
