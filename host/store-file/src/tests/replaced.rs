//! What happens when somebody deletes the board's lock while it is held: a mistake, or a script that cleans up.

use super::locks::soon;
use super::*;

fn entry(opened: &dyn taskhost_board::Opened, key: &str) -> Entry {
    let change = Change::Remembered {
        space: Space::Standard,
        key: key.to_owned(),
        value: Some(key.as_bytes().to_vec()),
    };
    let request = Request::of(Command::Upkeep);
    Entry { time: opened.now().wall, request, seed: 7, changes: vec![change] }
}

fn refusal(result: Result<taskhost_board::Committed, CommitError>) -> String {
    match result {
        Err(CommitError::NotWritten(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// The holder went on with a lock on the deleted file, a newcomer made a new one: two writers at once, and the
/// journal's lines no longer continued each other.
#[test]
fn a_holder_whose_lock_was_deleted_writes_nothing_and_the_newcomer_does() {
    let (directory, store) = fresh();
    let path = board(&directory);
    remember(&store, "before").unwrap();
    let opened = store.begin(far()).unwrap();
    assert!(open(&path).begin(soon(50)).is_err());
    std::fs::remove_file(path.join("board.lock")).unwrap();
    let newcomer = open(&path);
    remember(&newcomer, "newcomer").unwrap();
    let late = entry(&*opened, "late");
    let why = refusal(opened.commit(late));
    assert!(why.contains("`board.lock` was removed or replaced while it was locked"), "{why}");
    remember(&store, "after").unwrap();
    remember(&newcomer, "and after").unwrap();
    let (view, _) = store.snapshot().unwrap();
    assert!(["before", "newcomer", "after", "and after"].iter().all(|key| recalls(&*view, key)));
    assert!(!recalls(&*view, "late"));
    assert_eq!(whole_history(&store), 4);
    assert_clean(&open(&path));
}

#[test]
fn a_holder_whose_lock_was_deleted_writes_nothing_though_nobody_else_came_yet() {
    let (directory, store) = fresh();
    let opened = store.begin(far()).unwrap();
    std::fs::remove_file(board(&directory).join("board.lock")).unwrap();
    let late = entry(&*opened, "late");
    refusal(opened.commit(late));
    assert_eq!(remember(&store, "after").unwrap(), Sequence(1));
    assert_clean(&store);
}

/// A newcomer in the middle of its own transaction is in the same place as the holder, and one of the two may write.
#[test]
fn of_two_who_hold_a_lock_each_only_the_one_whose_file_has_the_name_writes() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let first = store.begin(far()).unwrap();
    std::fs::remove_file(path.join("board.lock")).unwrap();
    let newcomer = open(&path);
    let second = newcomer.begin(far()).unwrap();
    let (one, two) = (entry(&*first, "one"), entry(&*second, "two"));
    refusal(first.commit(one));
    assert_eq!(second.commit(two).unwrap().sequence, Sequence(1));
    assert_eq!(remember(&store, "three").unwrap(), Sequence(2));
    assert_eq!(whole_history(&newcomer), 2);
    assert_clean(&open(&path));
}

/// Whoever writes without the lock, such as a program that only follows the format, must not have its line cut off, nor
/// a line put behind it that doesn't continue it.
#[test]
fn a_journal_that_somebody_wrote_to_meanwhile_is_left_as_it_is() {
    use std::io::Write as _;
    let (directory, store) = fresh();
    let path = board(&directory);
    remember(&store, "before").unwrap();
    let opened = store.begin(far()).unwrap();
    let journal = path.join("journal-1.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&journal).unwrap();
    file.write_all(b"{\"by\":\"somebody\"}\n").unwrap();
    let with_theirs = std::fs::read(&journal).unwrap();
    let late = entry(&*opened, "late");
    let why = refusal(opened.commit(late));
    assert!(why.contains("was changed while the board was locked"), "{why}");
    assert_eq!(std::fs::read(&journal).unwrap(), with_theirs);
    // What isn't a line of the board's is set aside, as ever.
    remember(&store, "after").unwrap();
    assert_eq!(whole_history(&store), 2);
    assert_clean(&store);
}

#[test]
fn a_switch_under_a_lock_that_was_deleted_changes_nothing() {
    let (directory, store) = fresh();
    let path = board(&directory);
    remember(&store, "before").unwrap();
    let guard = store.inner.lock(far()).unwrap();
    guard.still_excludes().unwrap();
    std::fs::remove_file(path.join("board.lock")).unwrap();
    assert!(guard.still_excludes().is_err());
    std::fs::write(path.join("board.lock"), "").unwrap();
    assert!(
        guard.still_excludes().is_err(),
        "another file of the name is not the one that is locked"
    );
    drop(guard);
    store.compact(far()).unwrap();
    assert_eq!(whole_history(&store), 1);
    assert_clean(&store);
}
