//! What happens when somebody deletes the board's lock while it is held: a mistake, or a script that cleans up.

use std::io;

use parking_lot::Mutex;

use super::locks::soon;
use super::*;
use crate::disk::{DiskFile, Hold, Identity, append_all};

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

/// A journal to which somebody else appends at the very moment when we do.
struct Crowded {
    journal: Arc<dyn DiskFile>,
    theirs: Mutex<Vec<u8>>,
    /// How much of our own is written before the disk is full.
    room: usize,
}

impl DiskFile for Crowded {
    fn len(&self) -> io::Result<u64> {
        self.journal.len()
    }

    fn identity(&self) -> io::Result<Identity> {
        self.journal.identity()
    }

    fn changed_at(&self) -> io::Result<taskhost_board::Millis> {
        self.journal.changed_at()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.journal.read_at(buffer, offset)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let theirs = std::mem::take(&mut *self.theirs.lock());
        if theirs.is_empty() {
            return self.journal.append(bytes);
        }
        append_all(&*self.journal, &theirs)?;
        self.journal.append(&bytes[..self.room.min(bytes.len())])
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.journal.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.journal.sync()
    }

    fn try_lock(&self, hold: Hold) -> io::Result<bool> {
        self.journal.try_lock(hold)
    }

    fn wait_lock(&self, hold: Hold) -> io::Result<()> {
        self.journal.wait_lock(hold)
    }

    fn unlock(&self) -> io::Result<()> {
        self.journal.unlock()
    }
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

        let current = store.inner.current.write().take().unwrap();
        let mut current = Arc::into_inner(current).unwrap();
        let journal = current.journal.clone();
        current.journal = Arc::new(Crowded { journal, theirs: Mutex::new(theirs), room });
        *store.inner.current.write() = Some(Arc::new(current));
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
