//! Boards that are damaged, with real files, and what a repair makes of them.

use std::fs;
use std::path::PathBuf;

use taskhost_board::{Generation, Status};

use super::*;
use crate::format::names;
use crate::simulation::{Counted, Fault, World};
use crate::{RepairOptions, Repaired, Severity};

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
fn a_damaged_line_costs_what_follows_it_only_if_that_is_allowed() {
    for restarted in [false, true] {
        let (_directory, path) = closed();
        let given = numbers_given(&path);
        flip(&path.join("journal-2.jsonl"), inside(2));
        restart(&path);
        if !restarted {
            // The words of this boot know how far the journal was durable.
            drop(FileStore::open(&path, OpenOptions::default()));
        }
        let before = all_files(&path);
        let looked = repair(&path, careful());
        assert!(
            looked.needs_lossy && looked.done.is_empty() && looked.set_aside.is_empty(),
            "{looked:?}"
        );
        assert_eq!(looked.lost.entries, Some((Sequence(given.0.0 - 2), given.0)));
        assert_eq!((looked.lost.readable, looked.lost.unreadable), (2, 1));
        assert!(looked.lost.tasks.contains(&id("f")), "{:?}", looked.lost);
        assert_eq!(all_files(&path), before, "nothing was allowed to change");

        let repaired = repair(&path, lossy());
        assert_eq!(repaired.lost, looked.lost);
        assert!(!repaired.needs_lossy && repaired.left.is_empty());
        assert_eq!(repaired.set_aside.len(), 2, "{repaired:?}");
        let mut kept = before;
        // A snapshot that is whole is taken away by every switch.
        kept.remove("tasks-2.jsonl");
        assert_kept(&path, &kept);
        let view = open(&path).snapshot().unwrap().0;
        assert_eq!(view.head().unwrap().counts.total(), 4);
        assert_eq!(view.task(&id("b")).unwrap().unwrap().status, Status::InProgress);
        assert!(view.task(&id("e")).unwrap().is_none());
        drop(view);
        assert_works(&path, given);
        assert_eq!(repair(&path, lossy()), Repaired::default());
    }
}

#[test]
fn a_journal_that_is_gone_costs_what_was_in_it() {
    let (_directory, path) = closed();
    let given = numbers_given(&path);
    fs::remove_file(path.join("journal-2.jsonl")).unwrap();
    let looked = repair(&path, careful());
    assert!(looked.needs_lossy && looked.lost.notes[0].contains("`journal-2.jsonl` is missing"));
    // The words of this boot still know how many entries there were.
    assert_eq!(looked.lost.entries.unwrap().1, given.0);
    let repaired = repair(&path, lossy());
    assert!(repaired.left.is_empty(), "{repaired:?}");
    assert_works(&path, given);
}

/// What is left to say about a board that was made anew from its history.
#[track_caller]
fn assert_replayed(path: &Path, given: (Sequence, Token, u64)) {
    assert_eq!(history(&open(path)), numbers(given.0.0));
    let view = open(path).snapshot().unwrap().0;
    let head = view.head().unwrap();
    assert_eq!(
        (head.sequence, head.token, head.born, head.counts.total()),
        (given.0, given.1, given.2, 6)
    );
    assert_eq!(view.task(&id("a")).unwrap().unwrap().status, Status::Completed);
    drop(view);
    assert_works(path, given);
}

#[test]
fn a_damaged_snapshot_is_made_anew_from_a_history_that_has_everything() {
    let (_directory, path) = closed();
    let given = numbers_given(&path);
    flip(&path.join("tasks-2.jsonl"), inside(3));
    restart(&path);
    assert!(FileStore::open(&path, OpenOptions::default()).is_err());
    let before = all_files(&path);
    let repaired = repair(&path, careful());
    assert!(repaired.lost.is_nothing() && repaired.left.is_empty(), "{repaired:?}");
    assert_eq!(repaired.set_aside.len(), 1);
    assert_kept(&path, &before);
    assert_replayed(&path, given);
}

/// With the snapshot goes what the board was made with; what was set later is in the history.
#[test]
fn a_missing_snapshot_is_made_anew_and_what_nothing_says_any_more_is_named() {
    let (_directory, path) = closed();
    let given = numbers_given(&path);
    fs::remove_file(path.join("tasks-2.jsonl")).unwrap();
    restart(&path);
    let looked = repair(&path, careful());
    assert!(looked.needs_lossy && looked.lost.entries.is_none(), "{looked:?}");
    assert!(
        looked.lost.to_string().contains("its settings are the default ones"),
        "{}",
        looked.lost
    );
    let repaired = repair(&path, lossy());
    assert!(
        repaired.left.is_empty() && repaired.done[0].contains("from its history"),
        "{repaired:?}"
    );
    let view = open(&path).snapshot().unwrap().0;
    assert_eq!(view.head().unwrap().counts.total(), 6);
    assert_eq!(view.policies().unwrap(), plan().policies);
    drop(view);
    assert_works(&path, given);
}

#[test]
fn a_policy_that_was_set_is_known_without_the_snapshot() {
    let (_directory, path) = closed();
    set_policy(&engine(&open(&path)), OTHER).unwrap();
    remember(&open(&path), "then").unwrap();
    let given = numbers_given(&path);
    restart(&path);
    fs::remove_file(path.join("tasks-3.jsonl")).unwrap();
    let looked = repair(&path, careful());
    assert_eq!(looked.lost.notes, ["the board's own settings are the default ones"]);
    repair(&path, lossy());
    let view = open(&path).snapshot().unwrap().0;
    assert_eq!(view.policies().unwrap().leading().digest, Digest::of(OTHER));
    assert!(recalls(&*view, "then"));
    assert_eq!(view.head().unwrap().counts.total(), 6);
    drop(view);
    assert_works(&path, given);
}

#[test]
fn with_snapshot_and_journal_damaged_the_history_goes_as_far_as_it_can() {
    let (_directory, path) = closed();
    let given = numbers_given(&path);
    flip(&path.join("tasks-2.jsonl"), inside(3));
    flip(&path.join("journal-2.jsonl"), inside(3));
    restart(&path);
    let looked = repair(&path, careful());
    assert!(looked.needs_lossy);
    assert_eq!(looked.lost.entries, Some((Sequence(given.0.0 - 1), given.0)));
    let before = all_files(&path);
    repair(&path, lossy());
    assert_kept(&path, &before);
    let view = open(&path).snapshot().unwrap().0;
    assert!(view.task(&id("e")).unwrap().is_some() && view.task(&id("f")).unwrap().is_none());
    drop(view);
    assert_works(&path, given);
}

#[test]
fn what_a_snapshot_still_says_is_kept_where_the_history_does_not_go_back_far_enough() {
    let (_directory, path) = closed();
    let given = numbers_given(&path);
    fs::remove_file(path.join("history/journal-1.jsonl")).unwrap();
    let tasks = path.join("tasks-2.jsonl");
    // `b`, on which `c` waits, can no longer be read.
    let content = fs::read_to_string(&tasks).unwrap();
    fs::write(&tasks, content.replace("{\"task\":{\"id\":\"b\"", "{\"task\":{\"id\":\"b!\""))
        .unwrap();
    restart(&path);
    let before = all_files(&path);
    let looked = repair(&path, careful());
    assert!(looked.needs_lossy, "{looked:?}");
    assert!(
        looked.lost.notes.iter().any(|note| note.contains("of its records 3 can be read")),
        "{looked:?}"
    );
    assert!(looked.lost.tasks.contains(&id("b")));
    assert_eq!(all_files(&path), before);
    let repaired = repair(&path, lossy());
    assert!(repaired.left.is_empty(), "{repaired:?}");
    assert_kept(&path, &before);
    let view = open(&path).snapshot().unwrap().0;
    assert_eq!(view.head().unwrap().counts.total(), 5);
    assert!(view.task(&id("c")).unwrap().unwrap().after.is_empty());
    drop(view);
    assert_works(&path, given);
}

#[test]
fn a_snapshot_without_a_header_and_a_history_leaves_what_can_be_read() {
    let (_directory, path) = closed();
    let given = numbers_given(&path);
    fs::remove_file(path.join("history/journal-1.jsonl")).unwrap();
    flip(&path.join("tasks-2.jsonl"), |_| 2);
    restart(&path);
    let looked = repair(&path, careful());
    assert!(
        looked.needs_lossy && looked.lost.to_string().contains("the default ones"),
        "{}",
        looked.lost
    );
    repair(&path, lossy());
    assert_eq!(open(&path).snapshot().unwrap().0.head().unwrap().counts.total(), 6);
    assert_works(&path, given);
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

#[test]
fn a_repair_that_is_cut_short_is_done_again() {
    type Harm = fn(&World);
    let cut_journal: Harm = |world| {
        let mut content = world.files()["journal-2.jsonl"].clone();
        let at = inside(2)(&content);
        content[at] ^= 1;
        world.tamper("journal-2.jsonl", Some(content));
    };
    let snapshot: Harm = |world| {
        let mut content = world.files()["tasks-2.jsonl"].clone();
        let at = inside(3)(&content);
        content[at] ^= 1;
        world.tamper("tasks-2.jsonl", Some(content));
    };
    let pointer: Harm = |world| world.tamper("board.json", Some(b"{".to_vec()));
    for harm in [cut_journal, snapshot, pointer] {
        let mut at = 0;
        loop {
            let world = World::new();
            let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
            fill(&store);
            let given = store.snapshot().unwrap().0.head().unwrap();
            drop(store);
            harm(&world);
            world.lose_index();
            let process = world.process();
            process.plan(Counted::Changes, at, Fault::Stop);
            drop(process.repair(lossy()));
            let worlds = world.survivors().iter().map(World::booted).collect::<Vec<_>>();
            for world in worlds.into_iter().chain([world.clone()]) {
                let repaired = world.process().repair(lossy()).unwrap();
                assert!(repaired.left.is_empty() && !repaired.needs_lossy, "at {at}: {repaired:?}");
                let store = world.process().open(OpenOptions::default()).unwrap();
                assert_clean(&store);
                let told = remember(&store, "after").unwrap();
                let head = store.snapshot().unwrap().0.head().unwrap();
                assert!(told > given.sequence && head.token >= given.token, "at {at}: {head:?}");
                assert!(head.counts.total() >= 4, "at {at}: {head:?}");
            }
            if !process.is_stopped() {
                assert!(at >= 5, "{at}");
                break;
            }
            at += 1;
        }
    }
}
