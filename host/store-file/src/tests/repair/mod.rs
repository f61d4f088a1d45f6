//! Boards that are damaged, with real files, and what a repair makes of them.

mod around;
mod astray;
mod cut_short;
mod state;

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::{RepairOptions, Repaired};

/// A board of generation 2 with tasks, claims and a history, closed.
fn closed() -> (tempfile::TempDir, PathBuf) {
    let (directory, store) = fresh();
    fill(&store);
    let path = board(&directory);
    (directory, path)
}

/// Six tasks of which `a` is completed, `b` and `d` are claimed; ten entries, of which the last four are in the journal of
/// generation 2.
fn fill(store: &FileStore) {
    let engine = engine(store);
    for (task, after) in [("a", &[][..]), ("b", &["a"]), ("c", &["b"]), ("d", &[])] {
        add(&engine, task, after);
    }
    let (task, token) = claim(&engine, "x").unwrap();
    complete(&engine, "x", &task, token);
    store.compact(far()).unwrap();
    claim(&engine, "y").unwrap();
    add(&engine, "e", &[]);
    claim(&engine, "z").unwrap();
    add(&engine, "f", &["e"]);
}

fn lossy() -> RepairOptions {
    RepairOptions { lossy: true, ..careful() }
}

fn careful() -> RepairOptions {
    RepairOptions {
        components: BTreeMap::from([(Digest::of(STANDARD), STANDARD.to_vec())]),
        ..RepairOptions::default()
    }
}

fn repair(path: &Path, options: RepairOptions) -> Repaired {
    FileStore::repair(path, options).unwrap()
}

fn restart(path: &Path) {
    fs::remove_dir_all(path.join("index")).unwrap();
}

fn flip(path: &Path, at: impl FnOnce(&[u8]) -> usize) {
    let mut content = fs::read(path).unwrap();
    let at = at(&content);
    content[at] ^= 1;
    fs::write(path, content).unwrap();
}

/// A byte in the middle of the line of this number (from 1).
fn inside(number: usize) -> impl Fn(&[u8]) -> usize {
    move |content| {
        let mut lines = content.split_inclusive(|byte| *byte == b'\n');
        let before: usize = lines.by_ref().take(number - 1).map(<[u8]>::len).sum();
        before + lines.next().unwrap().len() / 2
    }
}

/// The highest numbers that anybody was ever given on the board.
fn numbers_given(path: &Path) -> (Sequence, Token, u64) {
    let store = open(path);
    let head = store.snapshot().unwrap().0.head().unwrap();
    (head.sequence, head.token, head.born)
}

/// The board is as good as new: clean, and every task that is left can be worked on.
#[track_caller]
fn assert_works(path: &Path, before: (Sequence, Token, u64)) {
    let store = open(path);
    assert_clean(&store);
    let engine = engine(&store);
    let (sequence, token, born) = before;
    add(&engine, "after the repair".replace(' ', "-").as_str(), &[]);
    let head = store.snapshot().unwrap().0.head().unwrap();
    assert!(head.sequence > sequence && head.born > born, "{head:?} after {before:?}");
    // Whoever holds a task gives it back, and then everything is done by one agent.
    let list = records(&store);
    for record in list {
        let taskhost_board::image::Record::Task(task) = record else { continue };
        if let Some(held) = task.claim {
            complete(&engine, held.agent.as_str(), &task.id, held.token);
        }
    }
    while let Some((task, given)) = claim(&engine, "worker") {
        assert!(given > token, "token {given} was given before");
        complete(&engine, "worker", &task, given);
        engine.upkeep(far()).unwrap();
    }
    assert_eq!(store.snapshot().unwrap().0.head().unwrap().counts.open(), 0);
    store.compact(far()).unwrap();
    assert_clean(&open(path));
}

/// Every byte that was there before is still there, under whatever name.
#[track_caller]
fn assert_kept(path: &Path, before: &BTreeMap<String, Vec<u8>>) {
    let now = all_files(path);
    for (name, content) in before {
        // `board.json` that could be read says what the new one says better.
        let is_kept = name == "board.json" || now.values().any(|kept| kept == content);
        assert!(is_kept, "`{name}` is gone; there are {:?}", now.keys());
    }
}
