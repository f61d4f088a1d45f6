//! What happens when somebody deletes the board's lock while it is held, a mistake, or a script that cleans up; and when
//! the journal is replaced by another file while it is open.

use std::io;
use std::path::PathBuf;

use parking_lot::Mutex;

use super::locks::soon;
use super::*;
use crate::disk::{DiskFile, How, append_all, delegate_file};
use crate::simulation::{Counted, Fault, World};

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

/// A journal to which somebody else appends, or which is replaced, at the very moment when we write.
struct Crowded {
    journal: Arc<dyn DiskFile>,
    theirs: Mutex<Vec<u8>>,
    /// How much of our own is written before the disk is full.
    room: usize,
    /// Which file takes the other's place while that is synced.
    at_sync: Option<(PathBuf, PathBuf)>,
}

impl DiskFile for Crowded {
    delegate_file!(journal: len identity changed_at read_at truncate try_lock wait_lock unlock);

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let theirs = std::mem::take(&mut *self.theirs.lock());
        if theirs.is_empty() {
            return self.journal.append(bytes);
        }
        append_all(&*self.journal, &theirs)?;
        self.journal.append(&bytes[..self.room.min(bytes.len())])
    }

    fn sync(&self) -> io::Result<()> {
        if let Some((copy, journal)) = &self.at_sync {
            std::fs::rename(copy, journal)?;
        }
        self.journal.sync()
    }
}

/// Somebody meddles with the journal that `store` has open.
fn meddle(store: &FileStore, how: impl FnOnce(Arc<dyn DiskFile>) -> Crowded) {
    let current = store.inner.current.write().take().unwrap();
    let mut current = Arc::into_inner(current).unwrap();
    current.journal = Arc::new(how(current.journal.clone()));
    *store.inner.current.write() = Some(Arc::new(current));
}

/// A line that somebody wrote between the last look at the journal and the write was counted as ours: the change was
/// acknowledged, and then dropped because it didn't continue that line. Where our own line could be written only in
/// part, theirs was cut off with it.
#[test]
fn who_appends_at_the_same_moment_as_another_is_told_that_it_is_unknown_and_cuts_nothing_off() {
    for room in [usize::MAX, 10] {
        let (directory, store) = fresh();
        let path = board(&directory);
        remember(&store, "before").unwrap();
        // What another process would write next.
        let other = tempfile::tempdir().unwrap();
        for (name, content) in all_files(&path) {
            let name = other.path().join(name);
            std::fs::create_dir_all(name.parent().unwrap()).unwrap();
            std::fs::write(name, content).unwrap();
        }
        remember(&open(other.path()), "theirs").unwrap();
        let name = "journal-1.jsonl";
        let length = std::fs::read(path.join(name)).unwrap().len();
        let theirs = std::fs::read(other.path().join(name)).unwrap()[length..].to_vec();
        assert!(theirs.ends_with(b"\n"));

        meddle(&store, |journal| Crowded {
            journal,
            theirs: Mutex::new(theirs),
            room,
            at_sync: None,
        });
        match remember(&store, "ours") {
            Err(CommitError::Unknown(why)) => {
                assert!(why.contains("written to by somebody else"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        remember(&store, "after").unwrap();
        let (view, _) = store.snapshot().unwrap();
        assert!(["before", "theirs", "after"].iter().all(|key| recalls(&*view, key)));
        assert!(!recalls(&*view, "ours"));
        assert_eq!(whole_history(&store), 3);
        assert_clean(&open(&path));
    }
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

/// Puts a copy in the journal's place, as a program does that edits by a rename.
fn replace_journal(board: &Path) -> Vec<u8> {
    let (journal, copy) = (board.join("journal-1.jsonl"), board.join("copy"));
    std::fs::copy(&journal, &copy).unwrap();
    std::fs::rename(&copy, &journal).unwrap();
    std::fs::read(&journal).unwrap()
}

/// `sed -i`, `rsync` or a restored copy puts another file in the place of a journal that handles have open. They went on
/// appending to the old one, which had no name any more, and acknowledged what nobody ever found again.
#[test]
fn a_journal_that_was_replaced_is_opened_anew_before_anything_is_appended() {
    let (directory, store) = fresh();
    let path = board(&directory);
    remember(&store, "before").unwrap();
    let sleeper = open(&path);
    replace_journal(&path);
    remember(&store, "after").unwrap();
    remember(&sleeper, "and after").unwrap();
    std::fs::remove_dir_all(path.join("index")).unwrap();
    let newcomer = open(&path);
    assert_eq!(whole_history(&newcomer), 3);
    let (view, _) = newcomer.snapshot().unwrap();
    assert!(["before", "after", "and after"].iter().all(|key| recalls(&*view, key)));
    assert_clean(&newcomer);
}

#[test]
fn a_journal_that_is_replaced_during_a_transaction_is_not_written_to() {
    let (directory, store) = fresh();
    let path = board(&directory);
    remember(&store, "before").unwrap();
    let old = std::fs::File::open(path.join("journal-1.jsonl")).unwrap();
    let length = old.metadata().unwrap().len();
    let opened = store.begin(far()).unwrap();
    let content = replace_journal(&path);
    let late = entry(&*opened, "late");
    let why = refusal(opened.commit(late));
    assert!(why.contains("`journal-1.jsonl` was removed or replaced"), "{why}");
    assert_eq!(old.metadata().unwrap().len(), length);
    assert_eq!(std::fs::read(path.join("journal-1.jsonl")).unwrap(), content);
    assert_eq!(remember(&store, "after").unwrap(), Sequence(2));
    assert_eq!(whole_history(&store), 2);
    assert_clean(&open(&path));
}

#[test]
fn a_line_whose_journal_is_replaced_before_it_is_synced_is_not_acknowledged() {
    let (directory, store) = fresh();
    let path = board(&directory);
    remember(&store, "before").unwrap();
    let (journal, copy) = (path.join("journal-1.jsonl"), path.join("copy"));
    std::fs::copy(&journal, &copy).unwrap();
    meddle(&store, |open| Crowded {
        journal: open,
        theirs: Mutex::default(),
        room: usize::MAX,
        at_sync: Some((copy, journal)),
    });
    match remember(&store, "lost") {
        Err(CommitError::Unknown(why)) => assert!(why.contains("removed or replaced"), "{why}"),
        other => panic!("{other:?}"),
    }
    remember(&store, "after").unwrap();
    let (view, _) = store.snapshot().unwrap();
    assert!(recalls(&*view, "before") && recalls(&*view, "after") && !recalls(&*view, "lost"));
    assert_eq!(whole_history(&store), 2);
    assert_clean(&open(&path));
}

/// The same in a simulated world, and without making the copy's name durable.
fn replace_simulated_journal(store: &FileStore) {
    let disk = &store.inner.disk;
    let content = crate::disk::read_file(&**disk, "journal-1.jsonl").unwrap();
    let copy = disk.open("copy", How::New).unwrap();
    append_all(&*copy, &content).unwrap();
    copy.sync().unwrap();
    disk.rename("copy", "journal-1.jsonl").unwrap();
}

/// A power failure may take back the rename that put the copy there, and with it all that was appended to the copy.
#[test]
fn a_copy_that_is_appended_to_keeps_its_name() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    remember(&store, "before").unwrap();
    replace_simulated_journal(&store);
    remember(&store, "after").unwrap();
    for survivor in world.survivors() {
        let store = World::booted(&survivor).process().open(OpenOptions::default()).unwrap();
        assert_eq!(history(&store), numbers(2), "{}", survivor.what);
    }
}

/// A handle with the old journal open finds, in the index, a line that a newcomer has appended to the new one and not
/// synced yet. It synced the old one, and said to all that the line was durable.
#[test]
fn a_sync_of_a_journal_that_was_replaced_makes_nothing_durable() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    remember(&store, "before").unwrap();
    replace_simulated_journal(&store);
    let process = world.process();
    let writer = process.open(OpenOptions::default()).unwrap();
    // Stopped in its sync: its line stands in the new journal and in the index, and is counted.
    process.plan(Counted::Changes, 3, Fault::Stop);
    assert!(remember(&writer, "unsynced").is_err());
    drop(writer);
    let durable = |store: &FileStore| {
        let board = store.inner.board_file().unwrap().board;
        store.inner.words(&board).unwrap().unwrap().durable_through()
    };
    let told = store.snapshot().map(|_| ()).unwrap_err().to_string();
    assert!(told.contains("could not be made durable") && told.contains("replaced"), "{told}");
    assert_eq!(durable(&store), Sequence(1));
    let (view, _) = store.snapshot().unwrap();
    assert!(recalls(&*view, "unsynced"));
    assert_eq!(durable(&store), Sequence(2));
    for survivor in world.survivors() {
        let store = World::booted(&survivor).process().open(OpenOptions::default()).unwrap();
        assert_eq!(history(&store), numbers(2), "{}", survivor.what);
    }
}
