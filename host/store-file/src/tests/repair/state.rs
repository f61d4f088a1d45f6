//! What a board holds, when its journal or its snapshot is damaged.

use taskhost_board::Status;

use super::*;

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
        assert_eq!(repaired.set_aside.len(), 3, "{repaired:?}");
        assert_kept(&path, &before);
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

/// The loss of a note was taken for one of entries: the numbers jumped by a thousand, and the whole history was set aside
/// because it didn't continue into them.
#[test]
fn a_repair_that_replays_every_entry_keeps_the_history_and_goes_on_where_it_ends() {
    let (_directory, path) = closed();
    let given = numbers_given(&path);
    fs::remove_file(path.join("tasks-2.jsonl")).unwrap();
    restart(&path);
    let repaired = repair(&path, lossy());
    assert!(!repaired.lost.notes.is_empty() && repaired.set_aside.is_empty(), "{repaired:?}");
    assert_replayed(&path, given);
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
fn a_damaged_board_of_format_1_is_repaired_in_the_format_of_this_version() {
    let (_directory, path) = upgrade::old_board();
    flip(&path.join("journal-2.jsonl"), inside(2));
    assert!(FileStore::open(&path, OpenOptions::default()).is_err());
    assert!(repair(&path, careful()).needs_lossy);
    let repaired = repair(&path, lossy());
    assert!(repaired.done.iter().any(|done| done.contains("from format 1")), "{repaired:?}");
    let store = open(&path);
    assert_clean(&store);
    assert!(store.snapshot().unwrap().0.head().unwrap().token > Token(5));
    remember(&store, "on").unwrap();
    assert_eq!(store.notices(), []);
}
